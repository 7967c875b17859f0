"""The server on a real socket: strict about requests, honest by default, broken exactly as told."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from drivers.simulator import faults, frames
from drivers.simulator.faults import Scripted
from drivers.simulator.line import Units
from drivers.simulator.server import TcpServer
from mrv.profile import Table


class Counted:
    """Holding register n reads n, input register n reads 1000 + n, up to 199."""

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        if address + count > 200:
            raise frames.Refusal(frames.ILLEGAL_ADDRESS)
        return tuple((1000 if table == "i" else 0) + at for at in range(address, address + count))


class Line:
    """One connection that sends raw bytes and looks at raw bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def ask(self, transaction: int, unit: int, pdu: bytes) -> bytes:
        self.send(struct.pack(">HHHB", transaction, 0, len(pdu) + 1, unit) + pdu)
        return await self.frame()

    def send(self, data: bytes) -> None:
        self._writer.write(data)

    async def frame(self) -> bytes:
        async with asyncio.timeout(2):
            header = await self._reader.readexactly(6)
            return header + await self._reader.readexactly(int.from_bytes(header[4:6], "big"))

    async def silent(self, seconds: float = 0.15) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._reader.readexactly(1)
        except TimeoutError:
            return True
        return False

    async def closed(self) -> bool:
        async with asyncio.timeout(2):
            return await self._reader.read(1) == b""

    def close(self) -> None:
        self._writer.close()


@asynccontextmanager
async def line(script: Scripted | None = None) -> AsyncIterator[Line]:
    server = TcpServer(Units({1: Counted(), 2: Counted()}, script))
    opened = Line(*await asyncio.open_connection("127.0.0.1", (await server.start()).port))
    try:
        yield opened
    finally:
        opened.close()
        await server.stop()


def read(address: int, count: int, function: int = 3) -> bytes:
    return struct.pack(">BHH", function, address, count)


async def test_reads_both_tables() -> None:
    async with line() as wire:
        assert await wire.ask(7, 1, read(10, 2)) == bytes.fromhex("0007 0000 0007 01 03 04 000a 000b")
        assert await wire.ask(8, 2, read(0, 1, 4)) == bytes.fromhex("0008 0000 0005 02 04 02 03e8")


@pytest.mark.parametrize(
    ("unit", "pdu", "code"),
    [
        (1, read(199, 2), frames.ILLEGAL_ADDRESS),
        (1, read(65535, 2), frames.ILLEGAL_ADDRESS),
        (1, read(0, 0), frames.ILLEGAL_VALUE),
        (1, read(0, 126), frames.ILLEGAL_VALUE),
        (1, read(0, 1) + b"\0", frames.ILLEGAL_VALUE),
        (1, b"\x03\x00", frames.ILLEGAL_VALUE),
        (9, read(0, 1), frames.NO_TARGET),
        *((1, bytes((function,)) + b"\0\0\0\1", frames.ILLEGAL_FUNCTION) for function in (1, 2, 5, 6, 15, 16, 22, 23)),
    ],
)
async def test_what_is_refused(unit: int, pdu: bytes, code: int) -> None:
    async with line() as wire:
        answer = await wire.ask(3, unit, pdu)
        assert answer == struct.pack(">HHHBBB", 3, 0, 3, unit, pdu[0] | 0x80, code)
        assert (await wire.ask(4, 1, read(0, 1)))[7:] == bytes.fromhex("03 02 0000")  # the line lives on


@pytest.mark.parametrize("header", ["0001 0001 0006 01", "0001 0000 0001 01", "0001 0000 00ff 01", "0001 0000 0000 01"])
async def test_what_is_not_modbus_ends_the_connection(header: str) -> None:
    async with line() as wire:
        wire.send(bytes.fromhex(header) + read(0, 1))
        assert await wire.closed()


async def test_a_request_may_come_in_pieces_or_two_at_once() -> None:
    request = bytes.fromhex("0001 0000 0006 01") + read(0, 1)
    async with line() as wire:
        wire.send(request[:5])
        assert await wire.silent(0.05)
        wire.send(request[5:] + request)
        assert await wire.frame() == await wire.frame()


async def test_faults_are_met_in_order_and_by_their_own_unit_only() -> None:
    script = Scripted()
    script.next(1, faults.Refuses(6), None, faults.Shows(1, faults.NAN))
    async with line(script) as wire:
        assert (await wire.ask(1, 2, read(0, 1)))[7:] == bytes.fromhex("03 02 0000")
        assert (await wire.ask(2, 1, read(0, 4)))[7:] == bytes.fromhex("83 06")
        assert (await wire.ask(3, 1, read(0, 4)))[7:] == bytes.fromhex("03 08 0000 0001 0002 0003")
        assert (await wire.ask(4, 1, read(0, 4)))[7:] == bytes.fromhex("03 08 0000 7fc0 0000 0003")
        assert (await wire.ask(5, 1, read(0, 4)))[7:] == bytes.fromhex("03 08 0000 0001 0002 0003")


@pytest.mark.parametrize(
    ("fault", "answer"),
    [
        (faults.Short(), "0001 0000 0007 01 03 04 0000 0001"),
        (faults.Short(2), "0001 0000 0005 01 03 02 0000"),
        (faults.WrongUnit(2), "0001 0000 0009 02 03 06 0000 0001 0002"),
        (faults.WrongFunction(4), "0001 0000 0009 01 04 06 0000 0001 0002"),
        (faults.WrongTransaction(), "0002 0000 0009 01 03 06 0000 0001 0002"),
    ],
)
async def test_wrong_frames(fault: faults.Fault, answer: str) -> None:
    script = Scripted()
    script.next(1, fault)
    async with line(script) as wire:
        assert await wire.ask(1, 1, read(0, 3)) == bytes.fromhex(answer)


async def test_a_late_reply_comes_behind_the_next_one() -> None:
    script = Scripted()
    script.next(1, faults.Late(0.1))
    async with line(script) as wire:
        wire.send(bytes.fromhex("0002 0000 0006 01") + read(5, 1))
        wire.send(bytes.fromhex("0003 0000 0006 01") + read(6, 1))
        assert [(await wire.frame())[1] for _ in range(2)] == [3, 2]


async def test_silence_until_healed() -> None:
    script = Scripted()
    script.always(1, faults.Silent())
    async with line(script) as wire:
        for _ in range(2):
            wire.send(bytes.fromhex("0001 0000 0006 01") + read(0, 1))
            assert await wire.silent()
        script.heal(1)
        assert (await wire.ask(2, 1, read(0, 1)))[1] == 2


async def test_a_doubled_reply() -> None:
    script = Scripted()
    script.next(1, faults.Doubled(0.02))
    async with line(script) as wire:
        assert await wire.ask(1, 1, read(0, 1)) == await wire.frame()
        assert await wire.silent()


async def test_a_broken_off_frame_and_a_lost_line() -> None:
    for fault, size in ((faults.Truncated(9), 9), (faults.HangsUp(), 0)):
        script = Scripted()
        script.next(1, fault)
        server = TcpServer(Units({1: Counted()}, script))
        reader, writer = await asyncio.open_connection("127.0.0.1", (await server.start()).port)
        writer.write(bytes.fromhex("0001 0000 0006 01") + read(0, 3))
        assert len(await reader.read()) == size
        writer.close()
        await server.stop()
