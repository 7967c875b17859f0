"""Serial lines of the simulator, met by a library not written here and by raw bytes: framing, pace, who hears whom."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest
import serial
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient
from pymodbus.framer import FramerType
from pymodbus.pdu import ModbusPDU

from drivers import profiles
from drivers.simulator import frames, scenario
from drivers.simulator.faults import BadSeal, Doubled, Scripted, Short, Truncated
from drivers.simulator.line import Units
from drivers.simulator.pty import PtyServer
from drivers.simulator.rtu import Ear
from drivers.simulator.server import SerialOverTcp, Where
from drivers.simulator.stage import Stage
from mrv.profile import Table

#: 230.2 V as the manual's example in input registers 0 and 1; the request and its CRC are the manual's too.
ASKED = bytes.fromhex("01 04 00 00 00 02 71 cb")


class Counted:
    """Holding register n reads n, input register n reads 1000 + n; and it says who it is."""

    def read(self, table: Table, address: int, count: int) -> tuple[int, ...]:
        return tuple((1000 if table == "i" else 0) + at for at in range(address, address + count))

    def server_id(self) -> bytes:
        return b"\x79\xff"

    def device_id(self) -> dict[int, bytes]:
        return {0: b"Example", 1: b"EM-3P", 2: b"1.7", 5: b"x" * 240, 0x80: b"private"}


def pdu(reply: ModbusPDU) -> ModbusPDU:
    assert not reply.isError(), reply
    return reply


@asynccontextmanager
async def port(tmp_path: Path, script: Scripted | None = None, baud: int = 115200) -> AsyncIterator[PtyServer]:
    server = PtyServer(Units({1: Counted()}, script), tmp_path / "usb0", baud=baud)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@contextmanager
def opened(path: Path, baud: int = 115200) -> Iterator[serial.Serial]:
    with serial.Serial(str(path), baud, timeout=0) as device:
        yield device


async def answer(device: serial.Serial, asked: bytes = ASKED, within: float = 0.3) -> bytes:
    device.write(asked)
    await asyncio.sleep(within)
    return bytes(device.read(512))


async def test_a_library_not_written_here_reads_over_a_serial_port(tmp_path: Path) -> None:
    async with port(tmp_path) as server:
        client = AsyncModbusSerialClient(str(server.path), baudrate=115200, timeout=1, retries=0)
        assert await client.connect()
        assert pdu(await client.read_input_registers(7, count=3, device_id=1)).registers == [1007, 1008, 1009]
        assert pdu(await client.read_holding_registers(7, count=1, device_id=1)).registers == [7]
        assert pdu(await client.report_device_id(device_id=1)).identifier[:1] == b"\x79"
        first = pdu(await client.read_device_information(read_code=3, object_id=0, device_id=1))
        assert first.information == {0: b"Example", 1: b"EM-3P", 2: b"1.7"}
        assert first.more_follows
        rest = pdu(await client.read_device_information(read_code=3, object_id=5, device_id=1))
        assert rest.information == {5: b"x" * 240}
        assert (await client.read_device_information(read_code=4, object_id=9, device_id=1)).exception_code == 2
        assert (await client.write_register(0, 1, device_id=1)).exception_code == frames.ILLEGAL_FUNCTION
        client.close()


async def test_a_library_not_written_here_reads_rtu_frames_over_tcp() -> None:
    server = SerialOverTcp(Units({1: Counted()}))
    where = await server.start()
    client = AsyncModbusTcpClient("127.0.0.1", port=where.port or 0, framer=FramerType.RTU, timeout=1, retries=0)
    assert await client.connect()
    assert pdu(await client.read_input_registers(0, count=2, device_id=1)).registers == [1000, 1001]
    assert pdu(await client.report_device_id(device_id=1)).identifier[:1] == b"\x79"
    client.close()
    await server.stop()


async def test_the_crc_is_that_of_the_manual_and_a_frame_without_it_is_none(tmp_path: Path) -> None:
    assert frames.sealed(ASKED[:-2]) == ASKED
    async with port(tmp_path) as server:
        with opened(server.path) as device:
            assert await answer(device) == frames.sealed(bytes.fromhex("01 04 04 03e8 03e9"))
            assert await answer(device, ASKED[:-1] + b"\0") == b""
            assert await answer(device, b"\xff\x00" + ASKED) == b"", "noise before a frame spoils it"
            assert await answer(device, frames.sealed(b"\x02" + ASKED[1:-2])) == b"", "another unit"
            assert await answer(device, frames.sealed(b"\x00" + ASKED[1:-2])) == b"", "to everybody"
            assert await answer(device) != b"", "and after a pause it hears again"


async def test_a_request_may_come_in_pieces_and_two_at_once() -> None:
    ear = Ear()
    assert ear.heard(ASKED[:3], 1.0) == []
    assert [unit for _, unit, _ in ear.heard(ASKED[3:] + ASKED, 1.001)] == [1, 1]
    assert ear.heard(ASKED[:3], 1.002) == []
    assert ear.heard(ASKED[3:], 2.0) == [], "a pause ends a frame"


@pytest.mark.parametrize("baud", [9600, 2400])
async def test_characters_take_their_time(tmp_path: Path, baud: int) -> None:
    """A request of 8 and a reply of 9 characters of 11 bits, 3.5 of silence between them."""
    async with port(tmp_path, baud=baud) as server:
        with opened(server.path, baud) as device:
            began = time.monotonic()
            device.write(ASKED)
            data, first = b"", 0.0
            while len(data) < 9:
                await asyncio.sleep(0.001)
                data += device.read(512)
                first = first or (time.monotonic() - began if data else 0.0)
            took = time.monotonic() - began
    wire = (8 + 3.5 + 9) * 11 / baud
    assert wire <= took < wire + 0.3
    assert first > 8 * 11 / baud


@pytest.mark.parametrize(
    ("fault", "heard"),
    [
        (BadSeal(), bytes.fromhex("01 04 04 03e8 03e9") + b"\xea\x3f"),
        (Truncated(5), bytes.fromhex("01 04 04 03 e8")),
        (Short(), frames.sealed(bytes.fromhex("01 04 02 03e8"))),
        (Doubled(), 2 * frames.sealed(bytes.fromhex("01 04 04 03e8 03e9"))),
    ],
    ids=["crc", "cut", "short", "doubled"],
)
async def test_wrong_frames(tmp_path: Path, fault: object, heard: bytes) -> None:
    script = Scripted()
    script.next(1, fault)  # type: ignore[arg-type]
    async with port(tmp_path, script) as server:
        with opened(server.path) as device:
            found = await answer(device)
            assert found[:5] == heard[:5]
            assert len(found) == len(heard)
            if isinstance(fault, BadSeal):
                assert frames.crc(found) != 0
            else:
                assert found == heard


# -- whole scenarios -------------------------------------------------------------------------------------------------

METERS = """
what: two meters on one serial line
lines:
  - {{id: usb, kind: {kind}{settings}}}
