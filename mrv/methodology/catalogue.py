"""Methodologies: which quantities, which equations, from which source. Data, one YAML file each beside this module.

Until a named person has compared a file with the approved text it is `provisional`, and whatever is computed with it
says so. A methodology holds no emission factor and no other value:
those come from the plan of a project, each with its provenance.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Annotated, Literal

import msgspec

from mrv import strict
from mrv.errors import BadInput, fault
from mrv.methodology import expression, units
from mrv.methodology.dimension import dimension
from mrv.methodology.expression import Equation, Node, Symbol
from mrv.number import in_bounds
from mrv.strict import Complaint

#: Reference emissions, project emissions, emission reduction: what every methodology must define.
RESULTS = ("RE_p", "PE_p", "ER_p")
SYMBOL = "^[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+)*$"
Name = Annotated[str, msgspec.Meta(pattern=SYMBOL, max_length=32, examples=["EF_RE"])]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class Source(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Where a statement of the file was read, when, and what it supports."""

    what: Text
    url: Text
    read: date


class Range(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What an ex-ante value can be at all, both ends included, in the symbol's unit: a guard against unit slips."""

    least: Decimal
    most: Decimal

    def check(self) -> Iterator[Complaint]:
        for name, value in (("least", self.least), ("most", self.most)):
            if not in_bounds(value):
                yield ((name,), "plan.number_too_long", {"found": value})
                return
        if self.least > self.most:
            yield ((), "plan.range_empty", {"least": self.least, "most": self.most})


class Supply(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """An emission factor by what feeds the site: the symbol for the grid, the one for captive generators.

    Where both feed it the lower of the two counts: a function of what the plan declares, never a copied constant.
    """

    grid: Name
    captive: Name


class Quantity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A symbol: monitored, fixed ex ante in the plan, computed by an equation, or the hours of the calendar.

    Per item or per project. `supply` lets a plan give the two factors it is chosen from in its place.
    """

    kind: Literal["monitored", "ex_ante", "computed", "calendar"]
    per: Literal["item", "project"]
    unit: str
    description: Text
    range: Range | None = None
    supply: Supply | None = None

    def check(self) -> Iterator[Complaint]:
        try:
            units.unit(self.unit)
        except BadInput as error:
            yield from strict.passed_on(("unit",), error)
        if (self.range is not None) != (self.kind == "ex_ante"):
            yield ((), "plan.range_only_ex_ante", {"kind": self.kind})
        if self.supply is not None and self.kind != "ex_ante":
            yield (("supply",), "plan.supply_of_what", {"kind": self.kind})
        if self.kind == "calendar" and self.unit != "h":
            yield (("unit",), "plan.calendar_in_hours", {"found": self.unit})

    @property
    def dimension(self) -> units.Dimension:
        return units.unit(self.unit).dimension


class Methodology(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One version of one methodology. Its digest is that of `mrv.leaf.canonical(methodology)`."""

    id: Annotated[str, msgspec.Meta(pattern="^[A-Z][A-Z0-9_]{1,30}$", examples=["VN_AM007"])]
    version: Annotated[str, msgspec.Meta(pattern="^[0-9]{2}[.][0-9]$", examples=["01.0"])]
    title: Text
    #: `verified` comes with the record of who compared the file with the approved text.
    status: Literal["provisional"]
    sources: Annotated[tuple[Source, ...], msgspec.Meta(min_length=1)]
    notes: tuple[Text, ...] = ()
    symbols: dict[Name, Quantity]
    #: Each `NAME = expression`, in the order they are computed; RE_p, PE_p and ER_p among them.
    equations: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1, max_length=40)]

    @property
    def name(self) -> str:
        """How plans, config leaves and summaries name it, spelled as in JCM spreadsheets: VN_AM007_ver01.0."""
        return f"{self.id}_ver{self.version}"

    @property
    def parsed(self) -> tuple[Equation, ...]:
        """The equations as trees. Raises BadInput only for a methodology that never went through `check`."""
        return tuple(expression.parse(text) for text in self.equations)

    def of(self, kind: str, per: str) -> tuple[str, ...]:
        """The symbols of one kind and place."""
        return tuple(name for name, q in self.symbols.items() if (q.kind, q.per) == (kind, per))

    @property
    def candidates(self) -> dict[str, str]:
        """Symbols that some `supply` is chosen from, and what they stand for there (`grid`, `captive`)."""
        chosen = [quantity.supply for quantity in self.symbols.values() if quantity.supply is not None]
        return {name: kind for one in chosen for kind, name in (("grid", one.grid), ("captive", one.captive))}

    def check(self) -> Iterator[Complaint]:
        yield from _supplies(self)
        known: dict[str, Quantity] = {n: q for n, q in self.symbols.items() if q.kind != "computed"}
        for number, text in enumerate(self.equations):
            try:
                equation = expression.parse(text)
                complaints = tuple(_equation_faults(equation, known, self.symbols))
            except BadInput as error:
                complaints = tuple(strict.passed_on((), error))
            yield from ((("equations", number, *path), code, params) for path, code, params in complaints)
            if complaints:
                return
            known[equation.name] = self.symbols[equation.name]
        yield from _leftovers(self, known)


