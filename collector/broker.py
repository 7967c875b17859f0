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


def _bounded_broker() -> Any:
    """amqtt's broker class with a reader that will not take a packet beyond LIMIT."""
    try:
        from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
        from amqtt.broker import Broker
    except ImportError as error:
        raise Refused(fault("collector.no_embedded_broker")) from error
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    logging.getLogger("transitions").setLevel(logging.ERROR)

    class BoundedReader(StreamReaderAdapter):  # type: ignore[misc]  # amqtt ships no types
        """amqtt asks for the rest of a packet in one read: what is too long to ask for ends the connection."""

        async def read(self, n: int = -1) -> bytes:
            if n > LIMIT:
                raise ValueError(f"a packet of {n} bytes is larger than {LIMIT}")
            data: bytes = await super().read(n)
            return data

    class BoundedBroker(Broker):  # type: ignore[misc]  # amqtt ships no types
        async def stream_connected(
            self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
        ) -> None:
            await self.external_connected(BoundedReader(reader), StreamWriterAdapter(writer), listener_name)

    return BoundedBroker
