"""One loop per bus: at each slot read the meters that are due, one after the other, and hand over what was seen.

Slots are recomputed from wall time before every turn, waiting is on monotonic time, and a turn is never repeated: each
(meter, slot) gets a reading, or a gap with its reason. Slots that pass without a turn are nobody's here; the ledger
finds and explains them (agent/close.py). While the clock is unsynchronised turns are counted on boot time and leaves
carry no slot. A loop never waits for the disk and knows nothing of periods, MQTT or SQLite.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from agent.clock import Moment, Timekeeper
from agent.patience import Budget, Patience
from drivers.errors import MeterError
from mrv.period import slot_of
from mrv.reading import ClockState, Gap, GapReason, Reading

#: Longest wait (ms) before the clock is looked at again.
LOOK_AGAIN_MS = 1000
#: A turn may begin this late (ms), and never later than half its interval.
LATEST_MS = 10_000

Round = tuple[Reading | Gap, ...]


class Sample(Protocol):
    """What reading a meter once gives (drivers.meter)."""

    @property
    def raw(self) -> dict[str, str]: ...
    @property
    def registers(self) -> dict[str, str]: ...


class Readable(Protocol):
    """A meter on its bus. `read` raises drivers.errors.MeterError, bounded in time by the bus's own timeouts."""

    async def read(self) -> Sample: ...


@dataclass(slots=True, kw_only=True)
class Turn:
    """One meter of a bus and where it stands: the last slot (or boot-time tick) it had a turn for."""

    meter: str
    every: int
    source: Readable
    last: int = -1
    last_tick: int = -1
    last_read: int | None = None
    patience: Patience = field(default_factory=Patience)

    @property
    def step(self) -> int:
        """The interval in ms."""
        return self.every * 1000

    def slot(self, now: Moment) -> int:
        """The slot, or while the clock is unknown the boot-time tick, that `now` lies in."""
        return slot_of(now.boottime if now.state is ClockState.UNKNOWN else now.ts, self.every)

    def wait(self, now: Moment, frontier: int) -> int:
        """How long (ms) until this meter's next turn; 0 when it is due."""
        unknown = now.state is ClockState.UNKNOWN
        at, slot = (now.boottime if unknown else now.ts), self.slot(now)
        begun = slot <= self.last_tick if unknown else slot <= self.last or slot < frontier
        if begun or at - slot > min(LATEST_MS, self.step // 2):
            return max(slot + self.step, 0 if unknown else frontier) - at
        return 0

    def take(self, now: Moment) -> None:
        """Note that the turn of `now` is being had."""
        if now.state is ClockState.UNKNOWN:
            self.last_tick = self.slot(now)
        else:
            self.last = self.slot(now)


class BusLoop:
    """Polls the meters of one bus for ever. `frontier(meter)` is the first slot nobody has covered yet."""

    def __init__(
        self,
        turns: Sequence[Turn],
        time: Timekeeper,
        *,
        config: int,
        emit: Callable[[Round], None],
        frontier: Callable[[str], int],
    ) -> None:
        self.turns = list(turns)
        self._time = time
        self._config = config
        self._emit = emit
        self._frontier = frontier
        #: Boot-time ms of the last sign of life (agent/watchdog.py).
        self.looked = time.clock.read().boottime

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            now = self._time.now()
            self.looked = now.boottime
            waits = [(turn.wait(now, self._frontier(turn.meter)), turn) for turn in self.turns]
            due = [turn for wait, turn in waits if wait <= 0]
            if due:
                self._emit(await self._round(due, now))
            else:
                await self._time.clock.sleep(min(LOOK_AGAIN_MS, *(wait for wait, _ in waits)))

    async def _round(self, due: list[Turn], began: Moment) -> Round:
        """Read every due meter once, those that answered last time first."""
        budget = Budget(min(turn.step for turn in due) // 2)
        leaves = []
        for turn in due:
            turn.take(began)
        for turn in sorted(due, key=lambda turn: turn.patience.failures):
            leaves.append(await self._turn(turn, began, budget))
        return tuple(leaves)

    async def _turn(self, turn: Turn, began: Moment, budget: Budget) -> Reading | Gap:
        before = self._time.now()
        self.looked = before.boottime
        if before.boottime - began.boottime >= turn.step:
            return self._gap(turn, began, before, GapReason.LATE)
        if not budget.allows(turn.patience, before.boottime):
            return self._gap(turn, began, before, GapReason.QUARANTINED)
        try:
            sample = await turn.source.read()
        except MeterError as error:
            after = self._time.now()
            took = after.boottime - before.boottime
            budget.spend(took)
            turn.patience.failed(error.reason, took, after.boottime)
            return self._gap(turn, began, after, error.reason, error.raw)
        after = self._time.now()
        turn.patience.answered(after.boottime - before.boottime)
        return self._reading(turn, began, after, sample)

    def _reading(self, turn: Turn, began: Moment, seen: Moment, sample: Sample) -> Reading | Gap:
        slot = None if began.state is ClockState.UNKNOWN else turn.slot(began)
        if slot is not None and not slot <= seen.ts < slot + turn.step:
            if seen.era == began.era:
                return self._gap(turn, began, seen, GapReason.LATE, sample.raw)
            slot = None
            turn.last = -1  # the clock was moved meanwhile: the leaf goes without slot, which may have its turn again
        turn.last_read = seen.ts
        return Reading(
            boot=seen.boot,
            boottime=seen.boottime,
            ts=seen.ts,
            clock=seen.state,
            meter=turn.meter,
            config=self._config,
            slot=slot,
            registers=sample.registers,
            raw=sample.raw,
        )

    def _gap(self, turn: Turn, began: Moment, seen: Moment, why: GapReason, raw: dict[str, str] | None = None) -> Gap:
        slot = None if began.state is ClockState.UNKNOWN else turn.slot(began)
        if seen.era != began.era:
            slot, turn.last = None, -1
        return Gap(
            boot=seen.boot,
            boottime=seen.boottime,
            ts=seen.ts,
            clock=seen.state,
            meter=turn.meter,
            config=self._config,
            start=slot,
            end=None if slot is None else slot + turn.step,
            why=why,
            raw=raw or None,
        )
