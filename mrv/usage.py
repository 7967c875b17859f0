"""Readings of one meter in one period -> Usage: opening, closing, difference, flags.

Counters stay in native counts and differences are signed: they telescope over periods, nothing is clamped and nothing
is filled in. A chain is one meter under one unchanged binding; changing the meter, its profile or its ratio starts a
new chain, because registers of two meters must never be subtracted from each other. Which steps between readings are
energy at all is decided in mrv.counter, every time anew from the readings since the last closing: a chain keeps no
verdicts, only what a sealed usage says as well, so that a restored log goes on exactly like one that never stopped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from mrv import number
from mrv.binding import BoundMeter
from mrv.codec import Decoder
from mrv.counter import Mark, Registers, Walk
from mrv.coverage import Coverage
from mrv.leaf import Stood, Usage, UsedRegister
from mrv.limits import DECIMALS, NANO, Limits, limits, nano
from mrv.period import LAST, count_slots, first_slot
from mrv.reading import ClockState

#: Verdict or hold reason of mrv.counter -> the flag it leaves on the usage.
_FLAGS = {"glitch": "glitch", "rollover": "rollover", "reset": "reset", "jump": "jump", "drop": "jump", "time": "jump"}


class Seen(NamedTuple):
    """What one slot showed: None registers when its quality forbids using them; `clock` is R for a placed reading."""

    registers: Registers | None
    clock: ClockState
    boot: int = 0
    boottime: int = 0
    ratio: Fraction | None = None


@dataclass(slots=True)
class Chain:
    """One meter under one binding: what is expected of it, what was seen, where its registers stand."""

    bound: BoundMeter
    profile: str
    config: int
    start: int
    limits: Limits | None = None
    end: int | None = None
    coverage: Coverage = field(init=False)
    seen: dict[int, Seen] = field(default_factory=dict)
    #: [from, to) of gaps because it is night for an inverter.
    nights: list[tuple[int, int]] = field(default_factory=list)
    #: Where the registers stood at the end of the last closed period.
    closing: Mark | None = None
    #: Reason -> the instant from which on a person has to decide.
    holds: dict[str, int] = field(default_factory=dict)
    #: [from, to) of holds that somebody lifted.
    lifted: list[tuple[int, int]] = field(default_factory=list)
    #: When another identity was found, and when the meter last said that it is the same one.
    changes: list[int] = field(default_factory=list)
    confirmed: int = 0
    #: What the meter last said of itself (mrv.identity), and when.
    identity: dict[str, str] = field(default_factory=dict)
    identified: int = 0
    #: How a judge decodes its readings (mrv.account).
    decoder: Decoder | None = None

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

    def sleeps(self, start: int, end: int) -> int:
        """How many slots of [start, end) it slept through."""
        spans = ((max(start, since), min(end, until)) for since, until in self.nights)
        return sum(count_slots(since, until, self.bound.every) for since, until in spans if since < until)

    def forget_after(self, ms: int) -> None:
        """The clock says it is `ms`: what an earlier clock placed later than that, ahead of the rest, is surplus."""
        self.coverage.forget_after(ms)
        self.seen = {slot: seen for slot, seen in self.seen.items() if self.coverage.covers(slot)}
        self.nights = [(since, until) for since, until in self.nights if self.coverage.covers(since)]

    def walk(self, end: int) -> Walk:
        """The readings up to the period's `end`, followed from where the registers stood."""
        bounds = self.limits or limits(None, self.bound.settings, self.bound.every)
        walk = Walk(bounds, self.closing, changes=self.changes, confirmed=self.confirmed)
        after = self.closing.slot if self.closing else -1
        for slot in sorted(slot for slot in self.seen if after < slot <= end):
            if mark := _mark(slot, self.seen[slot]):
                walk.see(mark)
        walk.finish(end, ended=not self.passed_on(end))
        return walk

    def use(self, start: int, end: int) -> tuple[Usage, Walk]:
        """The usage of the period [start, end), uncorrected, in native counts, and how it came about."""
        walk = self.walk(end)
        opened, closed, read = walk.opened, walk.base, self.reads(start, end)
        carried = closed is not None and closed.slot != end and self.passed_on(end)
        holds = {reason: since for reason, since in (walk.holds | self.holds).items() if since < end}
        registers = _registers(walk, self.limits)
        usage = Usage(
            meter=self.bound.meter,
            config=self.config,
            start=start,
            end=end,
            expected=self.expects(start, end),
            read=read,
            gap=self.expects(start, end) - read,
            opened=opened.slot if opened else None,
            closed=closed.slot if closed else None,
            registers=registers,
            flags=tuple(self._flags(start, end, walk, registers, carried=carried)),
            lost=walk.lost,
            holds=holds,
            suspect=walk.suspect,
            stood=_stood(closed) if closed and carried else None,
            ratio=str(closed.ratio) if closed and closed.ratio is not None else None,
            asleep=self.sleeps(start, end),
        )
        return usage, walk

    def _flags(
        self, start: int, end: int, walk: Walk, registers: dict[str, UsedRegister], *, carried: bool
    ) -> Iterable[str]:
        """What is special about a usage, in the order of docs/wire.md."""
        opened, closed, verdicts = walk.opened, walk.base, {decision.verdict for decision in walk.decisions}
        found = {
            "first": self.closing is None,
            "carried": carried,
            "ended": self.end is not None and self.end <= end,
            "backward": any(r.used.startswith("-") for r in registers.values()),
            "rewind": walk.backward,
            "glitch": "glitch" in verdicts,
            "rollover": "rollover" in verdicts,
            "reset": "reset" in verdicts,
            "jump": walk.suspect is not None or "held" in verdicts,
            "held": self.held(start, end) or bool(walk.holds),
            "straddle": opened is not None and closed is not None and opened.slot < start and closed.slot > opened.slot,
            "lost": bool(walk.lost),
        }
        return [flag for flag, holds in found.items() if holds]

    def held(self, start: int, end: int) -> bool:
        """Whether some of [start, end) waits for a person."""
        standing = any(since < end for since in self.holds.values())
        return standing or any(since < end and until > start for since, until in self.lifted)

    def hold(self, reason: str, since: int) -> None:
        self.holds.setdefault(reason, since)

    def lift(self, reason: str, at: int) -> None:
        """Somebody who may do so lets it count again from `at` on."""
        if reason in self.holds:
            self.lifted.append((self.holds.pop(reason), at))

    def passed_on(self, end: int) -> bool:
        """Whether a reading at slot `end` was owed: not when the chain ended before it."""
        return self.end is None or self.end > end

    def close(self, end: int, walk: Walk | None = None) -> None:
        """Make the last believed reading up to `end` the next opening and forget what is behind it.

        `walk`: that of `use`, where the period was settled just now.
        """
        if self.start >= end:
            return  # not part of the period: its first reading is still its opening
        walk = walk or self.walk(end)
        self.closing = walk.base or self.closing
        self.holds = walk.holds | self.holds
        self._forget(end, walk.suspect)

    def recall(self, usages: Iterable[Usage], end: int) -> None:
        """Stand where a sealed usage says this meter stood at `end`, when an already judged log is replayed."""
        suspect = None
        for usage in usages:
            if usage.meter == self.bound.meter and usage.config == self.config:
                self.closing, suspect = self._recalled(usage) or self.closing, usage.suspect
                later = {reason: since for reason, since in self.holds.items() if since >= usage.end}
                self.holds = later | usage.holds
        self.coverage.skip_to(first_slot(end, self.bound.every))
        self._forget(end, suspect)

    def _forget(self, end: int, suspect: int | None) -> None:
        """Keep what the next period needs: its own readings, and those nobody has decided about."""
        since = end if suspect is None else min(end, suspect)
        self.seen = {slot: seen for slot, seen in self.seen.items() if slot >= since}
        self.lifted = [(since, until) for since, until in self.lifted if until > end]
        self.nights = [(since, until) for since, until in self.nights if until > end]
        stands = self.closing.slot if self.closing else 0
        self.changes = [change for change in self.changes if change >= stands]

    def _recalled(self, usage: Usage) -> Mark | None:
        if usage.closed is None:
            return None
        registers = {obis: used.closing for obis, used in usage.registers.items()}
        seen, stood = self.seen.get(usage.closed), usage.stood
        ratio = Fraction(usage.ratio) if usage.ratio else None
        if stood is not None:
            return Mark(usage.closed, registers, stood.boot, stood.boottime, stood.clock, ratio)
        if seen is None:
            return Mark(usage.closed, registers, ratio=ratio)
        return Mark(usage.closed, registers, seen.boot, seen.boottime, seen.clock, ratio)


