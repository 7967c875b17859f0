"""When a meter is asked who it is, and asking it: at the start, after silence, once a day, and when a counter fell.

The asking goes before a reading, in the same turn, and only of a meter that answered last time: so it costs nobody a
slot that a dead meter would not. What the answer means is decided where the log is read (mrv.identity); the ledger only
gives the leaf its name. A meter whose profile knows no such registers is never asked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from agent.clock import Moment
from drivers.errors import MeterError
from drivers.meter import Meter, Sample
from mrv.events import IDENTITY
from mrv.leaf import MeterEvent
from mrv.limits import nano

#: At least this often,
DAY = 86_400_000
#: and never more often than this (ms), whatever happens.
PAUSE = 300_000


@dataclass(slots=True)
class Acquaintance:
    """Whether it is time to ask one meter; times are boot-time ms. Pure."""

    asked: int | None = None
    #: Something happened since that makes the old answer worthless.
    doubted: bool = True
    #: Whether the meter answered the last time it was read.
    answers: bool = False
    stood: Mapping[str, str] | None = None

    def due(self, now: int) -> bool:
        if not self.answers or (self.asked is not None and now - self.asked < PAUSE):
            return False
        return self.doubted or self.asked is None or now - self.asked >= DAY

    def asking(self, now: int) -> None:
        self.asked = now

    def told(self) -> None:
        self.doubted = False

    def silent(self) -> None:
        """It did not answer: who answers next may be another one."""
        self.answers, self.doubted = False, True

    def read(self, registers: Mapping[str, str]) -> None:
        """It was read. A counter that fell may be another meter's."""
        before, self.stood, self.answers = self.stood or {}, registers, True
        if any(nano(text) < nano(before[obis]) for obis, text in registers.items() if obis in before):
            self.doubted = True


class Listener(Protocol):
    """Who is shown every sample of a meter, and when it was taken."""

    def __call__(self, sample: Sample, taken: Moment) -> None: ...


class Introduced:
    """A meter that is asked now and then who it is, besides being read; `tell` gets the leaf, `watch` every sample."""

    def __init__(
        self,
        meter: Meter,
        now: Callable[[], Moment],
        tell: Callable[[MeterEvent], None],
        *,
        config: int,
        watch: Listener | None = None,
    ) -> None:
        self.meter = meter
        self.known = Acquaintance()
        self._now = now
        self._tell = tell
        self._config = config
        self._watch = watch

    async def read(self, *effort: object) -> Sample:
        """One sample. Raises drivers.errors.MeterError."""
        now = self._now()
        if self.meter.can_say and self.known.due(now.boottime):
            self.known.asking(now.boottime)
            await self._ask()
        try:
            sample = await self.meter.read(*effort)  # type: ignore[arg-type]
        except MeterError:
            self.known.silent()
            raise
        self.known.read(sample.registers)
        if self._watch:
            self._watch(sample, self._now())
        return sample

    async def _ask(self) -> None:
        """A meter that does not say it now is asked again later; that is no reason to lose a reading."""
        try:
            details, raw = await self.meter.say()
        except MeterError:
            return
        if not details:
            return
        self.known.told()
        at = self._now()
        self._tell(
            MeterEvent(
                boot=at.boot,
                boottime=at.boottime,
                ts=at.ts,
                clock=at.state,
                meter=self.meter.id,
                config=self._config,
                event=IDENTITY,
                details=details,
                raw=raw or None,
            )
        )
