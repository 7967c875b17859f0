"""Lines on TCP: Modbus TCP as of a device or gateway, and RTU frames in a TCP stream as of a serial device server.

Written here rather than taken from a library because it must be able to send late, short, doubled and foreign replies
(`drivers.simulator.faults`), which libraries rightly refuse to do. Reads only; what goes wrong is the line's business.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from drivers.simulator import frames
from drivers.simulator.faults import Send
from drivers.simulator.frames import Refusal
from drivers.simulator.line import Line, Tty
from drivers.simulator.rtu import Ear
from drivers.simulator.wire import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Where:
    """How a line is reached: `host` and `port`, or `path` (stable) and `device` (what it points to now) at `baud`."""

    host: str | None = None
    port: int | None = None
    path: str | None = None
    device: str | None = None
    baud: int | None = None


class Server(Protocol):
    """One line, reachable."""

    async def start(self) -> Where:
        """Be there. Raises OSError when the place is taken."""

    async def stop(self) -> None:
        """Be gone for good."""

    def speak(self, data: bytes) -> None:
        """Put bytes on the line that nobody here asked for."""

    async def vanish(self) -> None:
        """Lose power, or the plug is pulled: whoever was connected is not any more."""

    async def come_back(self) -> Where:
        """Power is back: the same way to reach it, nothing else kept."""


class TcpServer:
    """A listening socket and its connections. `clients` is how many it serves at a time (None: any number)."""

    def __init__(self, line: Line, host: str = "127.0.0.1", port: int = 0, *, clients: int | None = None) -> None:
        self.host = host
        #: Known once `start` has returned, if it was 0.
        self.port = port
        self._line = line
        self._clients = clients
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> Where:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return Where(host=self.host, port=self.port)

    async def stop(self) -> None:
        if self._server:
            self._server.close()
            for writer in tuple(self._open):
                writer.close()
            await self._server.wait_closed()
            await asyncio.gather(*self._serving)
            self._server = None

    async def vanish(self) -> None:
        await self.stop()

    async def come_back(self) -> Where:
        return await self.start()

    def speak(self, data: bytes) -> None:
        for writer in self._open:
            _put(writer, Send(data=data))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None or (self._clients is not None and len(self._open) >= self._clients):
            writer.close()
            return
        self._open.add(writer)
        if task := asyncio.current_task():
            self._serving.add(task)
            task.add_done_callback(self._serving.discard)
        try:
            await self._converse(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, frames.NotModbus):
            pass  # the client hung up, or does not speak Modbus: either way this connection is over
        finally:
            self._open.discard(writer)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not writer.is_closing():
            header = frames.parse_header(await reader.readexactly(frames.HEADER))
            for send in self._answer(header, await reader.readexactly(header.length)):
                _schedule(writer, send)
            await writer.drain()

    def _answer(self, header: frames.Header, pdu: bytes) -> tuple[Send, ...]:
        try:
            return self._line.hear(frames.parse(header.transaction, header.unit, pdu))
        except Refusal as refusal:
            return self._line.refuse(header.transaction, header.unit, pdu[0], refusal.code)


class SerialOverTcp(TcpServer):
    """A serial device server: bytes in, bytes out, at the pace of the line behind it (`baud` None: no pace)."""

    def __init__(
        self,
        line: Line,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        clients: int | None = None,
        baud: int | None = None,
    ) -> None:
        super().__init__(line, host, port, clients=clients)
        self._baud = baud
        self._pace = Pace(self._put, baud)

    async def stop(self) -> None:
        self._pace.silence()
        await super().stop()

    def speak(self, data: bytes) -> None:
        self._pace.say(data)

    async def _converse(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        ear = Ear()
        while data := await reader.read(4096):
            for send in exchanged(self._line, ear, self._pace, data):
                self._pace.say(send.data, send.after)
                if send.close:
                    await asyncio.sleep(self._pace.rest)
                    return

    def _put(self, data: bytes) -> None:
        for writer in self._open:
            _put(writer, Send(data=data))


def exchanged(line: Line, ear: Ear, pace: Pace, data: bytes, tty: Tty | None = None) -> list[Send]:
    """What a serial line gives back for `data` that was put into it."""
    if line.echoing:
        pace.say(data)
    else:
        pace.heard(len(data))
    sends: list[Send] = []
    for heard, unit, function in ear.heard(data, asyncio.get_running_loop().time()):
        sends += line.refuse(None, unit, function, heard.code) if isinstance(heard, Refusal) else line.hear(heard, tty)
    return sends


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
