"""Metered energy and a project's fixed values -> emissions, exactly.

Everything is a Fraction in coherent units (kWh, kg CO2 equivalent); nothing is rounded here, nothing is clamped and
nothing that is missing becomes zero.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from mrv.errors import fault, raise_all
from mrv.measurand import Measurand
from mrv.methodology import fit, supply, units
from mrv.methodology.catalogue import Methodology
from mrv.methodology.expression import Choice, Equation, Node, Number, Operation, Symbol, Total
from mrv.plan.parameters import ExAnte, Terms
from mrv.plan.project import Project

#: Used energy per point and measurand, in the measurand's unit, scaled by the ratio; an absent key is missing.
Energy = Mapping[tuple[str, Measurand], Fraction]
#: Values in coherent units by symbol and item; the item is empty for what is per project.
Values = dict[tuple[str, str], Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emissions:
    """Emissions of one project in kg CO2 equivalent, unrounded; all None when anything is missing.

    `missing` names what was not measured as `<point>:<register>`, what the office knows from papers as
    `<item>:<symbol>`, and a result that cannot be computed (a division
    by a measured zero) by its symbol.
    """

    reference: Fraction | None = None
    project: Fraction | None = None
    reduction: Fraction | None = None
    missing: tuple[str, ...] = ()


class Undefined(ArithmeticError):
    """A computed symbol has no value: its equation divides by a measured zero."""


class Model:
    """`methodology` as `project` uses it: what is the same in every period is worked out once."""

    def __init__(self, methodology: Methodology, project: Project) -> None:
        """Raises BadInput when `project` does not fit `methodology` (mrv.methodology.fit)."""
        misfits = fit.misfits(project, methodology)
        raise_all(fault(code, f"project {project.id}", **params) for _, code, params in misfits)
        self._methodology, self._project = methodology, project
        self._items = tuple(item.id for item in project.items)
        self._fixed = fixed(project)
        self._equations = tuple(supply.equations(project, methodology))

    @property
    def status(self) -> str:
        """How far the methodology may be believed (mrv.methodology.catalogue)."""
        return self._methodology.status

    def emissions(self, energy: Energy, hours: Fraction) -> Emissions:
        """What the project emitted and avoided while it used `energy` in `hours` of the calendar."""
        missing = tuple(sorted(set(_missing(self._project, energy))))
        if missing:
            return Emissions(missing=missing)
        metered = _metered(self._project, energy)
        values = self._fixed | calendar(self._methodology, self._items, hours) | metered
        try:
            values = solve(self._equations, values, self._items)
        except Undefined as error:
            return Emissions(missing=(str(error),))
        return Emissions(
            reference=values["RE_p", ""], project=values["PE_p", ""], reduction=values["ER_p", ""], missing=()
        )


def solve(equations: Iterable[Equation], given: Values, items: tuple[str, ...]) -> Values:
    """`given` and every computed symbol, in coherent units.

    A symbol that `given` holds already for an item is not computed for it. Raises Undefined naming the symbol.
    """
    values = dict(given)
    for equation in equations:
        for item in items if equation.indexed else ("",):
            try:
                if (equation.name, item) not in given:
                    values[equation.name, item] = evaluate(equation.body, values, items, item)
            except ZeroDivisionError as error:
                raise Undefined(equation.name) from error
    return values


def calendar(methodology: Methodology, items: tuple[str, ...], hours: Fraction) -> Values:
    """The hours of the calendar for each symbol that asks for them."""
    found = {(name, ""): hours for name in methodology.of("calendar", "project")}
    return found | {(name, item): hours for name in methodology.of("calendar", "item") for item in items}


def evaluate(node: Node, values: Values, items: tuple[str, ...], item: str = "") -> Fraction:
    """The value of `node` in coherent units; `item` is the one that an enclosing sum stands at.

    Raises ZeroDivisionError; KeyError for a symbol without a value.
    """
    match node:
        case Number():
            return node.value
        case Symbol(name=name, indexed=indexed):
            return values[name, item if indexed else ""]
        case Total(term=term):
            return sum((evaluate(term, values, items, each) for each in items), Fraction(0))
        case Choice(function=function, arguments=arguments):
            found = [evaluate(argument, values, items, item) for argument in arguments]
            return min(found) if function == "min" else max(found)
        case Operation(operator=operator, left=left, right=right):
            return _operation(operator, evaluate(left, values, items, item), evaluate(right, values, items, item))


def _operation(operator: str, left: Fraction, right: Fraction) -> Fraction:
    match operator:
        case "+":
            return left + right
        case "-":
            return left - right
        case "*":
            return left * right
        case _:
            return left / right


def _missing(project: Project, energy: Energy) -> Iterator[str]:
    for _, symbol, item, terms in project.parameters():
        if terms.manual or terms.chosen != "C":
            yield f"{item or project.id}:{symbol}"
        for term in (*terms.plus, *terms.minus):
            if (term.point, term.measurand) not in energy:
                yield f"{term.point}:{term.register}"


def fixed(project: Project) -> Values:
    """The ex-ante values of `project` in coherent units."""
    places: list[tuple[str, Mapping[str, ExAnte]]] = [("", project.ex_ante)]
    places += [(item.id, item.ex_ante) for item in project.items]
    return {
        (symbol, item): Fraction(given.value) * units.unit(given.unit).factor
        for item, values in places
        for symbol, given in values.items()
    }


def _metered(project: Project, energy: Energy) -> Values:
    return {(symbol, item): _used(terms, energy) for _, symbol, item, terms in project.parameters()}


def _used(terms: Terms, energy: Energy) -> Fraction:
    """Import minus export (or the reverse), in coherent units: signed, a PV plant at night is negative."""
    signed = [(1, term) for term in terms.plus] + [(-1, term) for term in terms.minus]
    return sum((s * energy[t.point, t.measurand] * units.unit(t.measurand.unit).factor for s, t in signed), Fraction(0))
