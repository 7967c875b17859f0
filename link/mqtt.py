"""The broker connection of either end: the home of paho.

The broker is transport and nothing is lost with it: what must arrive is sent again from the database until the other
side's signature says it is there. So this offers publish, acknowledge and "the link is up / down", keeps no queue of
its own worth naming, never raises for the network, and never decides anything. MQTT 3.1.1, persistent session.

Callbacks run on the network thread: hand over to your own loop or queue and return.
"""

from __future__ import annotations

import logging
import random
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from link import tls
from link.tls import Tls
from mrv.errors import BadInput, Fault, fault
from mrv.messages import sentence

KEEPALIVE_S = 30
#: Messages paho may hold for a connection that is just going; more are refused, never swapped for older ones.
MAX_QUEUED = 1000
#: How long the broker keeps our session after we vanish. Nothing relies on it: it saves sending twice.
SESSION_S = 3600
#: Unacknowledged messages either side may have under way.
WINDOW = 20
#: MQTT 5, 3.2.2.2: the broker does not speak this version.
_UNSUPPORTED_VERSION = 0x84
#: Troubles in the broker's own words; the end of the connection that follows them says nothing more.
_TOLD = ("link.broker_refused", "link.subscription_refused")
#: PUBACKs with bad news that nobody has asked for yet; older ones give way.
_MAX_REFUSED = 256
_log = logging.getLogger(__name__)
_paho = _log.getChild("paho")
# Its sentence for each attempt to reach a broker that is away; `Mqtt.trouble` says it once, in words.
_paho.addFilter(lambda record: not str(record.msg).startswith("Client is not connected"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the broker listens; `tls` None is an open connection, for loopback and laboratories."""

    host: str
    port: int
    tls: Tls | None = None

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message, received or to be sent. `mid` is the packet id to acknowledge, 0 for one not received."""

    topic: str
    payload: bytes
    qos: int = 1
    retain: bool = False
    mid: int = 0


class Publication:
    """One message on its way. PUBACK is the broker's word only: it releases nothing.

    It may stay undone for long on a half-dead connection: give up after a time of your own, then `Mqtt.drop()`.
    """

    def __init__(self, info: MQTTMessageInfo | None = None, refused: dict[int, ReasonCode] | None = None) -> None:
        """None: the link was down, nothing was sent and nothing is queued."""
        self._info = info if info and info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None
        self._refused = refused if refused is not None else {}

    @property
    def accepted(self) -> bool:
        """Whether it was handed to the connection at all."""
        return self._info is not None

    @property
    def done(self) -> bool:
        """Whether the broker has acknowledged it."""
        return self._info is not None and self._info.is_published()

    @property
    def refused(self) -> str:
        """Why the broker would not take it although it acknowledged it (MQTT 5 only); empty while all is well."""
        reason = self._refused.get(self._info.mid) if self._info is not None and self.done else None
        return "" if reason is None else str(reason)

    def wait(self, timeout: float) -> bool:
        """`done`, after waiting for it up to `timeout` seconds. Not on the network thread."""
        if self._info is not None:
            self._info.wait_for_publish(timeout)
        return self.done


class Mqtt:
    """One client. `client_id` must be unique at the broker; a second one with it throws the first one out."""

    def __init__(
        self,
        endpoint: Endpoint,
        client_id: str,
        subscriptions: Sequence[str] = (),
        on_message: Callable[[Message], None] = lambda _message: None,
        on_link: Callable[[bool], None] = lambda _up: None,
        will: Message | None = None,
        manual_ack: bool = False,
        largest: int | None = None,
    ) -> None:
        """`on_link(True)` comes when connected and every subscription is granted; `will` is what the broker
        publishes when we vanish; with `manual_ack` each received message needs `ack`, or comes again; a packet beyond
        `largest` bytes is not for us (MQTT 5: the broker is told). Raises BadInput for TLS files that do not do."""
        self.endpoint = endpoint
        #: Why the link is down, for `status`; None while it is up or before the first attempt.
        self.trouble: Fault | None = None
        self.up = False
        #: Whether the broker speaks MQTT 5, as far as we know.
        self.modern = True
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._on_link = on_link
        self._identity = (client_id, manual_ack, will)
        self._largest = largest
        self._context = endpoint.tls.context() if endpoint.tls else None
        self._refused: dict[int, ReasonCode] = {}
        self._changing = threading.Lock()
        self._stopped = False
        self._client = self._wired()

    def _wired(self) -> Client:
        client = _client(*self._identity, self.modern)
        if self._context:
            client.tls_set_context(self._context)
            client.on_pre_connect = self._renew
        client.on_connect = self._connected
        client.on_connect_fail = self._unreachable
        client.on_subscribe = self._subscribed
        client.on_publish = self._published
        client.on_disconnect = self._disconnected
        client.on_message = self._received
        return client

    def start(self) -> None:
        """Begin connecting, for ever, in the background; the broker may come later."""
        host, port = self.endpoint.host, self.endpoint.port
        if self.modern:
            properties = _connecting(self._largest)
            self._client.connect_async(host, port, keepalive=KEEPALIVE_S, clean_start=False, properties=properties)
        else:
            self._client.connect_async(host, port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye (the will is not published) and end the network thread."""
        with self._changing:
            self._stopped = True
        self._client.disconnect()
        self._client.loop_stop()
        self._change(up=False)

    def drop(self) -> None:
        """Cut the connection as a fault would; it is built again, and unacknowledged messages are sent again."""
        connection = self._client.socket()
        if isinstance(connection, socket.socket):
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                _log.debug("the connection was already gone")

    def publish(
        self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expires: int | None = None
    ) -> Publication:
        """Send now. Nothing is queued while the link is down: the caller holds the truth and will send again.

        The broker may forget it after `expires` seconds (MQTT 5): for what is only worth knowing while it is fresh.
        """
        if not self.up:
            return Publication()
        properties = None
        if self.modern and expires is not None:
            properties = _properties(PacketTypes.PUBLISH)
            properties.MessageExpiryInterval = expires
        return Publication(self._client.publish(topic, payload, qos, retain, properties), self._refused)

    def ack(self, message: Message) -> None:
        """Tell the broker a received message is safe with us (manual_ack only)."""
        self._client.ack(message.mid, message.qos)

    def _renew(self, _c: object, _u: object) -> None:
        """Before each connection: the certificate may have been renewed meanwhile."""
        if self.endpoint.tls and self._context:
            try:
                self.endpoint.tls.refresh(self._context)
            except BadInput as error:  # half copied, perhaps: the one in memory goes on
                _log.warning("%s", error)

    def _connected(self, client: Client, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure and reason.value == _UNSUPPORTED_VERSION and self.modern:
            self._fall_back(client)
        elif reason.is_failure:
            self._tell(fault("link.broker_refused", str(self.endpoint), reason=reason))
        elif self._subscriptions:
            self._client.subscribe([(topic, 1) for topic in self._subscriptions])
        else:
            self._change(up=True)

    def _fall_back(self, client: Client) -> None:
        """Begin again as 3.1.1, on a new network thread; this one ends with its client."""
        _log.info("broker %s does not speak MQTT 5: going on with 3.1.1", self.endpoint)
        with self._changing:
            if self._stopped:
                return
            client.on_disconnect = client.on_connect_fail = None
            client.disconnect()
            client.loop_stop()
            self.modern = False
            self._client = self._wired()
            self.start()

    def _published(self, _c: object, _u: object, mid: int, reason: ReasonCode, _p: object) -> None:
        self._refused.pop(mid, None)  # packet ids are used again
        if reason.is_failure:
            while len(self._refused) >= _MAX_REFUSED:
                self._refused.pop(next(iter(self._refused)))
            self._refused[mid] = reason

    def _subscribed(self, _c: object, _u: object, _mid: int, reasons: list[ReasonCode], _p: object) -> None:
        refused = [t for t, reason in zip(self._subscriptions, reasons, strict=True) if reason.is_failure]
        if refused:
            self._tell(fault("link.subscription_refused", str(self.endpoint), topics=", ".join(refused)))
        else:
            self._change(up=True)

    def _unreachable(self, _c: object, _u: object) -> None:
        self._tell(self._distrust() or fault("link.broker_unreachable", str(self.endpoint)))

    def _tell(self, trouble: Fault) -> None:
        """Once in the log, however often it is tried again."""
        if self.trouble is None or self.trouble.code != trouble.code:
            _log.warning("%s", sentence(trouble))
        self.trouble = trouble

    def _distrust(self) -> Fault | None:
        """The reason, if it is one of certificates: on which side, and what OpenSSL says."""
        if self._context is None:
            return None
        why = tls.refusal(self.endpoint.host, self.endpoint.port, self._context)
        return fault("link.tls_refused", str(self.endpoint), reason=why) if why else None

    def _disconnected(self, _c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if self.up:
            self._tell(fault("link.broker_lost", str(self.endpoint), reason=reason))
        elif self.trouble is None or self.trouble.code not in _TOLD:
            self._tell(self._distrust() or fault("link.broker_unreachable", str(self.endpoint)))
        self._change(up=False)

    def _received(self, _c: object, _u: object, message: MQTTMessage) -> None:
        payload = bytes(message.payload)
        self._on_message(
            Message(topic=message.topic, payload=payload, qos=message.qos, retain=message.retain, mid=message.mid)
        )

    def _change(self, *, up: bool) -> None:
        if up == self.up:
            return
        self.up = up
        if up:
            self.trouble = None
        self._on_link(up)


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]  # paho left its signature open


def _connecting(largest: int | None) -> Properties:
    properties = _properties(PacketTypes.CONNECT)
    properties.SessionExpiryInterval = SESSION_S
    properties.ReceiveMaximum = WINDOW
    if largest is not None:
        properties.MaximumPacketSize = largest
    return properties


def _client(client_id: str, manual_ack: bool, will: Message | None, modern: bool) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=None if modern else False,
        protocol=MQTTProtocolVersion.MQTTv5 if modern else MQTTProtocolVersion.MQTTv311,
        manual_ack=manual_ack,
    )
    client.suppress_exceptions = True  # a fault in a handler is logged; the network thread must outlive it
    client.enable_logger(_paho)
    client.max_queued_messages_set(MAX_QUEUED)
    # Each client doubles its own first delay: sites that lost the broker together do not come back together.
    # Seconds may be fractions (they only enter arithmetic), whatever the annotation says.
    low: Any = random.uniform(0.5, 2.0)  # noqa: S311 (spread, not secrecy)
    high: Any = random.uniform(45.0, 90.0)  # noqa: S311
    client.reconnect_delay_set(low, high)
    if will:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    return client
