"""A small Modbus TCP server: several units behind one port, as behind a gateway; reads only; breaks when told to.

Written here rather than taken from a library because it must be able to send late, short, doubled and foreign replies
(`drivers.simulator.faults`), which libraries rightly refuse to do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

from drivers.simulator import frames
from drivers.simulator.faults import Fault, Faults, Honest, Send
from mrv.profile import Table


class Unit(Protocol):
    """A meter behind the server."""

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        """`count` words, all of one instant. Raises frames.Refusal for an exception reply."""


class Server:
    """Owns a listening socket and its connections. `port` is known once `start` has returned."""

    def __init__(self, units: Mapping[int, Unit], faults: Faults | None = None, host: str = "127.0.0.1") -> None:
        self.host = host
        self.port = 0
        self._units = units
        self._faults = faults or Honest()
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    async def start(self, port: int = 0) -> int:
        """Listen on `port` (0: any free one) and return it. Raises OSError when it is taken."""
        self._server = await asyncio.start_server(self._serve, self.host, port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def stop(self) -> None:
        """Close the socket and every connection."""
        if self._server:
            self._server.close()
            for writer in tuple(self._open):
                writer.close()
            await self._server.wait_closed()
            self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while not writer.is_closing():
                header = frames.parse_header(await reader.readexactly(frames.HEADER))
                for send in self._answer(header, await reader.readexactly(header.length)):
                    _schedule(writer, send)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, frames.NotModbus):
            pass  # the client hung up, or does not speak Modbus: either way this connection is over
        finally:
            self._open.discard(writer)
            writer.close()

    def _answer(self, header: frames.Header, pdu: bytes) -> tuple[Send, ...]:
        try:
            request = frames.parse_request(header, pdu)
            if header.unit not in self._units:
                raise frames.Refusal(frames.NO_TARGET)
        except frames.Refusal as refusal:
            return (Send(data=frames.refused(header.transaction, header.unit, pdu[0], refusal.code)),)
        return self._reply(request, self._faults.meet(request.unit))

    def _reply(self, request: frames.Request, fault: Fault) -> tuple[Send, ...]:
        try:
            words = self._units[request.unit].read(request.table, request.address, request.count)
            frame = frames.reply(request, fault.words(request, words))
        except frames.Refusal as refusal:
            frame = frames.refused(request.transaction, request.unit, request.function, refusal.code)
        return fault.frames(request, frame)


def _schedule(writer: asyncio.StreamWriter, send: Send) -> None:
    if send.after > 0:
        asyncio.get_running_loop().call_later(send.after, _put, writer, send)
    else:
        _put(writer, send)


def _put(writer: asyncio.StreamWriter, send: Send) -> None:
    if writer.is_closing():
        return
    writer.write(send.data)
    if send.close:
        writer.close()
