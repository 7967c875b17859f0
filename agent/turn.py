"""One meter of a bus: when its turn is, and what has become of its turns so far.

Slots are those of `mrv.period`; while the clock is unknown turns are counted on boot time instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Protocol

from agent.clock import Moment
from agent.fresh import Freshness
from agent.patience import Patience
from agent.sleep import Sleep
from drivers.bus import Effort
from mrv.measurand import Measurand
from mrv.period import slot_of
from mrv.reading import ClockState, Quality

#: A turn may begin this late (ms), and never later than half its interval.
LATEST_MS = 10_000


class Sample(Protocol):
    """What reading a meter once gives (drivers.meter)."""

    @property
    def raw(self) -> dict[str, str]: ...
    @property
    def registers(self) -> dict[str, str]: ...
    @property
    def values(self) -> Mapping[Measurand, Decimal]: ...


class Readable(Protocol):
    """A meter on its bus. `read` raises drivers.errors.MeterError, bounded in time by the bus's own timeouts."""

    async def read(self, effort: Effort) -> Sample: ...


@dataclass(slots=True, kw_only=True)
class Turn:
    """One meter of a bus and where it stands: the last slot (or boot-time tick) it had a turn for.

    `sleep` is there for an inverter, `freshness` for a meter behind a gateway.
    """

    meter: str
    every: int
    source: Readable
    last: int = -1
    last_tick: int = -1
    last_read: int | None = None
    patience: Patience = field(default_factory=Patience)
    sleep: Sleep | None = None
    freshness: Freshness | None = None
    #: The line was lent when its last turn came.
    lent: bool = False

    @property
    def step(self) -> int:
        """The interval in ms."""
        return self.every * 1000

    @property
    def sleeping(self) -> bool:
        return self.sleep is not None and self.sleep.asleep

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
        self.lent = False
        if now.state is ClockState.UNKNOWN:
            self.last_tick = self.slot(now)
        else:
            self.last = self.slot(now)

    def believes(self, sample: Sample) -> bool:
        """Whether an answer may be used; False while an inverter wakes up."""
        return self.sleep is None or self.sleep.believes(sample.registers)

    def quality(self, sample: Sample) -> Quality:
        """What to think of an answer, after the ones before it."""
        if self.freshness is None:
            return Quality.GOOD
        self.freshness.note(sample.values, sample.registers)
        return Quality.SUSPECT if self.freshness.frozen else Quality.GOOD
