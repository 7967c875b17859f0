"""The bus budget: its figures by hand, its advice by doing what it says, and its forecast against the modelled line."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from modelled_line import ModelledLine, Station
from virtual_time import VirtualLoop

from drivers.budget import ANSWER, Load, forecast, refusal
from drivers.rtu import Timing
from drivers.rtu_line import Manners, RtuBus
from drivers.wiring import Line, RtuLine, RtuOverTcpLine, TcpLine
from mrv.messages import next_step, what

SERIAL = RtuLine(id="yard", port="/dev/ttyUSB0", timeout=1000)
TCP = TcpLine(id="roof", host="192.168.1.20", timeout=1000)


def loads(count: int, *, every: int = 10, requests: tuple[int, ...] = (76,)) -> list[Load]:
    return [Load(meter=f"m{n}", every=every, requests=requests) for n in range(count)]


def test_by_hand() -> None:
    """9600 8N1: 10 bits, 1.0417 ms a character. 8 + 5 + 152 characters, 50 ms, 3.5 characters: 225.5 ms a meter."""
    found = forecast(SERIAL, loads(10))
    assert (found.cycle, found.worst, found.interval, found.fits) == (2256, 2256 + 1000 + 1000, 10_000, True)
    even = forecast(msgspec.structs.replace(SERIAL, baud=38400, parity="E"), loads(10))
    assert even.cycle == 991, "11 bits, 0.28646 ms: 165 of them, 50 ms and the 1.75 ms of fast lines: 99.02 a meter"
    assert forecast(msgspec.structs.replace(SERIAL, gap=100), loads(1)).cycle == 322
    assert forecast(SERIAL, [replace(loads(1)[0], turnaround=850)]).cycle == 1072
    found = forecast(TCP, [*loads(9), *loads(1, every=30, requests=(10, 20))])
    assert (found.cycle, found.worst, found.interval) == (1100, 2100, 10_000)


def test_a_slow_device_by_its_profile() -> None:
    slow = [replace(loads(1)[0], timeout=3000)]
    assert forecast(SERIAL, slow).worst == forecast(SERIAL, loads(1)).cycle + 3000 + 3000
    assert forecast(TCP, slow).worst == 100 + 3000


@pytest.mark.parametrize(
    ("line", "meters", "every", "code"),
    [
        (SERIAL, 30, 8, "meter.line_overbooked"),
        (TCP, 60, 5, "meter.line_overbooked_by_meters"),
        (SERIAL, 1, 2, "meter.line_overbooked_by_patience"),
        (TCP, 1, 1, ""),
    ],
)
def test_what_would_help(line: Line, meters: int, every: int, code: str) -> None:
    """Everything the advice says does."""
    asked = loads(meters, every=every)
    refused = refusal(line, asked, "site.yaml buses[0]")
    assert (refused.code if refused else "") == code
    if refused is None:
        return
    for tongue in ("en", "vi"):
        assert "{" not in what(refused, tongue) + next_step(refused, tongue)
    numbers = {name: int(value) for name, value in refused.params.items()}
    assert numbers["worst"] > numbers["interval"] == every * 1000
    assert forecast(line, [replace(load, every=numbers["every"]) for load in asked]).fits
    assert not forecast(line, [replace(load, every=numbers["every"] - 1) for load in asked]).fits
    if "lines" in numbers:
        assert forecast(line, asked[: -(-meters // numbers["lines"])]).fits
    if "baud" in numbers:
        assert forecast(msgspec.structs.replace(line, baud=numbers["baud"]), asked).fits
    if "fewer" in numbers:
        each = -(-numbers["fewer"] // meters)
        assert forecast(line, [replace(load, requests=(load.requests[0] - each,)) for load in asked]).fits
    if "timeout" in numbers:
        quick = msgspec.structs.replace(line, timeout=numbers["timeout"], late=numbers["timeout"])
        assert forecast(quick, asked).fits


LINES = st.one_of(
    st.builds(
        RtuOverTcpLine,
        id=st.just("l"),
        host=st.just("h"),
        port=st.just(1),
        baud=st.sampled_from([1200, 9600, 115200]),
        timeout=st.integers(50, 5000),
        gap=st.integers(0, 200),
    ),
    st.builds(TcpLine, id=st.just("l"), host=st.just("h"), timeout=st.integers(50, 5000), gap=st.integers(0, 200)),
)
LOADS = st.lists(
    st.builds(
        Load,
        meter=st.just("m"),
        every=st.integers(1, 60),
        requests=st.lists(st.integers(1, 125), min_size=1, max_size=4).map(tuple),
        turnaround=st.integers(0, 900),
    ),
    min_size=1,
    max_size=30,
)


@given(LINES, LOADS)
def test_it_refuses_what_does_not_fit_and_nothing_else(line: Line, asked: list[Load]) -> None:
    refused = refusal(line, asked, "here")
    assert (refused is None) == forecast(line, asked).fits
    assert forecast(line, [*asked, asked[0]]).cycle > forecast(line, asked).cycle
    assume(refused is not None)
    assert refused
    if "every" in refused.params:
        longer = [replace(load, every=max(load.every, int(refused.params["every"]))) for load in asked]
        assert forecast(line, longer).fits


@pytest.mark.parametrize("baud", [1200, 9600, 38400])
def test_the_forecast_is_what_the_line_takes(baud: int) -> None:
    """The shipped bus on modelled wires whose meters think as long as the budget supposes."""
    asked = loads(5, requests=(76, 10))
    line = msgspec.structs.replace(SERIAL, baud=baud, timeout=3000)

    async def cycle() -> float:
        wires = ModelledLine(baud, {unit: Station(turnaround=ANSWER) for unit in range(1, 6)})
        bus = RtuBus("line", wires.open, Manners(timing=Timing(baud=baud)), timeout=3000)
        await bus.read(1, "h", 0, 1)
        began = asyncio.get_running_loop().time()
        for unit, load in enumerate(asked, 1):
            for count in load.requests:
                await bus.read(unit, "h", 0, count)
        took = asyncio.get_running_loop().time() - began
        await bus.close()
        assert wires.collisions == 0
        return 1000 * took

    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        took = runner.run(cycle())
    assert took == pytest.approx(forecast(line, asked).cycle, rel=0.01)
