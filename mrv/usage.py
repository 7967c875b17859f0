"""Readings of one meter in one period -> Usage: opening, closing, difference, flags.

Counters stay in native counts and differences are signed: they telescope over periods, nothing is clamped and nothing
is filled in. A chain is one meter under one unchanged binding; changing the meter, its profile or its ratio starts a
new chain, because registers of two meters must never be subtracted from each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from mrv import number
from mrv.binding import BoundMeter
from mrv.coverage import Coverage
from mrv.leaf import Usage, UsedRegister
from mrv.period import LAST, count_slots, first_slot
from mrv.reading import ClockState

Registers = dict[str, str]


@dataclass(frozen=True, slots=True)
class Seen:
    """What one slot showed: None registers when its quality forbids using them; `clock` is R for a placed reading."""

    registers: Registers | None
    clock: ClockState


@dataclass(slots=True)
class Chain:
    """One meter under one binding: what is expected of it, what was seen, where its registers stand."""

    bound: BoundMeter
    profile: str
    config: int
    start: int
    end: int | None = None
    coverage: Coverage = field(init=False)
    seen: dict[int, Seen] = field(default_factory=dict)
    #: Slot and registers at the end of the last closed period.
    closing: tuple[int, Registers] | None = None

    def __post_init__(self) -> None:
        self.start = first_slot(self.start, self.bound.every)
        self.coverage = Coverage(self.start, self.bound.every * 1000)

    def finish(self, at: int) -> None:
        """Nothing is expected from slot `at` on."""
        self.end = max(self.start, first_slot(at, self.bound.every))

    def expects(self, start: int, end: int) -> int:
        """How many slots of [start, end) this chain owes."""
        stop = end if self.end is None else min(end, self.end)
        return count_slots(max(start, self.start), stop, self.bound.every)

    @property
    def watermark(self) -> int:
        """The last instant up to and including which every expected slot is covered."""
        frontier = self.coverage.frontier
        return LAST if self.end is not None and frontier >= self.end else frontier - 1

    def reads(self, start: int, end: int) -> int:
        return sum(start <= slot < end for slot in self.seen)

    def forget_after(self, ms: int) -> None:
        """The clock says it is `ms`: what an earlier clock placed later than that, ahead of the rest, is surplus."""
        self.coverage.forget_after(ms)
        self.seen = {slot: seen for slot, seen in self.seen.items() if self.coverage.covers(slot)}

    def use(self, start: int, end: int) -> Usage:
        """The usage of the period [start, end), uncorrected, in native counts."""
        good = {slot: s.registers for slot, s in self.seen.items() if s.registers is not None and slot <= end}
        opening = self.closing or (min(good.items()) if good else None)
        closing = max(good.items()) if good else opening
        flags = [] if self.closing else ["first"]
        if closing is not None and closing[0] != end and self.passed_on(end):
            flags.append("carried")
        if self.end is not None and self.end <= end:
            flags.append("ended")
        registers = _differences(opening, closing)
        if any(r.used.startswith("-") for r in registers.values()):
            flags.append("backward")
        read = self.reads(start, end)
        return Usage(
            meter=self.bound.meter,
            config=self.config,
            start=start,
            end=end,
            expected=self.expects(start, end),
            read=read,
            gap=self.expects(start, end) - read,
            opened=opening[0] if opening else None,
            closed=closing[0] if closing else None,
            registers=registers,
            flags=tuple(flags),
        )

    def passed_on(self, end: int) -> bool:
        """Whether a reading at slot `end` was owed: not when the chain ended before it."""
        return self.end is None or self.end > end

    def close(self, end: int) -> None:
        """Make the last good reading up to `end` the next opening and forget what is behind it."""
        if self.start >= end:
            return  # not part of the period: its first reading is still its opening
        good = [(slot, s.registers) for slot, s in self.seen.items() if s.registers is not None and slot <= end]
        if good:
            self.closing = max(good)  # slots are unique, registers are never compared
        self.seen = {slot: s for slot, s in self.seen.items() if slot >= end}

    def recall(self, usages: Iterable[Usage], end: int) -> None:
        """Stand where a sealed usage says this meter stood at `end`, when an already judged log is replayed."""
        for usage in usages:
            if usage.meter == self.bound.meter and usage.config == self.config and usage.closed is not None:
                self.closing = (usage.closed, {obis: used.closing for obis, used in usage.registers.items()})
        self.coverage.skip_to(first_slot(end, self.bound.every))
        self.seen = {slot: seen for slot, seen in self.seen.items() if slot >= end}


def _differences(
    opening: tuple[int, Registers] | None, closing: tuple[int, Registers] | None
) -> dict[str, UsedRegister]:
    """Closing minus opening of every register both show, spelled with the decimals of the register."""
    if opening is None or closing is None:
        return {}
    used = {}
    for obis in sorted(opening[1].keys() & closing[1].keys()):
        before, after = opening[1][obis], closing[1][obis]
        decimals = max(len(text.partition(".")[2]) for text in (before, after))
        difference = number.exact_difference(after, before)
        used[obis] = UsedRegister(opening=before, closing=after, used=number.spell(difference, decimals))
    return used
