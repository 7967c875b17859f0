"""What is credited from: sealed usages with the binding they were metered under. Pure values; nothing is read here."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from mrv import number
from mrv.binding import BoundMeter
from mrv.leaf import Usage
from mrv.measurand import BY_OBIS


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """One usage leaf of an admitted summary.

    `digest` is the SHA-256 of the leaf, `bound` the meter in the binding of the config the usage names.
    """

    usage: Usage
    bound: BoundMeter
    digest: str

    def energy(self, register: str) -> Fraction | None:
        """The difference of `register` (a measurand's name) in its unit, scaled by the ratio; None: not metered."""
        for obis, used in self.usage.registers.items():
            if obis in BY_OBIS and BY_OBIS[obis].name.lower() == register:
                return Fraction(number.parse(used.used)) * self.bound.settings.factor
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approved:
    """One version of a site's plan as the office approved it. Order of equal `from` dates: the later approval holds."""

    digest: str
    at: int
    body: bytes


__all__ = ["Approved", "Sealed"]