def energy(used: UsedRegister, factor: Fraction) -> Fraction:
    """What a register's difference is in its unit: `factor` is the site's constant, used where no ratio was read."""
    if not used.by:
        return Fraction(number.parse(used.used)) * factor
    return sum((Fraction(number.parse(part)) * Fraction(ratio) for ratio, part in used.by.items()), Fraction(0))


def _mark(slot: int, seen: Seen) -> Mark | None:
    if seen.registers is None:
        return None
    return Mark(slot, seen.registers, seen.boot, seen.boottime, seen.clock, seen.ratio)


def _stood(mark: Mark) -> Stood:
    return Stood(boot=mark.boot, boottime=mark.boottime, clock=mark.clock)


def _registers(walk: Walk, bounds: Limits | None) -> dict[str, UsedRegister]:
    """Opening, closing and what was used of every register both show, spelled with the decimals of the register."""
    if walk.opened is None or walk.base is None:
        return {}
    opening, closing = walk.opened.registers, walk.base.registers
    return {
        obis: _register(walk, obis, opening[obis], closing[obis], bounds)
        for obis in sorted(opening.keys() & closing.keys())
    }


def _register(walk: Walk, obis: str, before: str, after: str, bounds: Limits | None) -> UsedRegister:
    decimals = max(len(text.partition(".")[2]) for text in (before, after))
    parts = {ratio: used.get(obis, 0) for ratio, used in walk.used.items()}
    jumped, by = walk.jumped.get(obis, 0), {str(ratio): part for ratio, part in parts.items() if ratio is not None}
    finest = 10 ** (DECIMALS - decimals)
    step = bounds.resolution(obis, nano(after)) if bounds else finest
    return UsedRegister(
        opening=before,
        closing=after,
        used=_spelled(sum(parts.values()), decimals),
        jumped=_spelled(jumped, decimals) if jumped else None,
        by={ratio: _spelled(part, decimals) for ratio, part in by.items()},
        resolution=_shortest(step) if step > finest else None,
    )


def _spelled(amount: int, decimals: int) -> str:
    return number.spell(number.rounded(Fraction(amount, NANO), decimals), decimals)


def _shortest(amount: int) -> str:
    """An amount with no more decimals than it needs."""
    decimals = next(d for d in range(DECIMALS + 1) if amount % 10 ** (DECIMALS - d) == 0)
    return _spelled(amount, decimals)
