"""Numbers are exact and have one spelling.

Register values are `Decimal`, formulas run on `Fraction`, floats never appear outside mrv.register. On the wire a
number is a string: optional minus, digits, and a fixed count of decimals; no exponent, no plus, no "-0"
(docs/adr/0003-numbers-and-rounding.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

_SPELLING = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")

#: Decimal places of an emission in kg CO2 equivalent: one milligram.
EMISSION_DECIMALS = 6


def spell(value: Decimal, decimals: int) -> str:
    """The one spelling of `value` with `decimals` places. Raises ValueError if digits would be lost."""
    if not value.is_finite():
        raise ValueError(f"{value} is not a number that can be written down")
    text = f"{value:.{decimals}f}"
    spelled = Decimal(text)  # comparing Decimals is exact, whatever the context
    if spelled != value:
        raise ValueError(f"{value} has more than {decimals} decimals")
    return text[1:] if text.startswith("-") and not spelled else text


def parse(text: str) -> Decimal:
    """The value of a spelling. Raises ValueError for anything `spell` would not have written."""
    if not _SPELLING.fullmatch(text) or (text.startswith("-") and not Fraction(text)):
        raise ValueError(f"{text!r} is not the one spelling of a number")
    return Decimal(text)


def rounded(value: Fraction, decimals: int) -> Decimal:
    """`value` rounded half to even, once, to `decimals` places; exact for any size (no decimal context involved)."""
    whole, rest = divmod(value.numerator * 10**decimals, value.denominator)
    if 2 * rest > value.denominator or (2 * rest == value.denominator and whole % 2):
        whole += 1
    return Decimal(f"{whole}E-{decimals}")


def to_decimals(value: Decimal, decimals: int) -> Decimal:
    """A register value rounded half to even to `decimals` places: a float32's exact value at the meter's resolution."""
    return rounded(Fraction(value), decimals)


def exact_difference(after: str, before: str) -> Decimal:
    """`after` minus `before`, both spellings; exact for any size (no decimal context involved)."""
    decimals = max(len(text.partition(".")[2]) for text in (after, before))
    return rounded(Fraction(parse(after)) - Fraction(parse(before)), decimals)


def total(values: Iterable[Fraction]) -> Fraction:
    """The exact sum of very many fractions of few denominators (registers have few decimals)."""
    sums: dict[int, int] = {}
    for value in values:
        sums[value.denominator] = sums.get(value.denominator, 0) + value.numerator
    return sum((Fraction(above, below) for below, above in sums.items()), Fraction(0))


def in_bounds(value: Decimal) -> bool:
    """Whether a number a person wrote is one: finite, at most 30 digits written out, at most 15 of them decimals.

    Anything longer is a slip or an attack (1e999999999 is six bytes long and a gigabyte as a Fraction).
    """
    if not value.is_finite():
        return False
    exponent = value.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -15 and len(value.as_tuple().digits) + max(exponent, 0) <= 30
