"""What to append next, decided on values: the gaps before a round, and the closing of periods that are complete.

The Book (mrv.settle) says what is covered and what is due; this says it in leaves, and knows why slots passed without
a turn. Owns no clock, touches no disk; the recorder appends what it is given and then adds it here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import msgspec

from agent.clock import Moment
from mrv import events, identity
from mrv.book import Book
from mrv.leaf import AnyLeaf, Clock, MeterEvent
from mrv.period import Span, first_slot
from mrv.reading import ClockState, Gap, GapReason, Reading, Stamped
from mrv.usage import Chain

#: Kept excuses; older ones have long been written as gaps.
_MOST_EXCUSES = 64


@dataclass(frozen=True, slots=True)
class Excuse:
    """Why slots in [start, end) UTC ms were not polled."""

    start: int
    end: int
    why: GapReason


class Ledger:
    """The Book of this log plus what only the daemon knows: which slots it was down for, or could not store."""

    def __init__(self, book: Book, polled: Iterable[str] = ()) -> None:
        """`polled`: the meters that have turns; slots owed by others (a meter taken out) are filled at once."""
        self.book = book
        self.polled = frozenset(polled)
        self._excuses: list[Excuse] = []
        #: Boot time of the first clock leaf of this run, and whether one has said what time it is.
        self._started: int | None = None
        self._known = False

    def add(self, data: bytes) -> None:
        """Fold a leaf that is durable now."""
        self.book.add(data)

    def frontier(self, meter: str) -> int:
        """The first slot of `meter` nobody has covered; 0 while that is not known."""
        return self.book.frontier(meter) or 0

    def excuse(self, start: int, end: int, why: GapReason) -> None:
        """Slots in [start, end) were not polled, or not kept, because of `why`."""
        if self._excuses and self._excuses[-1].why is why and start <= self._excuses[-1].end < end:
            start = self._excuses.pop().start
        self._excuses = [*self._excuses, Excuse(start, end, why)][-_MOST_EXCUSES:]

    def clock(self, fact: Clock) -> None:
        """A clock leaf is durable: what passed unpolled before it is explained by it."""
        if self._started is None:
            self._started = fact.boottime
        if fact.clock is ClockState.UNKNOWN:
            return
        if not self._known:
            self._known = True
            up_since = fact.ts - (fact.boottime - self._started)
            self.excuse(0, up_since, GapReason.DOWN)
            self.excuse(up_since, fact.ts, GapReason.CLOCK)
        elif fact.step > 0:
            self.excuse(fact.ts - fact.step, fact.ts, GapReason.CLOCK)

    def named(self, event: MeterEvent) -> MeterEvent:
        """What a meter said of itself, called what it is: the same as before, or a change."""
        chain = self.book.chain(event.meter)
        if chain is None or event.event != events.IDENTITY:
            return event
        reasons = any(identity.changed(chain.identity, identity.parts(event.details), chain.bound.serial))
        return msgspec.structs.replace(event, event=events.CHANGED) if reasons else event

    def lost(self, leaves: Iterable[Reading | Gap]) -> None:
        """These could not be stored: their slots will be gaps."""
        for fact in leaves:
            start, end = _slots(fact)
            if start is not None:
                self.excuse(start, end or start + 1, GapReason.STORAGE)

    def arrange(self, leaves: Sequence[Reading | Gap], now: Moment) -> tuple[AnyLeaf, ...]:
        """A round as it goes into the log: first the gaps its meters owe, then what was seen, nothing covered twice.

        `now` stamps the gaps.
        """
        kept = [once for fact in leaves if (once := self._once(fact)) is not None]
        starts = {fact.meter: start for fact in kept if (start := _slots(fact)[0]) is not None}
        return (*self._owed(max(starts.values(), default=0), starts, now), *kept)

    def overdue(self, until: int, now: Moment) -> tuple[AnyLeaf, ...]:
        """Gaps for every slot before `until` that nobody covered, of all meters."""
        return tuple(gap for span in self.book.uncovered(until) for gap in self._explained(span, now))

    def closing(self, now: Moment) -> tuple[AnyLeaf, ...]:
        """Decisions (stamped `now`), usages and summary of the next period that is complete; nothing while none is."""
        due = self.book.due()
        if due is None:
            return ()
        settled = self.book.close(*due)
        when = events.When(now.boot, now.boottime, now.ts, now.state)
        decided = (events.decision(found, when) for found in settled.decisions)
        return (*decided, *settled.usages, settled.summary)

    def _owed(self, until: int, starts: dict[str, int], now: Moment) -> Iterator[Gap]:
        for span in self.book.uncovered(until):
            if span.meter in self.polled:
                span = Span(span.meter, span.start, min(span.end, starts.get(span.meter, span.start)))
            if span.start < span.end:
                yield from self._explained(span, now)

    def _once(self, fact: Reading | Gap) -> Reading | Gap | None:
        """`fact` as it may be logged: a slot is claimed once, and only in the era the leaf was stamped in.

        Surplus readings are kept without a slot; a gap over a covered slot says nothing.
        """
        start, _ = _slots(fact)
        if start is None:
            return fact
        if self._before_era(fact):
            return _unplaced(fact)
        chain = self.book.chain(fact.meter)
        if chain is None or not chain.coverage.covers(start):
            return fact
        return _unplaced(fact) if isinstance(fact, Reading) else None

    def _before_era(self, fact: Stamped) -> bool:
        era = self.book.era
        return era is not None and fact.boot == era.boot and fact.boottime < era.boottime

    def _explained(self, span: Span, now: Moment) -> Iterator[Gap]:
        """Gap leaves for `span`, one per reason."""
        owing = (c for c in self.book.chains if c.bound.meter == span.meter and not _ended(c, span.start))
        chain = next(owing)
        bounds = {span.start, span.end}
        for known in self._excuses:
            bounds |= {first_slot(known.start, chain.bound.every), first_slot(known.end, chain.bound.every)}
        cuts = sorted(bound for bound in bounds if span.start <= bound <= span.end)
        for start, end in pairwise(cuts):
            yield Gap(
                boot=now.boot,
                boottime=now.boottime,
                ts=now.ts,
                clock=now.state,
                meter=span.meter,
                config=chain.config,
                start=start,
                end=end,
                why=self._why(start),
            )

    def _why(self, slot: int) -> GapReason:
        return next((e.why for e in reversed(self._excuses) if e.start <= slot < e.end), GapReason.LATE)


def _ended(chain: Chain, slot: int) -> bool:
    return chain.end is not None and slot >= chain.end


def _slots(fact: Reading | Gap) -> tuple[int | None, int | None]:
    return (fact.slot, None) if isinstance(fact, Reading) else (fact.start, fact.end)


def _unplaced(fact: Reading | Gap) -> Reading | Gap:
    if isinstance(fact, Reading):
        return msgspec.structs.replace(fact, slot=None)
    return msgspec.structs.replace(fact, start=None, end=None)
