"""What is credited from: sealed usages with the binding they were metered under, plans, papers. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from mrv import number
from mrv.binding import BoundMeter
from mrv.leaf import Usage
from mrv.measurand import BY_OBIS
from mrv.methodology.catalogue import Methodology
from mrv.plan.versions import ApprovedPlan
from mrv.records import AnyRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One usage leaf of an admitted summary.

    `digest` is the SHA-256 of the leaf, `bound` the meter in the binding of the config the usage names.
    """

    usage: Usage
    bound: BoundMeter
    digest: str

    @property
    def identity(self) -> tuple[str, str]:
        """Which instrument it was, as far as the binding knows."""
        return self.bound.meter, self.bound.serial or ""

    def energy(self, register: str) -> Fraction | None:
        """The difference of `register` (a measurand's name) in its unit, scaled by the ratio; None: not metered."""
        for obis, used in self.usage.registers.items():
            if obis in BY_OBIS and BY_OBIS[obis].name.lower() == register:
                by: Mapping[str, str] = getattr(used, "by", {})  # parts by the ratio that was read with them
                parts = [Fraction(number.parse(part)) * Fraction(ratio) for ratio, part in by.items()]
                return sum(parts, Fraction(0)) if by else Fraction(number.parse(used.used)) * self.bound.settings.factor
        return None

    def stands(self, register: str) -> tuple[Fraction, Fraction] | None:
        """Opening and closing of `register` in native counts; None: not metered."""
        for obis, used in self.usage.registers.items():
            if obis in BY_OBIS and BY_OBIS[obis].name.lower() == register:
                return Fraction(number.parse(used.opening)), Fraction(number.parse(used.closing))
        return None


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
