"""A serial line, on a pseudo terminal and through a serial server: the right words or the right reason."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rtu_device import Pty, RtuRequest, RtuScript, SerialServer, Wire, honest, ramp

from drivers import bus as buses
from drivers import lines, rtu
from drivers.bus import Habit, Habits, LineBus
from drivers.errors import ExceptionReply, Garbled, MeterError, NoReply, Unreachable
from drivers.wiring import RtuLine, RtuOverTcpLine
from mrv.messages import next_step, what
from mrv.reading import GapReason

#: Times in ms: how long the line waits where silence is meant, and how late a reply may be.
TIMEOUT, LATE = 120, 60
FAST = {"timeout": TIMEOUT, "late": LATE, "retries": 0, "baud": 115200}
Line = Callable[..., Any]


@pytest.fixture(params=["pty", "rtu over tcp"])
def line(request: pytest.FixtureRequest) -> Line:
    """`async with line(script, **options) as (device, bus)`."""

    @asynccontextmanager
    async def made(
        script: RtuScript, *, echo: bool = False, habits: Habits | None = None, after: int = 0, **options: Any
    ):
        async with (Pty if request.param == "pty" else SerialServer)(script, echo=echo) as device:
            bus = lines.connect(wired(device, **options), habits, after)
            yield device, bus
            await bus.close()

    return made


def wired(device: Wire, **options: Any) -> RtuLine | RtuOverTcpLine:
    if isinstance(device, Pty):
        return RtuLine(id="l", port=device.port, **{**FAST, **options})
    return RtuOverTcpLine(id="l", host="127.0.0.1", port=device.port, **{**FAST, **options})


@pytest.fixture(autouse=True)
async def nothing_escapes() -> AsyncIterator[None]:
    seen: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: seen.append(context))
    yield
    await asyncio.sleep(0)
    assert seen == []


async def failing(bus: LineBus, kind: type[MeterError]) -> MeterError:
    with pytest.raises(kind) as caught:
        await bus.read(7, "i", 100, 4)
    (fault,) = caught.value.faults
    assert fault.where.startswith(bus.where)
    assert what(fault) != fault.code
    assert next_step(fault, "vi") != next_step(fault, "en")
    assert "{" not in what(fault) + what(fault, "vi") + next_step(fault)
    return caught.value


async def test_the_words_asked_for(line: Line) -> None:
    async with line(honest, timeout=2000) as (device, bus):
        assert await bus.read(7, "i", 100, 4) == (100, 101, 102, 103)
        assert await bus.read(9, "h", 0, 125) == tuple(range(125))
        assert await bus.read(247, "h", 65535, 1) == (65535,)
    assert [(r.unit, r.function, r.count) for r in device.requests] == [(7, 4, 4), (9, 3, 125), (247, 3, 1)]


async def test_who_a_device_says_it_is(line: Line) -> None:
    async with line(honest, timeout=2000) as (device, bus):
        assert await bus.server_id(1) == b"\x02SDM"
        assert await bus.device_id(1) == {0: b"Maker", 1: b"M12", 2: b"v1.0"}
    assert [request.frame[1:-2].hex() for request in device.requests] == ["11", "2b0e0100", "2b0e0102"]


async def test_an_answer_in_single_bytes(line: Line) -> None:
    async def script(_: Wire, request: RtuRequest) -> None:
        for byte in request.answer(ramp(request)):
            await request.send(bytes([byte]))
            await asyncio.sleep(0.0002)

    async with line(script, timeout=2000) as (_, bus):
        assert await bus.read(7, "h", 5, 20) == tuple(range(5, 25))


async def silent(_: Wire, __: RtuRequest) -> None:
    """A dead meter."""


async def test_a_dead_meter(line: Line) -> None:
    async with line(silent, retries=2) as (device, bus):
        began = asyncio.get_running_loop().time()
        assert (await failing(bus, NoReply)).reason is GapReason.TIMEOUT
        took = 1000 * (asyncio.get_running_loop().time() - began)
    assert len(device.requests) == 3
    assert 3 * (TIMEOUT + LATE) <= took < 3 * (TIMEOUT + LATE) + 1000


@pytest.mark.parametrize(("code", "asked"), [(1, 1), (2, 1), (5, 3), (6, 3), (10, 1), (11, 1)])
async def test_only_a_busy_meter_is_asked_again(line: Line, code: int, asked: int, monkeypatch: Any) -> None:
    monkeypatch.setattr(buses, "BUSY_PAUSE", 1)

    async def script(_: Wire, request: RtuRequest) -> None:
        await request.send(request.refusal(code))

    async with line(script, retries=2) as (device, bus):
        await failing(bus, NoReply if code in (10, 11) else ExceptionReply)
        assert len(device.requests) == asked


def flipped(frame: bytes, at: int) -> bytes:
    return frame[:at] + bytes([frame[at] ^ 0x10]) + frame[at + 1 :]


GARBLED: dict[str, Callable[[RtuRequest], bytes]] = {
    "crc": lambda r: flipped(r.answer(ramp(r)), -1),
    "a flipped bit in a word": lambda r: flipped(r.answer(ramp(r)), 5),
    "short": lambda r: r.answer(ramp(r)[:-1]),
    "long": lambda r: r.answer([*ramp(r), 0]),
    "incomplete": lambda r: r.answer(ramp(r))[:-1],
    "one byte": lambda r: r.answer(ramp(r))[:1],
    "wrong unit": lambda r: r.answer(ramp(r), unit=8),
    "unit 0": lambda r: r.answer(ramp(r), unit=0),
    "wrong function": lambda r: r.answer(ramp(r), function=3),
    "exception of another function": lambda r: r.frame_of(bytes([0x83, 2])),
    "a Modbus TCP gateway": lambda r: bytes.fromhex("0001 0000 000b 07 04 08 0064 0065 0066 0067"),
    "wrong baud": lambda _: b"\x00\xf8\x80\x00\xf8",
}


@pytest.mark.parametrize("flaw", GARBLED)
async def test_an_answer_to_no_question_of_ours(line: Line, flaw: str) -> None:
    async def script(device: Wire, request: RtuRequest) -> None:
        first = len(device.requests) == 1
        await request.send(GARBLED[flaw](request) if first else request.answer(ramp(request)))

    async with line(script) as (device, bus):
        assert (await failing(bus, Garbled)).reason is GapReason.GARBLED
        assert await bus.read(7, "i", 3, 2) == (3, 4)
        assert len(device.requests) == 2


async def test_a_late_reply_is_not_the_next_answer(line: Line) -> None:
    """Same unit, same size: only waiting until it has come can tell."""

    async def script(device: Wire, request: RtuRequest) -> None:
        if len(device.requests) == 1:
            await asyncio.sleep((TIMEOUT + LATE / 2) / 1000)
        await request.send(request.answer(ramp(request)))

    async with line(script) as (_, bus):
        await failing(bus, NoReply)
        assert await bus.read(7, "i", 200, 4) == (200, 201, 202, 203)


async def test_a_late_reply_after_a_cancelled_read(line: Line) -> None:
    """Closing the port or the socket does not take back what a device is about to say."""

    arrived = asyncio.Event()

    async def script(device: Wire, request: RtuRequest) -> None:
        arrived.set()
        if len(device.requests) == 1:
            await asyncio.sleep(0.1)
        await request.send(request.answer(ramp(request)))

    async with line(script, timeout=200, late=150) as (_, bus):
        reading = asyncio.ensure_future(bus.read(7, "i", 100, 4))
        await arrived.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        assert await bus.read(7, "i", 200, 4) == (200, 201, 202, 203)


async def test_two_meters_with_one_number(line: Line) -> None:
    """Each answers; what comes behind the first answer belongs to nobody."""

    async def script(_: Wire, request: RtuRequest) -> None:
        await request.send(request.answer(ramp(request)))
        await asyncio.sleep(0.001)
        await request.send(request.answer([0] * request.count))

    async with line(script) as (_, bus):
        for address in range(0, 30, 10):
            assert await bus.read(7, "i", address, 3) == (address, address + 1, address + 2)


def twins(gap: float, second: Callable[[RtuRequest], bytes]) -> RtuScript:
    """Two meters with one number: the other answers `gap` seconds after the first."""

    async def script(_: Wire, request: RtuRequest) -> None:
        await request.send(request.answer(ramp(request)))
        await asyncio.sleep(gap)
        await request.send(second(request))

    return script


@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("second", [lambda r: r.answer([0] * r.count), lambda r: r.refusal(2)])
async def test_the_tool_hears_a_second_answer(line: Line, second: Callable[[RtuRequest], bytes], echo: bool) -> None:
    async with line(twins(0.005, second), echo=echo, after=60) as (_, bus):
        for address in (0, 40):
            assert await bus.read(7, "i", address, 3) == (address, address + 1, address + 2)
        assert bus.doubled == {7}
        assert bus.strays == 2


@pytest.mark.parametrize(
    "second",
    [lambda _: b"\x00", lambda r: r.answer([0], unit=8), lambda r: r.answer([0], function=3)],
    ids=["a spike", "another unit", "another function"],
)
async def test_what_follows_an_answer_and_is_no_second_one(line: Line, second: Callable[[RtuRequest], bytes]) -> None:
    async with line(twins(0.005, second), after=60) as (_, bus):
        await bus.read(7, "i", 100, 4)
        assert bus.doubled == set()
        assert bus.strays == 1


async def test_the_agent_does_not_wait_for_a_second_answer(line: Line) -> None:
    async with line(twins(0.03, lambda r: r.answer([0] * r.count))) as (_, bus):
        await bus.read(7, "i", 100, 4)
        assert bus.strays == 0, "it was not heard yet"
        assert bus.doubled == set()


async def test_an_adapter_that_hears_itself(line: Line) -> None:
    async with line(honest, echo=True, timeout=2000) as (_, bus):
        assert not bus.echoes
        assert await bus.read(7, "i", 100, 4) == (100, 101, 102, 103)
        assert bus.echoes
        assert await bus.server_id(1) == b"\x02SDM"
        assert (await bus.device_id(1))[2] == b"v1.0"
        for count in (1, 2, 3, 4, 60, 125):
            first = 2 * count << 8  # the question's third byte is the answer's
            assert await bus.read(7, "h", first, count) == tuple(range(first, first + count))


async def test_an_echo_is_no_answer(line: Line) -> None:
    async with line(silent, echo=True) as (_, bus):
        assert (await failing(bus, NoReply)).reason is GapReason.TIMEOUT


async def test_a_number_that_is_not_the_meters_only_where_it_is_wired_so(line: Line) -> None:
    async def script(_: Wire, request: RtuRequest) -> None:
        await request.send(request.answer(ramp(request), unit=255 if request.unit == 7 else None))

    async with line(script) as (_, bus):
        await failing(bus, Garbled)
    async with line(script, habits={7: Habit(answers_as=255)}) as (_, bus):
        assert await bus.read(7, "i", 8, 2) == (8, 9)
        assert await bus.read(9, "i", 8, 2) == (8, 9)


async def test_a_line_that_is_never_quiet(line: Line) -> None:
    async with line(honest, late=400) as (device, bus):  # a busy machine may hand bytes over this much later

        async def chatter() -> None:
            while True:
                device.say(b"\x01\x03\x00")
                await asyncio.sleep(0.01)

        talking = asyncio.ensure_future(chatter())
        await asyncio.sleep(0)
        error = await failing(bus, Garbled)
        assert error.faults[0].code == "meter.line_never_quiet"
        assert device.requests == [], "nobody talks into another's words"
        talking.cancel()
        assert await bus.read(7, "i", 8, 2) == (8, 9)


async def test_the_gap_is_kept(line: Line) -> None:
    asked: list[float] = []

    async def script(_: Wire, request: RtuRequest) -> None:
        asked.append(asyncio.get_running_loop().time())
        await request.send(request.answer(ramp(request)))

    async with line(script, gap=50) as (_, bus):
        for _ in range(4):
            await bus.read(1, "h", 0, 1)
    assert all(after - before >= 0.05 for before, after in pairwise(asked))


async def test_an_adapter_unplugged_that_comes_back_under_another_number(tmp_path: Path) -> None:
    name = tmp_path / "usb-FTDI_A1-if00-port0"
    async with Pty(honest) as device:
        name.symlink_to(device.port)
        bus = lines.connect(RtuLine(id="l", port=str(name), **{**FAST, "timeout": 1000}))
        assert await bus.read(7, "i", 1, 2) == (1, 2)
        before = device.port
        device.unplug()
        name.unlink()
        error = await failing(bus, Unreachable)
        assert error.reason is GapReason.UNREACHABLE
        async with Pty(silent) as blocker:  # takes the old number
            device.plug_in()
            assert blocker.port == before
            assert device.port != before
            name.symlink_to(device.port)
            await asyncio.sleep(buses.REST[0] / 1000 * 2.1)
            assert await bus.read(7, "i", 5, 2) == (5, 6)
        await bus.close()


async def test_an_adapter_unplugged_during_a_read() -> None:
    async def script(device: Wire, _: RtuRequest) -> None:
        assert isinstance(device, Pty)
        device.unplug()

    async with Pty(script) as device:
        bus = lines.connect(wired(device, timeout=5000))
        began = asyncio.get_running_loop().time()
        assert (await failing(bus, Unreachable)).faults[0].code == "meter.line_dropped"
        assert asyncio.get_running_loop().time() - began < 2
        await bus.close()


async def test_a_serial_server_that_hangs_up() -> None:
    async def script(device: Wire, request: RtuRequest) -> None:
        assert isinstance(device, SerialServer)
        if len(device.requests) == 1:
            device.hang_up()
        else:
            await request.send(request.answer(ramp(request)))

    async with SerialServer(script) as device:
        bus = lines.connect(wired(device, retries=1))
        assert await bus.read(7, "i", 5, 2) == (5, 6)
        await bus.close()
        assert device.connections == 2


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda folder: folder / "ttyUSB9", "meter.port_missing"),
        (lambda _: Path("/dev/null"), "meter.port_no_port"),
    ],
)
async def test_a_port_that_cannot_be_opened(make: Callable[[Path], Path], code: str, tmp_path: Path) -> None:
    bus = lines.connect(RtuLine(id="l", port=str(make(tmp_path)), **FAST))
    assert (await failing(bus, Unreachable)).faults[0].code == code


async def test_a_port_has_one_user() -> None:
    async with Pty(honest) as device:
        first, second = lines.connect(wired(device)), lines.connect(wired(device))
        assert await first.read(7, "i", 5, 2) == (5, 6)
        assert (await failing(second, Unreachable)).faults[0].code == "meter.port_in_use"
        await first.close()
        await second.close()


async def test_listening_says_nothing(line: Line) -> None:
    async with line(honest) as (device, _):
        wiring = wired(device)

        async def another_master() -> None:
            await asyncio.sleep(0.05)
            frame = bytes.fromhex("01 04 00 00 00 02")
            device.say(frame + b"\x71\xcb" + b"\x00\xff" + rtu.frame(1, b"\x04\x04\x43\x66\x33\x34"))

        talking = asyncio.ensure_future(another_master())
        heard = await lines.listen(wiring, 0.2)
        await talking
        assert heard.units == (1,)
        assert [frame[1] for frame in heard.frames] == [4, 4]
        assert device.requests == []
