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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from paho.mqtt.client import Client, MQTTMessage, MQTTMessageInfo
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from mrv.errors import Fault, fault

KEEPALIVE_S = 30
#: Messages paho may hold for a connection that is just going; more are refused, never swapped for older ones.
MAX_QUEUED = 1000
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where the broker listens."""

    host: str
    port: int

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

    def __init__(self, info: MQTTMessageInfo | None = None) -> None:
        """None: the link was down, nothing was sent and nothing is queued."""
        self._info = info if info and info.rc == MQTTErrorCode.MQTT_ERR_SUCCESS else None

    @property
    def accepted(self) -> bool:
        """Whether it was handed to the connection at all."""
        return self._info is not None

    @property
    def done(self) -> bool:
        """Whether the broker has acknowledged it."""
        return self._info is not None and self._info.is_published()

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
    ) -> None:
        """`on_link(True)` comes when connected and every subscription is granted; `will` is what the broker
        publishes when we vanish; with `manual_ack` each received message needs `ack`, or comes again."""
        self.endpoint = endpoint
        #: Why the link is down, for `status`; None while it is up or before the first attempt.
        self.trouble: Fault | None = None
        self.up = False
        self._subscriptions = tuple(subscriptions)
        self._on_message = on_message
        self._on_link = on_link
        self._client = _client(client_id, manual_ack, will)
        self._client.on_connect = self._connected
        self._client.on_connect_fail = self._unreachable
        self._client.on_subscribe = self._subscribed
        self._client.on_disconnect = self._disconnected
        self._client.on_message = self._received

    def start(self) -> None:
        """Begin connecting, for ever, in the background; the broker may come later."""
        self._client.connect_async(self.endpoint.host, self.endpoint.port, keepalive=KEEPALIVE_S)
        self._client.loop_start()

    def stop(self) -> None:
        """Say goodbye (the will is not published) and end the network thread."""
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

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> Publication:
        """Send now. Nothing is queued while the link is down: the caller holds the truth and will send again."""
        return Publication(self._client.publish(topic, payload, qos, retain) if self.up else None)

    def ack(self, message: Message) -> None:
        """Tell the broker a received message is safe with us (manual_ack only)."""
        self._client.ack(message.mid, message.qos)

    def _connected(self, _c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if reason.is_failure:
            self.trouble = fault("link.broker_refused", str(self.endpoint), reason=reason)
        elif self._subscriptions:
            self._client.subscribe([(topic, 1) for topic in self._subscriptions])
        else:
            self._change(up=True)

    def _subscribed(self, _c: object, _u: object, _mid: int, reasons: list[ReasonCode], _p: object) -> None:
        refused = [t for t, reason in zip(self._subscriptions, reasons, strict=True) if reason.is_failure]
        if refused:
            self.trouble = fault("link.subscription_refused", str(self.endpoint), topics=", ".join(refused))
        else:
            self._change(up=True)

    def _unreachable(self, _c: object, _u: object) -> None:
        self.trouble = fault("link.broker_unreachable", str(self.endpoint))

    def _disconnected(self, _c: object, _u: object, _f: object, reason: ReasonCode, _p: object) -> None:
        if self.up:
            self.trouble = fault("link.broker_lost", str(self.endpoint), reason=reason)
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


def _client(client_id: str, manual_ack: bool, will: Message | None) -> Client:
    client = Client(
        CallbackAPIVersion.VERSION2,
        client_id=client_id,
        clean_session=False,
        protocol=MQTTProtocolVersion.MQTTv311,
        manual_ack=manual_ack,
    )
    client.suppress_exceptions = True  # a fault in a handler is logged; the network thread must outlive it
    client.enable_logger(_log)
    client.max_queued_messages_set(MAX_QUEUED)
    # Each client doubles its own first delay: sites that lost the broker together do not come back together.
    # Seconds may be fractions (they only enter arithmetic), whatever the annotation says.
    low: Any = random.uniform(0.5, 2.0)  # noqa: S311 (spread, not secrecy)
    high: Any = random.uniform(45.0, 90.0)  # noqa: S311
    client.reconnect_delay_set(low, high)
    if will:
        client.will_set(will.topic, will.payload, will.qos, will.retain)
    return client