def _equation_faults(
    equation: Equation, known: Mapping[str, Quantity], declared: Mapping[str, Quantity]
) -> Iterator[Complaint]:
    """What is wrong with one equation, given the symbols that already have a value when it is computed."""
    target = declared.get(equation.name)
    if target is None or target.kind != "computed" or equation.name in known:
        yield ((), "plan.equation_defines", {"symbol": equation.name})
        return
    if equation.indexed != (target.per == "item"):
        yield ((), "plan.equation_index", {"symbol": equation.name, "per": target.per})
        return
    strange = [*_strangers(equation.body, known)]
    yield from strange
    if strange:
        return
    yield from _unsafe_divisors(equation.body, known)
    found = dimension(equation.body, {name: q.dimension for name, q in known.items()})
    if found is not None and found != target.dimension:
        expected, got = units.spoken(target.dimension), units.spoken(found)
        yield ((), "plan.equation_result", {"symbol": equation.name, "expected": expected, "found": got})


def _strangers(body: Node, known: Mapping[str, Quantity]) -> Iterator[Complaint]:
    for symbol in expression.symbols(body):
        if symbol.name not in known:
            yield ((), "plan.equation_symbol", {"symbol": symbol.name, "known": ", ".join(known)})
        elif symbol.indexed != (known[symbol.name].per == "item"):
            yield ((), "plan.equation_index", {"symbol": symbol.name, "per": known[symbol.name].per})


def _unsafe_divisors(body: Node, known: Mapping[str, Quantity]) -> Iterator[Complaint]:
    for divisor in expression.divisors(body):
        if isinstance(divisor, Symbol):
            allowed = known[divisor.name].range
            if allowed is not None and allowed.least <= 0:
                yield ((), "plan.divisor_may_be_zero", {"symbol": divisor.name})


def _supplies(methodology: Methodology) -> Iterator[Complaint]:
    """What a factor is chosen from: ex-ante symbols of its own dimension, per project or wherever it is itself."""
    for name, quantity in methodology.symbols.items():
        for kind, given in (
            (("grid", quantity.supply.grid), ("captive", quantity.supply.captive)) if quantity.supply else ()
        ):
            source = methodology.symbols.get(given)
            fits = source is not None and source.kind == "ex_ante" and source.supply is None
            if (
                source is None
                or not fits
                or source.dimension != quantity.dimension
                or source.per not in {quantity.per, "project"}
            ):
                yield (("symbols", name, "supply", kind), "plan.supply_from", {"symbol": given, "unit": quantity.unit})


def _leftovers(methodology: Methodology, known: Mapping[str, Quantity]) -> Iterator[Complaint]:
    """Results that no equation defines or that are not emissions, and symbols that no equation uses."""
    for name in RESULTS:
        found = known.get(name)
        if found is None or (found.dimension, found.per) != (units.unit("tCO2").dimension, "project"):
            yield (("symbols",), "plan.result_missing", {"symbol": name})
    used = {symbol.name for equation in methodology.parsed for symbol in expression.symbols(equation.body)}
    for name in methodology.symbols:
        if name not in used | set(RESULTS) | methodology.candidates.keys():
            yield (("symbols", name), "plan.symbol_unused", {"symbol": name})


def load(text: str, source: str) -> Methodology:
    """A methodology from YAML. Raises BadInput with every fault found."""
    return strict.decode(text, Methodology, source).value


@cache
def library() -> dict[str, Methodology]:
    """Every methodology this version knows, by name, in the order of their names."""
    paths = [path for path in files(__package__).iterdir() if path.name.endswith(".yaml")]
    return by_name(load(path.read_text("utf-8"), path.name) for path in paths)


def by_name(methodologies: Iterable[Methodology]) -> dict[str, Methodology]:
    """Methodologies by name, in the order of their names."""
    return dict(sorted((m.name, m) for m in methodologies))


def among(known: Mapping[str, Methodology]) -> Callable[[str], Methodology]:
    """`find` among `known`."""

    def found(name: str) -> Methodology:
        if name not in known:
            raise BadInput(fault("plan.methodology_unknown", methodology=name, known=", ".join(known)))
        return known[name]

    return found


def find(name: str) -> Methodology:
    """The methodology called `name`, such as VN_AM007_ver01.0. Raises BadInput (plan.methodology_unknown)."""
    return among(library())(name)
