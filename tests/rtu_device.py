"""A Modbus RTU device of the tests, on a pseudo terminal or behind a serial server: raw bytes and a script.

async def script(device, request):              called as a task for every request
    await request.send(request.answer([1, 2]))

async with Pty(script) as device: ...           device.port, device.requests
async with SerialServer(script) as device: ...  device.host, device.port

Frames are made and read here with a CRC of its own, bit by bit, so that two wrongs cannot agree.
"""

from __future__ import annotations

import asyncio
import os
import struct
import tty
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Self

#: Functions a line may send, and the bytes of each request.
SIZES = {0x03: 8, 0x04: 8, 0x11: 4, 0x2B: 7}


def crc(data: bytes) -> bytes:
    register = 0xFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xA001 if register & 1 else 0)
    return struct.pack("<H", register)


@dataclass
class RtuRequest:
    """One request as it came in, and ways to answer it."""

    frame: bytes
    write: Callable[[bytes], None]

    @property
    def unit(self) -> int:
        return self.frame[0]

    @property
    def function(self) -> int:
        return self.frame[1]

    @property
    def address(self) -> int:
        return int.from_bytes(self.frame[2:4], "big")

    @property
    def count(self) -> int:
        return int.from_bytes(self.frame[4:6], "big")

    def answer(self, words: Sequence[int], *, unit: int | None = None, function: int | None = None) -> bytes:
        head = bytes([self.function if function is None else function, 2 * len(words)])
        return self.frame_of(head + struct.pack(f">{len(words)}H", *words), unit)

    def refusal(self, code: int) -> bytes:
        return self.frame_of(bytes([self.function | 0x80, code]))

    def frame_of(self, pdu: bytes, unit: int | None = None) -> bytes:
        body = bytes([self.unit if unit is None else unit]) + pdu
        return body + crc(body)

    async def send(self, data: bytes) -> None:
        self.write(data)


RtuScript = Callable[["Wire", RtuRequest], Awaitable[None]]


class Wire:
    """What both kinds share: requests are cut out of the bytes that come, and answered by tasks."""

    def __init__(self, script: RtuScript, *, echo: bool = False) -> None:
        self._script, self._echo = script, echo
        self.requests: list[RtuRequest] = []
        self._pending = b""
        self._tasks: set[asyncio.Task[None]] = set()

    def take(self, data: bytes, write: Callable[[bytes], None]) -> None:
        self._pending += data
        while len(self._pending) > 1 and len(self._pending) >= SIZES[self._pending[1]]:
            size = SIZES[self._pending[1]]
            request = RtuRequest(self._pending[:size], write)
            assert crc(request.frame[:-2]) == request.frame[-2:]
            self._pending = self._pending[size:]
            self.requests.append(request)
            if self._echo:
                write(request.frame)
            task = asyncio.ensure_future(self._script(self, request))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def cancel(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


class Pty(Wire):
    """A pseudo terminal; `port` is the side the line opens."""

    async def __aenter__(self) -> Self:
        self.plug_in()
        return self

    def plug_in(self) -> None:
        self.handle, theirs = os.openpty()
        tty.setraw(theirs)
        self.port = os.ttyname(theirs)
        os.close(theirs)  # the line must see the port vanish when we close our side
        os.set_blocking(self.handle, False)
        self._pending = b""
        asyncio.get_running_loop().add_reader(self.handle, self._readable)

    def unplug(self) -> None:
        if self.handle >= 0:
            asyncio.get_running_loop().remove_reader(self.handle)
            os.close(self.handle)
            self.handle = -1

    def _readable(self) -> None:
        try:
            data = os.read(self.handle, 1024)
        except BlockingIOError:
            return
        except OSError:  # nobody has the other side open
            asyncio.get_running_loop().remove_reader(self.handle)
            asyncio.get_running_loop().call_later(0.002, self._again, self.handle)
            return
        self.take(data, self.say)

    def _again(self, handle: int) -> None:
        if self.handle == handle:
            asyncio.get_running_loop().add_reader(handle, self._readable)

    def say(self, data: bytes) -> None:
        """Put bytes on the line."""
        if self.handle >= 0:
            os.write(self.handle, data)

    async def __aexit__(self, *_: object) -> None:
        await self.cancel()
        self.unplug()


class SerialServer(Wire):
    """RTU over TCP. As cheap ones do, it sends what comes from the line to whoever is connected at that time."""

    host = "127.0.0.1"

    def __init__(self, script: RtuScript, *, echo: bool = False, port: int = 0) -> None:
        super().__init__(script, echo=echo)
        self.port = port
        self.connections = 0
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer = writer
        try:
            while data := await reader.read(1024):
                self.take(data, self.say)
        except ConnectionError:
            pass
        writer.close()

    def say(self, data: bytes) -> None:
        if self._writer and not self._writer.is_closing():
            self._writer.write(data)

    def hang_up(self) -> None:
        if self._writer:
            self._writer.close()

    async def __aexit__(self, *_: object) -> None:
        await self.cancel()
        self._server.close()
        self.hang_up()
        await self._server.wait_closed()


class Modelled(Wire):
    """Neither: the opener of an RtuBus itself, on whatever time its loop has. Bytes arrive at once."""

    def __init__(self, script: RtuScript, *, echo: bool = False) -> None:
        super().__init__(script, echo=echo)
        self._protocol: asyncio.Protocol | None = None

    async def open(self, protocol: asyncio.Protocol) -> Self:
        self._protocol = protocol
        return self

    def write(self, data: bytes) -> None:
        self.take(data, self.say)

    def is_closing(self) -> bool:
        return self._protocol is None

    def close(self) -> None:
        self._protocol = None

    def say(self, data: bytes) -> None:
        if self._protocol:
            self._protocol.data_received(data)


def ramp(request: RtuRequest) -> list[int]:
    """The content of this device's registers: each holds its own address."""
    return [(request.address + i) & 0xFFFF for i in range(request.count)]


async def honest(_: Wire, request: RtuRequest) -> None:
    if request.function == 0x11:
        await request.send(request.frame_of(bytes([0x11, 4]) + b"\x02SDM"))
    elif request.function == 0x2B:
        await request.send(request.frame_of(identification(request.frame[4])))
    else:
        await request.send(request.answer(ramp(request)))


def identification(first: int) -> bytes:
    """Three objects, the third in a second reply."""
    if first == 0:
        return b"\x2b\x0e\x01\x01\xff\x02\x02" + b"\x00\x05Maker" + b"\x01\x03M12"
    return b"\x2b\x0e\x01\x01\x00\x00\x01" + b"\x02\x04v1.0"
