"""Scanning: the order of questions, when it stops, what it makes of silence and garbage, and that it lets go."""

from __future__ import annotations

import asyncio

import pytest

from drivers import scan_plan
from drivers.errors import Unreachable
from drivers.scan import Progress, Scan
from drivers.scan_plan import Setting, Speed, eta, likely, network, serial
from drivers.scan_verdict import Heard, double, verdict
from tests.tool.line import AWAY, NOBODY, SILENCE, Device, Line, garbled, refusal

N96, E192, N24 = Speed(9600), Speed(19200, "E"), Speed(2400)
FACTORY = (Setting(N96, 1), Setting(E192, 1), Setting(N24, 1), Setting(N96, 126))


def codes(result: object) -> list[str]:
    return [found.code.removeprefix("tool.scan_") for found in result]  # type: ignore[attr-defined]


# -- the order -----------------------------------------------------------------------------------------------------


def test_factory_settings_then_small_ids_then_the_rest() -> None:
    asks = serial(FACTORY)
    assert [(str(a.speed), a.unit) for a in asks[:4]] == [
        ("9600 8N1", 1),
        ("19200 8E1", 1),
        ("2400 8N1", 1),
        ("9600 8N1", 126),
    ]
    usual = [a for a in asks if a.stage == "usual"]
    assert {a.unit for a in usual} == set(range(2, 33)), "id 1 was asked already"
    assert [a.speed for a in usual[:31]] == [N96] * 31
    assert len({(a.speed, a.unit) for a in asks}) == len(asks), "nothing twice"
    assert {a.unit for a in asks if a.speed == N96} == set(range(1, 248)), "and nothing left out"
    stages = [scan_plan.STAGES.index(a.stage) for a in asks]
    assert stages == sorted(stages)


def test_weight_decides_which_setting_comes_first() -> None:
    settings = [(Setting(E192, 1), 3), (Setting(N96, 1), 2), (Setting(N96, 1), 2), (Setting(N24, 5), 1)]
    assert likely(settings) == (Setting(N96, 1), Setting(E192, 1), Setting(N24, 5))


def test_what_a_scan_takes_is_known_before() -> None:
    """The likely part takes about a minute; everything, the better part of an hour: field.md says 31 min at 0.5 s."""
    asks = serial(FACTORY)
    assert 25 < eta(scan_plan.likely_part(asks)) < 60
    assert 1800 < eta(asks) < 5400
    (one,) = [a for a in asks if (a.speed, a.unit) == (N24, 7)]
    assert one.cost == pytest.approx(300 + 17 * 10 / 2.4 + 10)


def test_one_speed_only_and_network() -> None:
    asks = serial(FACTORY, only=N24)
    assert {a.speed for a in asks} == {N24}
    assert [a.unit for a in asks[:3]] == [1, 126, 2]
    units = [a.unit for a in network((Setting(None, 126), Setting(None, 1)))]
    assert units[:3] == [126, 1, 2]
    assert {0, 255, 247} < set(units)


# -- the scan ------------------------------------------------------------------------------------------------------


async def test_a_scan_stops_where_the_rest_is_unlikely() -> None:
    line = Line({(N96, 1): Device({("h", 0): 1, ("h", 1): 2}), (N96, 7): Device(), (N96, 200): Device()})
    result = await Scan(line).run(serial(FACTORY))
    assert [(f.speed, f.unit) for f in result.found] == [(N96, 1), (N96, 7)]
    assert result.stopped_early[0].stage == "rest"
    assert result.stopped_early[0].speed == N96, "would go on where somebody answered"
    assert line.open == 0
    assert verdict(result.heard, "here") == ()


async def test_it_goes_on_when_told_to_and_stops_at_the_number_expected() -> None:
    line = Line({(N96, 1): Device(), (N96, 200): Device()})
    result = await Scan(line).run(serial(FACTORY), expect=2)
    assert [f.unit for f in result.found] == [1, 200]
    everything = await Scan(line).run(serial(FACTORY, only=N96), everything=True)
    assert everything.stopped_early == ()
    assert len(everything.heard) == 247


async def test_speeds_that_answered_come_first() -> None:
    line = Line({(E192, 1): Device(), (E192, 9): Device()})
    await Scan(line).run(serial(FACTORY), expect=2)
    assert {asked[0] for asked in line.asked[4:]} == {E192}


