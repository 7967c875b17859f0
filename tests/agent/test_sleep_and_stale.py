"""An inverter at night, at dawn, and a gateway that repeats itself: pure deciders, then the loop that asks them."""

from __future__ import annotations

from decimal import Decimal

import pytest
from fakes import NEW_YEAR, FakeClock
from test_poll import Bench, FakeMeter, Sample

from agent import health
from agent.fresh import POLLS, Freshness
from agent.health import MeterState
from agent.sleep import MOST, PROBE_MS, Sleep
from drivers.errors import Garbled, NoReply
from mrv.errors import fault
from mrv.measurand import Measurand
from mrv.reading import GapReason, Quality, Reading

SILENT = NoReply(fault("meter.gap_timeout"))


def woken(*values: str, trusted: str = "100.0") -> list[bool]:
    """What is believed of the reads after a night that began at `trusted`."""
    sleep = Sleep()
    assert sleep.believes({"2.8.0": trusted})
    assert sleep.excuses(GapReason.TIMEOUT, 0, dark=True)
    return [sleep.believes({"2.8.0": value}) for value in values]


@pytest.mark.parametrize(
    ("reads", "believed"),
    [
        (("100.0", "100.0", "100.1", "100.2"), [False, False, True, True]),
        (("0.0", "0.0", "100.0", "100.0", "100.1"), [False, False, False, False, True]),
        (("100.0", "0.0", "100.0", "100.0", "100.0"), [False, False, False, False, True]),
        (("9000.0", "100.0", "100.0", "100.0"), [False, False, False, True]),
    ],
)
def test_three_reads_that_agree(reads: tuple[str, ...], believed: list[bool]) -> None:
    assert woken(*reads) == believed


def test_a_counter_that_really_began_anew_is_handed_on_in_the_end() -> None:
    assert woken(*["0.0"] * MOST) == [False] * (MOST - 1) + [True]


def test_only_silence_in_the_dark_is_sleep() -> None:
    sleep = Sleep()
    assert not sleep.excuses(GapReason.TIMEOUT, 0, dark=False)
    assert not sleep.excuses(GapReason.GARBLED, 0, dark=True)
    assert not sleep.asleep
    assert sleep.excuses(GapReason.NOT_AVAILABLE, 0, dark=True)
    assert sleep.rests(PROBE_MS - 1, dark=True)
    assert not sleep.rests(PROBE_MS, dark=True)
    assert not sleep.rests(1, dark=False), "asked at once when it is light"


def values(volts: str, hertz: str = "50.01") -> dict[Measurand, Decimal]:
    return {Measurand.VOLTAGE_L1: Decimal(volts), Measurand.FREQUENCY: Decimal(hertz)}


def test_a_grid_that_stands_still() -> None:
    fresh = Freshness()
    for poll in range(1, POLLS + 1):
        fresh.note(values("230.1"), {"1.8.0": "5.0"})
        assert (fresh.stale, fresh.frozen) == (poll == POLLS, poll == POLLS)
    fresh.note(values("230.2"), {"1.8.0": "5.0"})
    assert not fresh.stale
    for number in range(POLLS):
        fresh.note(values("230.2"), {"1.8.0": f"{number}.0"})
    assert (fresh.stale, fresh.frozen) == (True, False), "the registers are of now"


def test_what_cannot_tell_is_not_stale() -> None:
    fresh = Freshness()
    for _ in range(3 * POLLS):
        fresh.note({Measurand.FREQUENCY: Decimal("50.0")}, {"1.8.0": "5.0"})
    assert not fresh.stale


async def test_an_inverter_sleeps_through_the_night_and_costs_nobody() -> None:
    clock = FakeClock()
    bench = Bench(clock, {"pv": FakeMeter(clock, error=SILENT), "m": FakeMeter(clock)})
    night = {"dark": True}
    bench.loop._dark = lambda _: night["dark"]
    inverter, turn = bench.meters["pv"], next(turn for turn in bench.loop.turns if turn.meter == "pv")
    turn.sleep = Sleep()
    await bench.run(3600)
    assert set(bench.reasons("pv")) == {"asleep"}
    assert inverter.reads <= 5
    assert set(bench.reasons("m")) == {"read"}
    assert health.meters([bench.loop])["pv"].state is MeterState.ASLEEP
    assert turn.patience.failures == 0
    night["dark"], inverter.error = False, None
    bench.rounds.clear()
    await bench.run(45)
    outcomes = [str(leaf.why) if not isinstance(leaf, Reading) else "read" for leaf in bench.of("pv")]
    assert outcomes[:4] == ["asleep", "asleep", "read", "read"]
    assert bench.of("pv")[0].raw == {"i:0": "0000"}, "what it said is kept"


async def test_a_line_that_is_lent_is_maintenance_and_nobodys_failure() -> None:
    clock = FakeClock()
    bench = Bench(clock, {"m": FakeMeter(clock)})
    ours = {"line": False}

    async def asked() -> bool:
        return ours["line"]

    bench.loop._ours = asked
    await bench.run(25)
    assert set(bench.reasons("m")) == {"maintenance"}
    status = health.meters([bench.loop])["m"]
    assert (status.state, status.failures, status.answers) == (MeterState.MAINTENANCE, 0, 0)
    assert status.errors == {GapReason.MAINTENANCE: 3}
    ours["line"] = True
    await bench.run(20)
    assert bench.reasons("m")["read"] == 2


async def test_a_second_try_comes_after_everybodys_first() -> None:
    clock = FakeClock()
    flaky, asked = FakeMeter(clock, error=Garbled(fault("meter.gap_garbled")), cost=50), []
    bench = Bench(clock, {"a": flaky, "b": FakeMeter(clock), "c": FakeMeter(clock)})
    for name, meter in bench.meters.items():
        read = meter.read

        async def noted(*args: object, name: str = name, read: object = read, meter: FakeMeter = meter) -> Sample:
            asked.append(name)
            if asked.count("a") == 2:
                meter.error = None
            return await read(*args)  # type: ignore[operator]

        meter.read = noted  # type: ignore[method-assign]
    await bench.run(5)
    assert asked == ["a", "b", "c", "a"]
    assert set(bench.reasons("a")) == {"read"}


async def test_readings_of_a_frozen_gateway_are_suspect_and_said_so() -> None:
    clock = FakeClock()
    bench = Bench(clock, {"m": FakeMeter(clock)})

    class Frozen(Sample):
        values = values("230.1")

    async def read(_: object) -> Sample:
        return Frozen({"i:0": "0000"}, {"1.8.0": "1.0"})

    bench.meters["m"].read = read  # type: ignore[method-assign]
    bench.loop.turns[0].freshness = Freshness()
    await bench.run(POLLS * 10 + 5)
    qualities = [leaf.quality for leaf in bench.of("m") if isinstance(leaf, Reading)]
    assert qualities[: POLLS - 1] == [Quality.GOOD] * (POLLS - 1)
    assert set(qualities[POLLS - 1 :]) == {Quality.SUSPECT}
    assert [found.code for found in health.troubles([bench.loop], [])] == ["agent.meter_stale"]
    assert bench.of("m")[0].slot == NEW_YEAR
