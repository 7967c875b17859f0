"""What is credited from: sealed usages with the binding they were metered under, plans, papers. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from mrv import number
from mrv.binding import BoundMeter
from mrv.leaf import MeterEvent, Usage, UsedRegister
from mrv.measurand import Measurand
from mrv.methodology.catalogue import Methodology
from mrv.plan.versions import ApprovedPlan
from mrv.records import AnyRecord

_OBIS = {measurand.name.lower(): measurand.obis for measurand in Measurand}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One usage leaf of an admitted summary.

    `digest` is the SHA-256 of the leaf, `bound` the meter in the binding of the config the usage names, `decisions` the
    `meter` leaves before it that say what steps of its counters were taken for (mrv.events).
    """

    usage: Usage
    bound: BoundMeter
    digest: str
    decisions: tuple[MeterEvent, ...] = ()

    @property
    def identity(self) -> tuple[str, str]:
        """Which instrument it was, as far as the binding knows."""
        return self.bound.meter, self.bound.serial or ""

    def energy(self, register: str) -> Fraction | None:
        """The difference of `register` (a measurand's name) in its unit, scaled by the ratio; None: not metered."""
        used = self._used(register)
        if used is None:
            return None
        if used.by:  # parts by the ratio that was read with them: the one source of the ratio
            parts = (Fraction(number.parse(part)) * Fraction(ratio) for ratio, part in used.by.items())
            return sum(parts, Fraction(0))
        counts = Fraction(number.parse(used.used))
        return counts * self.bound.settings.factor if self.bound.settings.ratio else counts

    def stands(self, register: str) -> tuple[Fraction, Fraction] | None:
        """Opening and closing of `register` in native counts; None: not metered."""
        used = self._used(register)
        return (Fraction(number.parse(used.opening)), Fraction(number.parse(used.closing))) if used else None

    def _used(self, register: str) -> UsedRegister | None:
        return self.usage.registers.get(_OBIS.get(register, ""))


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
