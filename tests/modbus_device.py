"""A Modbus TCP device of the tests: raw sockets and a script, so that it can answer in every wrong way.

async def script(device, request):              called as a task for every request
    await request.send(request.answer([1, 2]))

async with Device(script) as device: ...        device.port, device.requests, device.connections
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self


@dataclass
class Request:
    """One request as it came in, and ways to answer it."""

    frame: bytes
    connection: int
    writer: asyncio.StreamWriter

    @property
    def transaction(self) -> int:
        return int.from_bytes(self.frame[0:2], "big")

    @property
    def unit(self) -> int:
        return self.frame[6]

    @property
    def function(self) -> int:
        return self.frame[7]

    @property
    def address(self) -> int:
        return int.from_bytes(self.frame[8:10], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.frame[10:12], "big")

    def answer(
        self,
        words: Sequence[int],
        *,
        transaction: int | None = None,
        protocol: int = 0,
        unit: int | None = None,
        function: int | None = None,
    ) -> bytes:
        """A well-formed answer, except for what is asked to be otherwise."""
        head = bytes([self.function if function is None else function, 2 * len(words)])
        return self.frame_of(head + struct.pack(f">{len(words)}H", *words), transaction, protocol, unit)

    def refusal(self, code: int) -> bytes:
        return self.frame_of(bytes([self.function | 0x80, code]))

    def frame_of(self, pdu: bytes, transaction: int | None = None, protocol: int = 0, unit: int | None = None) -> bytes:
        number = self.transaction if transaction is None else transaction
        header = struct.pack(">HHHB", number, protocol, len(pdu) + 1, self.unit if unit is None else unit)
        return header + pdu

    async def send(self, data: bytes) -> None:
        """Send, unless the other side has gone."""
        if not self.writer.is_closing():
            self.writer.write(data)
            try:
                await self.writer.drain()
            except ConnectionError:
                self.writer.close()

    def hang_up(self) -> None:
        self.writer.close()

    def reset(self) -> None:
        """Close with RST, as a device that loses power or a firewall does."""
        handle: socket.socket = self.writer.get_extra_info("socket")
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[["Device", Request], Awaitable[None]]


class Device:
    """Listens on a port of its own until the end of the `async with`."""

    def __init__(self, script: Script, port: int = 0) -> None:
        self._script = script
        self.port = port
        self.requests: list[Request] = []
        self.connections = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._writers: list[asyncio.StreamWriter] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for writer in self._writers:
            writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readexactly(6)
                body = await reader.readexactly(int.from_bytes(head[4:6], "big"))
                self._take(Request(head + body, number, writer))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _take(self, request: Request) -> None:
        assert request.function in (0x03, 0x04, 0x11, 0x2B), "a line only reads"
        self.requests.append(request)
        task = asyncio.ensure_future(self._script(self, request))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def ramp(request: Request) -> list[int]:
    """The content of this device's registers: each holds its own address."""
    return [(request.address + i) & 0xFFFF for i in range(request.count)]


async def honest(_: Device, request: Request) -> None:
    await request.send(request.answer(ramp(request)))
