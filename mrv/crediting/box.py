"""The lowest emission reduction over an error box, with one value for each measured quantity.

A list of "reference side down, project side up" gets this wrong: a meter that feeds both sides has one true value. So
each quantity is moved as a whole. Where the slope has one sign over the whole box its end is known; the few quantities
where it has not are tried at all their corners.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from itertools import product

from mrv.crediting.slope import Interval
from mrv.errors import BadInput, fault

#: More undecided quantities than this (4,096 corners) are refused instead of guessed.
MOST = 12


def lowest_corner(
    errors: Mapping[str, Fraction],
    slopes: Mapping[str, Interval] | None,
    reduction: Callable[[Mapping[str, Fraction]], Fraction],
) -> dict[str, Fraction]:
    """For each quantity in `errors` (how far it may be off, each above 0) the shift that gives the lowest reduction.

    `slopes` bounds d(reduction)/d(quantity) over the box, None where nothing is known. Of equal corners the first in
    the order of `errors` with the downward shift wins. Raises BadInput (credit.box_too_large).
    """
    known = slopes or {}
    certain = {n: -e if known[n][0] >= 0 else e for n, e in errors.items() if _decided(known, n)}
    open_ones = [name for name in errors if name not in certain]
    if len(open_ones) > MOST:
        raise BadInput(fault("credit.box_too_large", count=len(open_ones), most=MOST))
    corners = (
        certain | dict(zip(open_ones, shifts, strict=True))
        for shifts in product(*((-errors[name], errors[name]) for name in open_ones))
    )
    found = min(corners, key=reduction)
    return {name: found[name] for name in errors}


def _decided(slopes: Mapping[str, Interval], name: str) -> bool:
    return name in slopes and (slopes[name][0] >= 0 or slopes[name][1] <= 0)
