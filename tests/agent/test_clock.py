"""What starts an era and what does not, and what the clock is worth."""

from __future__ import annotations

import pytest
from fakes import FakeClock

from agent.clock import RELATIVE_MS, Source, SystemClock, Timekeeper
from mrv.leaf import Clock


def watch(clock: FakeClock, source: Source = "kernel") -> tuple[Timekeeper, list[Clock]]:
    told: list[Clock] = []
    keeper = Timekeeper(clock, boot=4, source=source, announce=told.append)
    keeper.now()
    return keeper, told


def test_the_first_look_starts_an_era() -> None:
    clock = FakeClock()
    keeper, told = watch(clock)
    assert [(c.why, str(c.clock), c.source, c.step, c.ts) for c in told] == [
        ("start", "S", "kernel", 0, clock.realtime)
    ]
    moment = keeper.now()
    assert (moment.boot, moment.boottime, moment.ts, str(moment.state)) == (4, clock.boottime, clock.realtime, "S")
    assert len(told) == 1


@pytest.mark.parametrize(("step", "told_of"), [(500, 1), (-500, 1), (501, 2), (-501, 2), (-3_600_000, 2)])
def test_a_move_beyond_half_a_second_starts_an_era(step: int, told_of: int) -> None:
    clock = FakeClock()
    keeper, told = watch(clock)
    clock.pass_time(10_000)
    clock.step(step)
    keeper.now()
    assert len(told) == told_of
    if told_of == 2:
        assert (told[1].why, told[1].step) == ("step", step)


def test_slow_drift_adds_up_to_an_era() -> None:
    clock = FakeClock()
    keeper, told = watch(clock)
    for _ in range(6):
        clock.step(100)
        keeper.now()
    assert [c.step for c in told] == [0, 600]


def test_synchronisation_is_gained_and_lost() -> None:
    clock = FakeClock(synchronised=False)
    keeper, told = watch(clock)
    clock.synchronised = True
    clock.step(1_000_000)
    era = keeper.now().era
    clock.synchronised = False
    clock.pass_time(RELATIVE_MS)
    assert keeper.now().era == era + 1
    clock.pass_time(1)
    keeper.now()
    clock.synchronised = True
    keeper.now()
    assert [(c.why, str(c.clock), c.step) for c in told] == [
        ("start", "U", 0),
        ("sync", "S", 1_000_000),
        ("lost", "R", 0),
        ("lost", "I", 0),
        ("sync", "S", 0),
    ]


def test_an_assumed_clock_is_informative_whatever_the_kernel_says() -> None:
    _, told = watch(FakeClock(synchronised=False), "assumed")
    assert [(str(c.clock), c.source) for c in told] == [("I", "assumed")]


def test_a_clock_that_was_never_set_is_unknown_whoever_vouches_for_it() -> None:
    for source in ("assumed", "kernel"):
        _, told = watch(FakeClock(realtime=5_000), source)
        assert [str(c.clock) for c in told] == ["U"]


async def test_the_kernels_clocks_are_read_and_waited_on() -> None:
    clock = SystemClock()
    before = clock.read()
    await clock.sleep(20)
    after = clock.read()
    assert 15 <= after.boottime - before.boottime < 5_000
    assert after.realtime > 1_700_000_000_000
    assert isinstance(after.synchronised, bool)
    assert len(clock.boot_id) == 36
