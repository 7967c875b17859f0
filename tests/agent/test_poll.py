"""One bus: turns at their slots, failures with their reasons, and a bounded price for the dead."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass

import pytest
from fakes import NEW_YEAR, FakeClock

from agent.clock import Timekeeper
from agent.patience import LONGEST_BACKOFF_MS, Budget, Patience
from agent.poll import BusLoop, Round
from agent.turn import Turn
from drivers.bus import ALL, Effort
from drivers.errors import MeterError, NoReply, NotAvailable, Unreachable
from mrv.errors import fault
from mrv.reading import Gap, GapReason, Reading


@dataclass
class Sample:
    raw: dict[str, str]
    registers: dict[str, str]


class FakeMeter:
    """Answers after `latency` ms, or fails with `error` after `cost` ms."""

    def __init__(
        self, clock: FakeClock, *, latency: int = 5, error: MeterError | None = None, cost: int = 1000
    ) -> None:
        self.clock, self.latency, self.error, self.cost = clock, latency, error, cost
        self.reads = 0

    async def read(self, effort: Effort = ALL) -> Sample:
        self.reads += 1
        await self.clock.sleep(self.cost if self.error else self.latency)
        if self.error:
            raise self.error
        return Sample({"i:0": "0000"}, {"1.8.0": "1.0"})


class Bench:
    """A loop over fake meters and everything it emitted."""

    def __init__(self, clock: FakeClock, meters: dict[str, FakeMeter], every: int = 10) -> None:
        self.clock, self.meters = clock, meters
        self.rounds: list[Round] = []
        self.frontiers: dict[str, int] = {}
        time = Timekeeper(clock, boot=1, source="kernel", announce=lambda _leaf: None)
        turns = [Turn(meter=name, every=every, source=meter) for name, meter in meters.items()]
        self.loop = BusLoop(
            turns, time, config=1, emit=self.rounds.append, frontier=lambda meter: self.frontiers.get(meter, 0)
        )

    async def run(self, seconds: int) -> None:
        task = asyncio.create_task(self.loop.run())

        async def settle() -> None:
            for _ in range(6):
                await asyncio.sleep(0)

        await self.clock.run(seconds * 1000, settle)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def of(self, meter: str) -> list[Reading | Gap]:
        return [leaf for found in self.rounds for leaf in found if leaf.meter == meter]

    def reasons(self, meter: str) -> Counter[str]:
        return Counter(str(leaf.why) if isinstance(leaf, Gap) else "read" for leaf in self.of(meter))


async def test_every_slot_has_one_turn_and_is_read_inside_it() -> None:
    clock = FakeClock(realtime=NEW_YEAR + 3_456)
    bench = Bench(clock, {"a": FakeMeter(clock)})
    await bench.run(60)
    readings = bench.of("a")
    assert [leaf.slot for leaf in readings] == [NEW_YEAR + 1000 * s for s in range(0, 61, 10)]
    assert all(leaf.slot <= leaf.ts < leaf.slot + 10_000 for leaf in readings)


async def test_a_slot_half_over_is_not_read_late() -> None:
    clock = FakeClock(realtime=NEW_YEAR + 5_001)
    bench = Bench(clock, {"a": FakeMeter(clock)})
    await bench.run(10)
    assert [leaf.slot for leaf in bench.of("a")] == [NEW_YEAR + 10_000]


async def test_a_slot_that_is_covered_already_has_no_turn() -> None:
    clock = FakeClock()
    bench = Bench(clock, {"a": FakeMeter(clock)})
    bench.frontiers["a"] = NEW_YEAR + 30_000
    await bench.run(41)
    assert [leaf.slot for leaf in bench.of("a")] == [NEW_YEAR + 30_000, NEW_YEAR + 40_000]


@pytest.mark.parametrize("error", [NoReply(fault("meter.gap_timeout")), Unreachable(fault("meter.gap_unreachable"))])
async def test_a_failure_is_a_gap_with_its_reason(error: MeterError) -> None:
    clock = FakeClock()
    bench = Bench(clock, {"a": FakeMeter(clock, error=error), "b": FakeMeter(clock)})
    await bench.run(35)
    assert bench.reasons("a") == {str(error.reason): 4}
    assert bench.reasons("b") == {"read": 4}
    first = bench.of("a")[0]
    assert (first.start, first.end) == (NEW_YEAR, NEW_YEAR + 10_000)


async def test_words_that_cannot_be_believed_are_kept_in_the_gap() -> None:
    clock = FakeClock()
    error = NotAvailable(fault("meter.register_not_available"), {"i:342": "7fc00000"})
    bench = Bench(clock, {"a": FakeMeter(clock, error=error)})
    await bench.run(5)
    assert [(leaf.why, leaf.raw) for leaf in bench.of("a")] == [(GapReason.NOT_AVAILABLE, {"i:342": "7fc00000"})]


async def test_an_answer_after_the_slot_is_late_and_keeps_its_words() -> None:
    clock = FakeClock()
    bench = Bench(clock, {"a": FakeMeter(clock, latency=10_500)})
    await bench.run(11)
    assert [(leaf.why, leaf.raw) for leaf in bench.of("a")] == [(GapReason.LATE, {"i:0": "0000"})]


async def test_many_dead_meters_cost_the_healthy_one_at_most_the_slots_in_which_they_died() -> None:
    clock = FakeClock()
    dead = {f"dead-{n}": FakeMeter(clock, error=NoReply(fault("meter.gap_timeout"))) for n in range(20)}
    healthy = FakeMeter(clock)
    bench = Bench(clock, {**dead, "healthy": healthy})
    await bench.run(600)
    assert bench.reasons("healthy")["read"] >= 58
    for name, meter in dead.items():
        assert bench.reasons(name)["quarantined"] > 20
        assert meter.reads >= 5, f"{name} is asked again now and then"


async def test_a_meter_that_comes_back_is_healed_by_its_first_answer() -> None:
    clock = FakeClock()
    meter = FakeMeter(clock, error=NoReply(fault("meter.gap_timeout")))
    bench = Bench(clock, {"a": meter})
    await bench.run(25)
    meter.error = None
    await bench.run(30)
    assert bench.reasons("a") == {"timeout": 3, "read": 3}
    assert bench.loop.turns[0].patience.failures == 0


async def test_turns_are_counted_on_boot_time_while_the_clock_is_unknown() -> None:
    clock = FakeClock(realtime=12_345, synchronised=False)
    bench = Bench(clock, {"a": FakeMeter(clock), "b": FakeMeter(clock, error=NoReply(fault("meter.gap_timeout")))})
    await bench.run(45)
    assert [leaf.slot for leaf in bench.of("a")] == [None] * 5
    assert [(leaf.start, leaf.end) for leaf in bench.of("b")] == [(None, None)] * 5


def test_patience_doubles_to_five_minutes_and_one_probe_per_round() -> None:
    patience, waits = Patience(), []
    for _ in range(8):
        patience.failed(GapReason.TIMEOUT, 2_000, 0)
        waits.append(patience.resume // 1000)
    assert waits == [10, 20, 40, 80, 160, 300, 300, 300]
    assert LONGEST_BACKOFF_MS == 300_000
    budget = Budget(limit=1_000)
    assert not budget.allows(patience, patience.resume - 1)
    assert budget.allows(patience, patience.resume)
    assert not budget.allows(patience, patience.resume), "the second probe of a round"
    assert budget.allows(Patience(), 0)
