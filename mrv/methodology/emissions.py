"""Metered energy and a project's fixed values -> emissions, exactly.

Everything is a Fraction in coherent units (kWh, kg CO2 equivalent); nothing is rounded here, nothing is clamped and
nothing that is missing becomes zero.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from mrv.errors import fault, raise_all
from mrv.measurand import Measurand
from mrv.methodology import fit, units
from mrv.methodology.catalogue import Methodology
from mrv.methodology.expression import Choice, Node, Number, Operation, Symbol, Total
from mrv.plan import ExAnte, Project, Terms

#: Used energy per point and measurand, in the measurand's unit, scaled by the ratio; an absent key is missing.
Energy = Mapping[tuple[str, Measurand], Fraction]
#: Values in coherent units by symbol and item; the item is empty for what is per project.
Values = dict[tuple[str, str], Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Emissions:
    """Emissions of one project in kg CO2 equivalent, unrounded; all None when anything is missing.

    `missing` names what was not measured as `<point>:<register>`, and a result that cannot be computed (a division
    by a measured zero) by its symbol.
    """

    reference: Fraction | None = None
    project: Fraction | None = None
    reduction: Fraction | None = None
    missing: tuple[str, ...] = ()


def emissions(methodology: Methodology, project: Project, energy: Energy) -> Emissions:
    """What `project` emitted and avoided while it used `energy`.

    Raises BadInput when `project` does not fit `methodology` (mrv.methodology.fit).
    """
    misfits = fit.misfits(project, methodology)
    raise_all(fault(code, f"project {project.id}", **params) for _, code, params in misfits)
    missing = tuple(sorted(set(_missing(project, energy))))
    if missing:
        return Emissions(missing=missing)
    values = _values(project, energy)
    items = tuple(item.id for item in project.items)
    for equation in methodology.parsed:
        try:
            values[equation.name, ""] = evaluate(equation.body, values, items)
        except ZeroDivisionError:
            return Emissions(missing=(equation.name,))
    return Emissions(reference=values["RE_p", ""], project=values["PE_p", ""], reduction=values["ER_p", ""], missing=())


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
    for _, terms in _monitored(project):
        for term in (*terms.plus, *terms.minus):
            if (term.point, term.measurand) not in energy:
                yield f"{term.point}:{term.register}"


def _monitored(project: Project) -> Iterator[tuple[tuple[str, str], Terms]]:
    yield from (((symbol, ""), terms) for symbol, terms in project.monitored.items())
    for item in project.items:
        yield from (((symbol, item.id), terms) for symbol, terms in item.monitored.items())


def _fixed(project: Project) -> Iterator[tuple[tuple[str, str], ExAnte]]:
    yield from (((symbol, ""), given) for symbol, given in project.ex_ante.items())
    for item in project.items:
        yield from (((symbol, item.id), given) for symbol, given in item.ex_ante.items())


def _values(project: Project, energy: Energy) -> Values:
    values = {key: Fraction(given.value) * units.unit(given.unit).factor for key, given in _fixed(project)}
    return values | {key: _used(terms, energy) for key, terms in _monitored(project)}


def _used(terms: Terms, energy: Energy) -> Fraction:
    """Import minus export (or the reverse), in coherent units: signed, a PV plant at night is negative."""
    signed = [(1, term) for term in terms.plus] + [(-1, term) for term in terms.minus]
    return sum((s * energy[t.point, t.measurand] * units.unit(t.measurand.unit).factor for s, t in signed), Fraction(0))