meters:
  - {{id: one, line: usb, unit: 1, profile: eastron_sdm630, load: {{watts: 36000}}, values: {{voltage_l1: 231}}}}
  - {{id: two, line: usb, unit: 2, profile: eastron_sdm630, load: {{watts: 7200}}, values: {{voltage_l1: 232}}{more}}}
faults: [{faults}]
"""
VOLTS = {1: bytes.fromhex("01 04 04 4367 0000"), 2: bytes.fromhex("02 04 04 4368 0000")}  # 231.0 and 232.0


@asynccontextmanager
async def played(
    tmp_path: Path, faults: str = "", *, kind: str = "rtu", settings: str = ", baud: 115200", more: str = ""
) -> AsyncIterator[tuple[Stage, Where, list[dict[str, object]], list[float]]]:
    text = METERS.format(kind=kind, settings=settings, faults=faults, more=more)
    library, told, now = profiles.library(), list[dict[str, object]](), [0.0]
    value = scenario.load(text, "scenario.yaml", library).value
    stage = Stage(value, library, folder=tmp_path, tell=told.append, now=lambda: now[0])
    where = await stage.start()
    try:
        yield stage, where["usb"], told, now
    finally:
        await stage.stop()


def asked(unit: int) -> bytes:
    return frames.sealed(bytes((unit,)) + ASKED[1:-2])


async def test_a_meter_hears_only_who_speaks_at_its_rate(tmp_path: Path) -> None:
    async with played(tmp_path, more=", baud: 9600") as (_, where, _, _):
        path = Path(str(where.path))
        with opened(path) as device:
            assert await answer(device, asked(1)) == frames.sealed(VOLTS[1])
            assert await answer(device, asked(2)) == b""
        with opened(path, 9600) as device:
            assert await answer(device, asked(1)) == b""
            assert await answer(device, asked(2)) == frames.sealed(VOLTS[2])


async def test_an_echo_comes_before_the_reply(tmp_path: Path) -> None:
    async with played(tmp_path, "{fault: echo, line: usb, at: 10s, for: 10s}") as (stage, where, told, now):
        with opened(Path(str(where.path))) as device:
            for t, echoed in ((0.0, b""), (10.0, asked(1)), (20.0, b"")):
                now[0] = t
                await stage.advance()
                assert await answer(device, asked(1)) == echoed + frames.sealed(VOLTS[1])
    assert [(event["t"], event["event"]) for event in told[1:]] == [(10.0, "begins"), (20.0, "ends")]


@pytest.mark.parametrize(("kind", "settings"), [("rtu", ", baud: 115200"), ("rtu-over-tcp", "")])
async def test_a_second_master_is_heard_by_all(tmp_path: Path, kind: str, settings: str) -> None:
    fault = "{fault: second_master, line: usb, unit: 2, pause: 100ms}"
    async with played(tmp_path, fault, kind=kind, settings=settings) as (_, where, _, _):
        if where.path:
            with opened(Path(where.path)) as device:
                await asyncio.sleep(0.35)
                heard = bytes(device.read(512))
        else:
            reader, writer = await asyncio.open_connection(where.host, where.port)
            await asyncio.sleep(0.35)
            heard = await reader.read(512)
            writer.close()
    assert heard.count(asked(2) + frames.sealed(VOLTS[2])) in (2, 3, 4)


async def test_a_pulled_plug_comes_back_behind_the_same_name(tmp_path: Path) -> None:
    async with played(tmp_path, "{fault: usb_loss, line: usb, at: 5s, for: 5s}") as (stage, where, told, now):
        path = Path(str(where.path))
        with opened(path) as device:
            now[0] = 5.0
            await stage.advance()
            assert not await asyncio.to_thread(Path(str(where.device)).exists)
            with pytest.raises((serial.SerialException, OSError)):
                device.write(ASKED)
        assert not await asyncio.to_thread(path.is_symlink)
        now[0] = 10.0
        await stage.advance()
        with opened(path) as device:
            assert await answer(device, asked(1)) == frames.sealed(VOLTS[1])
    listens = [event for event in told if event["event"] == "listens"]
    assert listens[0]["path"] == listens[1]["path"]
    assert listens[0]["device"] != listens[1]["device"]


async def test_two_meters_under_one_id_both_answer_in_changing_order(tmp_path: Path) -> None:
    async with played(tmp_path, "{fault: duplicate_id, meter: two, unit: 1}", kind="rtu-over-tcp", settings="") as (
        _,
        where,
        _,
        _,
    ):
        reader, writer = await asyncio.open_connection(where.host, where.port)
        both = {1: frames.sealed(VOLTS[1]), 2: frames.sealed(b"\x01" + VOLTS[2][1:])}
        first = []
        for _ in range(20):
            writer.write(asked(1))
            heard = await reader.readexactly(18)
            first.append(1 if heard == both[1] + both[2] else 2 if heard == both[2] + both[1] else 0)
        writer.close()
    assert set(first) == {1, 2}


async def test_characters_for_nobody_are_lost(tmp_path: Path) -> None:
    async with port(tmp_path) as server:
        server.speak(b"nobody is here yet")
        await asyncio.sleep(0.05)
        with opened(server.path) as device:
            await asyncio.sleep(0.05)
            assert device.read(64) == b""
            assert await answer(device) != b""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to become nobody")
def test_a_port_held_exclusively_can_be_opened_again_by_anybody() -> None:
    """A terminal stays exclusive after its holder has closed it, which no serial port does; root would not notice."""
    done = subprocess.run([sys.executable, "-c", NOBODY], capture_output=True, text=True, timeout=30)
    assert done.stdout == "[4, 4, 4]\n", done.stderr


NOBODY = """
import asyncio, fcntl, os, tempfile, termios
from pathlib import Path
from drivers.simulator.line import Units
from drivers.simulator.pty import PtyServer
os.setgid(65534)
os.setuid(65534)

class Echo:
    def read(self, table, address, count):
        return (4,) * count

async def main():
    server, found = PtyServer(Units({1: Echo()}), Path(tempfile.mkdtemp()) / "nobody", baud=115200), []
    await server.start()
    for _ in range(3):
        port = os.open(str(server.path), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        fcntl.ioctl(port, termios.TIOCEXCL)
        await asyncio.sleep(0.05)
        os.write(port, bytes.fromhex("010400000002 71cb"))
        await asyncio.sleep(0.1)
        found.append(os.read(port, 64)[4])
        os.close(port)
        await asyncio.sleep(0.1)
    await server.stop()
    print(found)

asyncio.run(main())
"""
