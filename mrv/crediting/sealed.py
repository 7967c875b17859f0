"""What is credited from: sealed usages with the binding they were metered under, plans, papers. Pure values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Protocol

from mrv import number
from mrv.binding import BoundMeter
from mrv.leaf import MeterEvent, Usage, UsedRegister
from mrv.measurand import Measurand
from mrv.methodology.catalogue import Methodology
from mrv.plan.versions import ApprovedPlan
from mrv.records import AnyRecord
from mrv.redecode import Again

_OBIS = {measurand.name.lower(): measurand.obis for measurand in Measurand}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One usage leaf of an admitted summary.

    `digest` is the SHA-256 of the leaf, `bound` the meter in the binding of the config the usage names, `decisions` the
    `meter` leaves before it that say what steps of its counters were taken for (mrv.events). Where it was decoded
    `again`, `usage` and `decisions` are what that gave, if it gave any, and `leaf` is what was sealed.
    """

    usage: Usage
    bound: BoundMeter
    digest: str
    decisions: tuple[MeterEvent, ...] = ()
    again: Again | None = None
    leaf: Usage | None = None

    @property
    def identity(self) -> tuple[str, str]:
        """Which instrument it was, as far as the binding knows."""
        return self.bound.meter, self.bound.serial or ""

    def energy(self, register: str) -> Fraction | None:
        """The difference of `register` (a measurand's name) in its unit, scaled by the ratio; None: not metered."""
        return None if self.untold(register) else self._energy(self.usage, register)

    def as_sealed(self, register: str) -> Fraction | None:
        """As `energy`, by the leaf alone."""
        return self._energy(self.leaf or self.usage, register)

    def untold(self, register: str) -> bool:
        """Whether `register` was sealed, was to be decoded again, and its raw words do not say what it should be."""
        if self.again is None or self.leaf is None or _OBIS.get(register, "") not in self.leaf.registers:
            return False
        used, usage = self._used(register), self.again.usage
        if used is None or usage is None or not _adds_up(used):
            return True
        # None of its readings could be decoded: the registers stand where they stood before.
        still = usage.opened == usage.closed and self.leaf.opened != self.leaf.closed
        return still and usage.suspect is None and not self.decisions

    def _energy(self, usage: Usage, register: str) -> Fraction | None:
        used = usage.registers.get(_OBIS.get(register, ""))
        if used is None:
            return None
        if used.by:  # parts by the ratio that was read with them: the one source of the ratio
            parts = (Fraction(number.parse(part)) * Fraction(ratio) for ratio, part in used.by.items())
            return sum(parts, Fraction(0))
        counts = Fraction(number.parse(used.used))
        return counts * self.bound.settings.factor if self.bound.settings.ratio else counts

    def stands(self, register: str) -> tuple[Fraction, Fraction] | None:
        """Opening and closing of `register` in native counts; None: not metered."""
        used = None if self.untold(register) else self._used(register)
        return (Fraction(number.parse(used.opening)), Fraction(number.parse(used.closing))) if used else None

    def _used(self, register: str) -> UsedRegister | None:
        return self.usage.registers.get(_OBIS.get(register, ""))


def redecoded(sealed: Iterable[Sealed], found: Mapping[str, Again]) -> tuple[Sealed, ...]:
    """`sealed` with what decoding again made of them, by digest (mrv.redecode)."""
    return tuple(_redecoded(one, found[one.digest]) if one.digest in found else one for one in sealed)


def _redecoded(one: Sealed, again: Again) -> Sealed:
    if again.usage is None:
        return replace(one, again=again, leaf=one.usage)
    return replace(one, usage=again.usage, decisions=again.decisions, again=again, leaf=one.usage)


def _adds_up(used: UsedRegister) -> bool:
    """Whether every step between opening and closing is in it: not where a reading in between lacked the register."""
    texts = (used.opening, used.closing, used.used, used.jumped or "0")
    opening, closing, moved, jumped = (Fraction(number.parse(text)) for text in texts)
    return closing - opening == moved + jumped


class Paper(Protocol):
    """An office record that holds, with the digest that names it."""

    @property
    def record(self) -> AnyRecord: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything one project is credited from, for the report of [start, end) (UTC ms).

    `sealed` are the usages of admitted summaries that overlap it, each once, `papers` the records that hold,
    `methodologies` by name as the office knows them, `verified` the digests of those that a named person compared
    with the approved text.
    """

    project: str
    start: int
    end: int
    plans: tuple[ApprovedPlan, ...]
    sealed: tuple[Sealed, ...]
    papers: tuple[Paper, ...] = ()
    methodologies: Mapping[str, Methodology]
    verified: frozenset[str] = frozenset()