async def test_a_meter_is_not_found_again_with_one_more_stop_bit() -> None:
    """8N1 and 8N2 understand each other: the second stop bit is silence."""
    line = Line({(N96, 1): Device(), (Speed(9600, "N", 2), 1): Device(), (Speed(9600, "E"), 1): Device()})
    factory = (Setting(N96, 1), Setting(Speed(9600, "N", 2), 1), Setting(Speed(9600, "E"), 1))
    result = await Scan(line).run(serial(factory))
    assert [str(found.speed) for found in result.found] == ["9600 8N1", "9600 8E1"]


async def test_only_reads_of_two_registers_are_sent() -> None:
    line = Line({})
    await Scan(line).run(serial(FACTORY, only=N96))
    assert {asked[2:] for asked in line.asked} == {("h", 0, 2)}


async def test_progress_says_what_is_left() -> None:
    told: list[Progress] = []
    await Scan(Line({(N96, 1): Device()}), told.append).run(serial(FACTORY, only=N96))
    assert [p.done for p in told] == list(range(1, len(told) + 1))
    assert told[0].left == 246
    assert told[0].seconds > told[1].seconds


async def test_a_line_that_is_away_ends_the_scan() -> None:
    with pytest.raises(Unreachable):
        await Scan(Line({}, AWAY)).run(serial(FACTORY))


async def test_an_interrupted_scan_lets_go_and_keeps_what_it_found() -> None:
    line = Line({(N96, 1): Device()})
    scan = Scan(line)
    task = asyncio.ensure_future(scan.run(serial(FACTORY, only=N96)))
    line.on_ask = lambda: task.cancel() if len(line.asked) == 5 else None
    with pytest.raises(asyncio.CancelledError):
        await task
    assert scan.result.cut
    assert [f.unit for f in scan.result.found] == [1]
    assert line.open == 0


async def test_a_late_answer_is_traced_to_its_meter() -> None:
    """Unit 5 answers after its question's time: unit 6 hears a wrong unit, and 5 is asked again with patience."""
    late = Device({("h", 0): 1, ("h", 1): 2}, moods=[SILENCE])
    line = Line({(N96, 5): late, (N96, 6): Device(moods=[garbled("unit"), SILENCE])})
    result = await Scan(line).run(serial((Setting(N96, 1),), only=N96), expect=1)
    assert [f.unit for f in result.found] == [5]


# -- the decision table --------------------------------------------------------------------------------------------


async def scanned(devices: dict[int, Device], otherwise: object = None) -> list[str]:
    line = Line({(N96, unit): device for unit, device in devices.items()})
    if otherwise:
        line.otherwise = otherwise  # type: ignore[assignment]
    result = await Scan(line).run(serial(FACTORY, only=N96))
    return codes(verdict(result.heard, "/dev/ttyUSB0"))


async def test_silence_garbage_collision_noise() -> None:
    assert await scanned({}) == ["silence"]
    assert await scanned({}, garbled()) == ["garbage"]
    assert await scanned({1: Device(moods=[garbled()] * 9)}) == ["garbage"]
    assert await scanned({1: Device(moods=[garbled()] * 9), 2: Device()}) == ["collision"]
    assert await scanned({1: Device(moods=[garbled(), garbled()]), 2: Device()}) == ["noise"]
    assert await scanned({1: Device(), 2: Device(moods=[refusal()])}) == []


async def test_gateways() -> None:
    silent, empty = Line({}), Line({}, NOBODY)
    asks = network((Setting(None, 1),))
    assert codes(verdict((await Scan(silent).run(asks)).heard, "gw")) == ["silence_tcp"]
    assert codes(verdict((await Scan(empty).run(asks)).heard, "gw")) == ["nobody_behind"]
    assert verdict((), "gw") == ()


@pytest.mark.parametrize(
    ("reads", "why"),
    [
        ([(1, 2)] * 20, ""),
        ([(1, 2)] * 18 + ["", "crc"], ""),
        ([(1, 2)] * 17 + ["crc"] * 3, "garbled"),
        ([(1, 2)] * 19 + [(1, 3)], ""),
        ([(1, 2)] * 10 + [(1, 3)] + [(1, 2)] * 9, "differs"),
        ([(1, 2)] * 20 + ["extra"], ""),
        ([(1, 2)] * 20 + ["extra"] * 3, "extra"),
        ([""] * 20, ""),
    ],
)
def test_two_meters_under_one_id(reads: list[tuple[int, ...] | str], why: str) -> None:
    assert double(reads) == why


def test_places_are_said_as_a_technician_sets_them() -> None:
    assert Heard(E192, 7, "silent").place == "19200 8E1 unit 7"
    assert Heard(None, 7, "silent").place == "unit 7"
