"""Whether a plan gives its methodologies what they need: every symbol once, where it belongs, in a fitting unit."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from mrv.errors import BadInput
from mrv.methodology import supply, units
from mrv.methodology.catalogue import Methodology, Quantity
from mrv.strict import Complaint, Path

if TYPE_CHECKING:
    from mrv.plan import ExAnte, Project, Terms


def misfits(project: Project, methodology: Methodology) -> Iterator[Complaint]:
    """What is wrong with `project` by `methodology`, with the place below the project."""
    yield from _place((), "project", project.ex_ante, project.monitored, methodology)
    for number, item in enumerate(project.items):
        yield from _place(("items", number), "item", item.ex_ante, item.monitored, methodology)
    yield from supply.misfits(project, methodology)


def _place(
    path: Path, per: str, ex_ante: Mapping[str, ExAnte], monitored: Mapping[str, Terms], methodology: Methodology
) -> Iterator[Complaint]:
    """One place that gives values: the project itself, or one item."""
    for symbol, given in ex_ante.items():
        here = (*path, "ex_ante", symbol)
        if symbol not in methodology.of("ex_ante", per):
            yield _stranger(here, symbol, "ex_ante", per, methodology)
        else:
            yield from _value(here, symbol, given, methodology.symbols[symbol])
    for symbol, terms in monitored.items():
        here = (*path, "monitored", symbol)
        if symbol not in methodology.of("monitored", per):
            yield _stranger(here, symbol, "monitored", per, methodology)
        else:
            yield from _registers(here, symbol, terms, methodology.symbols[symbol])
    for kind, given_here in (("ex_ante", ex_ante), ("monitored", monitored)):
        for symbol in methodology.of(kind, per):
            # What is chosen by the supply, and what it is chosen from, is asked for there.
            by_supply = symbol in methodology.candidates or methodology.symbols[symbol].supply is not None
            if symbol not in given_here and not by_supply:
                quantity = methodology.symbols[symbol]
                params = {"symbol": symbol, "unit": quantity.unit, "description": quantity.description}
                yield ((*path, kind), "plan.symbol_missing", params)


def _stranger(path: Path, symbol: str, kind: str, per: str, methodology: Methodology) -> Complaint:
    known = methodology.symbols.get(symbol)
    if known is not None and known.kind in ("ex_ante", "monitored"):
        params = {"symbol": symbol, "kind": known.kind, "per": known.per}
        return (path, "plan.symbol_misplaced", params)
    allowed = methodology.of(kind, per)
    near = difflib.get_close_matches(symbol, allowed, n=1)
    named = {"symbol": symbol, "methodology": methodology.name, "allowed": ", ".join(near or allowed) or "none"}
    return (path, "plan.symbol_unknown", named)


def _value(path: Path, symbol: str, given: ExAnte, quantity: Quantity) -> Iterator[Complaint]:
    found, wanted = units.unit(given.unit), units.unit(quantity.unit)
    if found.dimension != wanted.dimension:
        yield (
            (*path, "unit"),
            "plan.unit_dimension",
            {"symbol": symbol, "found": given.unit, "expected": quantity.unit},
        )
    elif quantity.range is not None:
        value = units.convert(given.value, found, wanted)
        if not quantity.range.least <= value <= quantity.range.most:
            bounds = f"{quantity.range.least} to {quantity.range.most} {quantity.unit}"
            params = {"symbol": symbol, "found": f"{given.value} {given.unit}", "expected": bounds}
            yield ((*path, "value"), "plan.value_implausible", params)


def _registers(path: Path, symbol: str, terms: Terms, quantity: Quantity) -> Iterator[Complaint]:
    if terms.estimate is not None and units.unit(terms.estimate.unit).dimension != quantity.dimension:
        wrong = {"symbol": symbol, "found": terms.estimate.unit, "expected": quantity.unit}
        yield ((*path, "estimate", "unit"), "plan.unit_dimension", wrong)
    for side, listed in (("plus", terms.plus), ("minus", terms.minus)):
        for number, term in enumerate(listed):
            try:
                fits = units.unit(term.measurand.unit).dimension == quantity.dimension
            except BadInput:  # kvarh and the like: nothing is converted to or from them
                fits = False
            if not fits:
                params = {"symbol": symbol, "register": term.register, "unit": term.measurand.unit}
                yield ((*path, side, number, "register"), "plan.register_unit", params | {"expected": quantity.unit})
