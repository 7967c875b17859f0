"""A broker inside the collector's process, for demonstrations and single machines: the home of amqtt.

It knows no users and no encryption, so it listens on loopback unless told otherwise, and it forgets everything when it
ends: nothing in this system relies on a broker's memory. A real site uses mosquitto. amqtt itself takes packets of any
size; here a connection ends at the first packet larger than LIMIT.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

from link.mqtt import Endpoint
from mrv.errors import Refused, Unavailable, fault
from mrv.log.bundle import CAP

#: Four times the largest bundle, as for every broker between a site and its collector.
LIMIT = 4 * CAP
_PATIENCE_S = 10.0
#: How a CONNECT of MQTT 5 begins. amqtt would read it as 3.1.1 and wait for ever for what it takes for its rest.
_MQTT_5 = b"\x00\x04MQTT\x05"
#: CONNACK: unacceptable protocol version.
_NOT_THIS_VERSION = bytes((0x20, 2, 0, 1))
_log = logging.getLogger(__name__)


class EmbeddedBroker:
    """Owns the listening socket, and the thread and event loop that serve it."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._loop: asyncio.AbstractEventLoop
        self._thread = threading.Thread(target=self._serve, name="broker", daemon=True)
        self._broker: Any = None

    def start(self) -> None:
        """Listen. Raises Refused when amqtt is not installed, Unavailable when the address cannot be had."""
        factory = _bounded_broker()
        self._loop = asyncio.new_event_loop()
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(self._start(factory), self._loop)
        try:
            starting.result(_PATIENCE_S)
        except Exception as error:  # amqtt wraps what the socket said in its own words
            self._end()
            raise Unavailable(fault("collector.broker_failed", str(self.endpoint), problem=error)) from error

    def stop(self) -> None:
        """Close every connection and the socket."""
        try:
            asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop).result(_PATIENCE_S)
        except TimeoutError:
            _log.warning("the embedded broker did not end in time; its connections are cut")
        self._end()

    async def _start(self, factory: Any) -> None:
        self._broker = factory(
            {
                "listeners": {"default": {"type": "tcp", "bind": str(self.endpoint)}},
                "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
            }
        )
        await self._broker.start()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()

    def _end(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _opening(reader: asyncio.StreamReader) -> bytes:
    """A connection up to and including the protocol level of its CONNECT (MQTT 3.1.1, 3.1.2.2)."""
    begun = await reader.readexactly(2)
    while begun[-1] & 0x80 and len(begun) < 5:  # the length of the packet goes on
        begun += await reader.readexactly(1)
    return begun + await reader.readexactly(len(_MQTT_5))


def _bounded_broker() -> Any:
    """amqtt's broker class with a reader that will not take a packet beyond LIMIT."""
    try:
        from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
        from amqtt.broker import Broker
    except ModuleNotFoundError as error:
        raise Refused(fault("collector.no_embedded_broker")) from error
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)

    class BoundedReader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt ships no types
        """amqtt asks for the rest of a packet in one read: what is too long to ask for ends the connection."""

        def __init__(self, reader: asyncio.StreamReader, begun: bytes) -> None:
            super().__init__(reader)
            self._begun = begun

        async def read(self, n: int = -1) -> bytes:
            if n > LIMIT:
                raise ValueError(f"a packet of {n} bytes is larger than {LIMIT}")
            head, self._begun = self._begun[:n], self._begun[n:]
            rest: bytes = await super().read(n - len(head)) if len(head) < n else b""
            return head + rest

    class BoundedBroker(Broker):  # type: ignore[misc]  # amqtt ships no types
        async def stream_connected(
            self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
        ) -> None:
            try:
                begun = await _opening(reader)
                if begun.endswith(_MQTT_5):
                    writer.write(_NOT_THIS_VERSION)
                else:
                    await self.external_connected(
                        BoundedReader(reader, begun), StreamWriterAdapter(writer), listener_name
                    )
            except (asyncio.IncompleteReadError, OSError):
                _log.debug("a client left before it had said anything")
            finally:
                writer.close()

    return BoundedBroker
