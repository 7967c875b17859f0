"""One loop per bus: at each slot read the meters that are due, one after the other, and hand over what was seen.

Slots are recomputed from wall time before every turn, waiting is on monotonic time, and a turn is never repeated: each
(meter, slot) gets a reading, or a gap with its reason. Slots that pass without a turn are nobody's here; the ledger
finds and explains them (agent/close.py). While the clock is unsynchronised turns are counted on boot time and leaves
carry no slot. A loop never waits for the disk and knows nothing of periods, MQTT or SQLite.

Fairness: in a round everybody is asked once, those that answered last time first; only then are those that were silent
asked again, within what the round may spend on them (agent/patience.py).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from agent.clock import Moment, Timekeeper
from agent.patience import Budget
from agent.turn import Sample, Turn
from drivers.errors import MeterError
from mrv.reading import ClockState, Gap, GapReason, Reading

#: Longest wait (ms) before the clock, and the line, are looked at again.
LOOK_AGAIN_MS = 1000
#: After these a second try may help.
_SILENCES = frozenset({GapReason.TIMEOUT, GapReason.GARBLED})

Round = tuple[Reading | Gap, ...]


async def always() -> bool:
    """A line nobody else wants."""
    return True


def never(_: int) -> bool:
    """The night of a site whose place is not known."""
    return False


class BusLoop:
    """Polls the meters of one bus for ever. `frontier(meter)` is the first slot nobody has covered yet.

    `retries`: whether the line may ask a silent meter again within a slot. `ours` tells whether the line is not lent
    (drivers.lease), `dark` whether it is night at the site at UTC ms.
    """

    def __init__(
        self,
        turns: Sequence[Turn],
        time: Timekeeper,
        *,
        config: int,
        emit: Callable[[Round], None],
        frontier: Callable[[str], int],
        retries: int = 1,
        ours: Callable[[], Awaitable[bool]] = always,
        dark: Callable[[int], bool] = never,
    ) -> None:
        self.turns = list(turns)
        self._time = time
        self._config = config
        self._emit = emit
        self._frontier = frontier
        #: Boot-time ms of the last sign of life (agent/watchdog.py).
        self.looked = time.clock.read().boottime
        self._retries = retries
        self._ours = ours
        self._dark = dark

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._ours()
            now = self._time.now()
            self.looked = now.boottime
            waits = [(turn.wait(now, self._frontier(turn.meter)), turn) for turn in self.turns]
            due = [turn for wait, turn in waits if wait <= 0]
            if due:
                self._emit(await self._round(due, now))
            else:
                await self._time.clock.sleep(min(LOOK_AGAIN_MS, *(wait for wait, _ in waits)))

    async def _round(self, due: list[Turn], began: Moment) -> Round:
        """Ask every due meter once, then the newly silent ones again."""
        budget = Budget(min(turn.step for turn in self.turns) // 2)
        leaves: list[Reading | Gap] = []
        silent: list[tuple[Turn, Gap]] = []
        for turn in due:
            turn.take(began)
        for turn in sorted(due, key=lambda turn: turn.patience.failures or turn.sleeping):
            leaf = await self._turn(turn, began, budget)
            if isinstance(leaf, Gap) and self._once_more(turn, leaf):
                silent.append((turn, leaf))
            else:
                leaves.append(leaf)
        for turn, gap in silent:
            leaves.append(await self._again(turn, gap, began, budget))
        for leaf in leaves:
            self._count(leaf)
        return tuple(leaves)

    def _once_more(self, turn: Turn, gap: Gap) -> bool:
        return bool(self._retries) and turn.patience.failures == 1 and gap.why in _SILENCES

    def _count(self, leaf: Reading | Gap) -> None:
        if isinstance(leaf, Gap):
            turn = next(turn for turn in self.turns if turn.meter == leaf.meter)
            turn.patience.errors[leaf.why] += 1

    def _night(self, now: Moment) -> bool:
        """A clock that is not set knows neither day nor night."""
        return now.state is not ClockState.UNKNOWN and self._dark(now.ts)

    async def _turn(self, turn: Turn, began: Moment, budget: Budget) -> Reading | Gap:
        before = self._time.now()
        self.looked = before.boottime
        if before.boottime - began.boottime >= turn.step:
            return self._gap(turn, began, before, GapReason.LATE)
        if turn.sleep and turn.sleep.rests(before.boottime, dark=self._night(before)):
            return self._gap(turn, began, before, GapReason.ASLEEP)
        if not budget.allows(turn.patience, before.boottime):
            return self._gap(turn, began, before, GapReason.QUARANTINED)
        return await self._ask(turn, began, before, budget)

    async def _again(self, turn: Turn, gap: Gap, began: Moment, budget: Budget) -> Reading | Gap:
        """The second try of a meter that was silent for the first time; `gap` stands when there is no time for it."""
        before = self._time.now()
        self.looked = before.boottime
        if before.boottime - began.boottime >= turn.step or not budget.affords(turn.patience):
            return gap
        return await self._ask(turn, began, before, budget, again=True)

    async def _ask(
        self, turn: Turn, began: Moment, before: Moment, budget: Budget, *, again: bool = False
    ) -> Reading | Gap:
        if not await self._ours():
            turn.lent = True
            return self._gap(turn, began, before, GapReason.MAINTENANCE)
        try:
            sample = await turn.source.read(budget.effort(turn.patience, again=again))
        except MeterError as error:
            return self._failed(turn, began, before, budget, error, again=again)
        after = self._time.now()
        turn.patience.answered(after.boottime - before.boottime)
        if not turn.believes(sample):
            return self._gap(turn, began, after, GapReason.ASLEEP, sample.raw)
        return self._reading(turn, began, after, sample)

    def _failed(
        self, turn: Turn, began: Moment, before: Moment, budget: Budget, error: MeterError, *, again: bool
    ) -> Gap:
        after = self._time.now()
        took = after.boottime - before.boottime
        budget.spend(took)
        if turn.sleep and turn.sleep.excuses(error.reason, after.boottime, dark=self._night(after)):
            turn.patience.excused()
            return self._gap(turn, began, after, GapReason.ASLEEP, error.raw)
        if not again:
            turn.patience.failed(error.reason, took, after.boottime)
        return self._gap(turn, began, after, error.reason, error.raw)

    def _reading(self, turn: Turn, began: Moment, seen: Moment, sample: Sample) -> Reading | Gap:
        quality = turn.quality(sample)
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
            quality=quality,
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
