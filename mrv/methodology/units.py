"""Units and their dimensions, so that kWh under an MWh heading is impossible rather than unlikely.

Every unit is an exact factor to coherent ones (kWh, h, kg CO2, kg, m3). Arithmetic happens in coherent units only,
so an equation never carries a conversion factor: writing `3.6` for GJ per MWh would convert twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache

from mrv.errors import BadInput, fault

BASES = ("energy", "time", "co2", "mass", "volume")
#: Exponents of BASES. Cooling and heat are energy; a ratio of energies has no dimension.
Dimension = tuple[int, int, int, int, int]
NONE: Dimension = (0, 0, 0, 0, 0)

_MAX_TEXT = 64
_SHAPE = re.compile(r"[A-Za-z0-9%]+(\*[A-Za-z0-9%]+)*(/[A-Za-z0-9%]+(\*[A-Za-z0-9%]+)*)?")


@dataclass(frozen=True, slots=True)
class Unit:
    """`factor` coherent units make one of this unit."""

    factor: Fraction
    dimension: Dimension


def _atoms() -> dict[str, Unit]:
    energy, time, co2 = (1, 0, 0, 0, 0), (0, 1, 0, 0, 0), (0, 0, 1, 0, 0)
    mass, volume, power = (0, 0, 0, 1, 0), (0, 0, 0, 0, 1), (1, -1, 0, 0, 0)
    table: dict[str, tuple[Dimension, dict[str, Fraction]]] = {
        "none": (NONE, {"1": Fraction(1), "%": Fraction(1, 100)}),
        "energy": (
            energy,
            {"Wh": Fraction(1, 1000), "kWh": Fraction(1), "MWh": Fraction(1000), "GWh": Fraction(10**6)}
            | {"J": Fraction(1, 3600000), "kJ": Fraction(1, 3600), "MJ": Fraction(10, 36)}
            | {"GJ": Fraction(10000, 36), "TJ": Fraction(10**7, 36)},
        ),
        "power": (power, {"W": Fraction(1, 1000), "kW": Fraction(1), "MW": Fraction(1000)}),
        "time": (time, {"s": Fraction(1, 3600), "min": Fraction(1, 60), "h": Fraction(1), "d": Fraction(24)}),
        "co2": (
            co2,
            {"gCO2": Fraction(1, 1000), "kgCO2": Fraction(1), "tCO2": Fraction(1000)}
            | {"gCO2e": Fraction(1, 1000), "kgCO2e": Fraction(1), "tCO2e": Fraction(1000)},
        ),
        "mass": (mass, {"kg": Fraction(1), "t": Fraction(1000)}),
        "volume": (volume, {"l": Fraction(1, 1000), "m3": Fraction(1)}),
    }
    return {name: Unit(factor, kind) for kind, names in table.values() for name, factor in names.items()}


_ATOMS = _atoms()


@lru_cache(maxsize=1024)
def unit(text: str) -> Unit:
    """The unit spelled `text`: names from a closed list, joined by `*`, with at most one `/`, such as tCO2/MWh.

    Raises BadInput (plan.unit_unknown).
    """
    if len(text) > _MAX_TEXT or not _SHAPE.fullmatch(text):
        raise BadInput(fault("plan.unit_unknown", unit=text, known=", ".join(_ATOMS)))
    above, _, below = text.partition("/")
    factor, dimension = Fraction(1), NONE
    for sign, names in ((1, above.split("*")), (-1, below.split("*") if below else [])):
        for name in names:
            if name not in _ATOMS:
                raise BadInput(fault("plan.unit_unknown", unit=text, known=", ".join(_ATOMS)))
            factor *= _ATOMS[name].factor ** sign
            dimension = times(dimension, _ATOMS[name].dimension, sign)
    return Unit(factor, dimension)


def convert(value: Decimal, given: Unit, wanted: Unit) -> Fraction:
    """`value` in `wanted`; both units must have the same dimension."""
    return Fraction(value) * given.factor / wanted.factor


def times(left: Dimension, right: Dimension, sign: int = 1) -> Dimension:
    """The dimension of a product, or with sign -1 of a quotient."""
    a, b, c, d, e = (x + sign * y for x, y in zip(left, right, strict=True))
    return (a, b, c, d, e)


def spoken(dimension: Dimension) -> str:
    """A dimension in words: `co2/energy`, `1` for none."""
    above = [_power(name, n) for name, n in zip(BASES, dimension, strict=True) if n > 0]
    below = [_power(name, -n) for name, n in zip(BASES, dimension, strict=True) if n < 0]
    return "*".join(above or ["1"]) + ("/" + "*".join(below) if below else "")


def _power(name: str, exponent: int) -> str:
    return name if exponent == 1 else f"{name}^{exponent}"
