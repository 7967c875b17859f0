"""Which emission factor counts, by what feeds the site: the plan's declared supply, as an equation.

Grid alone: the factor of the grid. Generators alone: theirs. Both: the lower of the two, whichever that is: a table
that names the generators' factor the conservative one was written for another country's grid.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from mrv.methodology import expression
from mrv.methodology.catalogue import Methodology, Supply
from mrv.methodology.expression import Equation
from mrv.strict import Complaint, Path

if TYPE_CHECKING:
    from mrv.plan import Item, Project


def chosen(project: Project, methodology: Methodology) -> tuple[Equation, ...]:
    """The equations that give the factors which `project` leaves to its supply, in the order of the symbols."""
    return tuple(
        expression.parse(_text(name, quantity.supply, project, methodology))
        for name, quantity in methodology.symbols.items()
        if quantity.supply is not None and any(name not in place.ex_ante for _, place in _places(project, quantity.per))
    )


def equations(project: Project, methodology: Methodology) -> tuple[Equation, ...]:
    """Everything that is computed for `project`, in order."""
    return (*chosen(project, methodology), *methodology.parsed)


def _text(name: str, supply: Supply, project: Project, methodology: Methodology) -> str:
    sources = [_indexed(getattr(supply, kind), methodology) for kind in project.supply]
    body = f"min({', '.join(sources)})" if len(sources) > 1 else sources[0]
    return f"{_indexed(name, methodology)} = {body}"


def _indexed(name: str, methodology: Methodology) -> str:
    return f"{name}[{expression.ITEM}]" if methodology.symbols[name].per == "item" else name


def _places(project: Project, per: str) -> Iterator[tuple[Path, Project | Item]]:
    """Where values per item or per project are given."""
    if per == "project":
        yield (), project
    else:
        yield from ((("items", number), item) for number, item in enumerate(project.items))


def misfits(project: Project, methodology: Methodology) -> Iterator[Complaint]:
    """Factors copied where the supply is mixed, given for a supply nobody declared, or missing."""
    said: set[tuple[Path, str]] = set()
    for name, quantity in methodology.symbols.items():
        for path, place in _places(project, quantity.per) if quantity.supply else ():
            if name in place.ex_ante:
                if len(project.supply) > 1 or methodology.candidates.keys() & place.ex_ante.keys():
                    yield ((*path, "ex_ante", name), "plan.factor_copied", {"symbol": name} | _spoken(quantity.supply))
                continue
            for below, symbol in _wanting(name, quantity.supply, project, methodology, path, place):
                if (below, symbol) not in said:
                    said.add((below, symbol))
                    known = methodology.symbols[symbol]
                    params = {"symbol": symbol, "unit": known.unit, "description": known.description}
                    yield ((*below, "ex_ante"), "plan.symbol_missing", params)
    for symbol, kind in methodology.candidates.items():
        for path, place in _places(project, methodology.symbols[symbol].per):
            if symbol in place.ex_ante and kind not in project.supply:
                yield ((*path, "ex_ante", symbol), "plan.supply_undeclared", {"symbol": symbol, "kind": kind})


def _wanting(
    name: str, supply: Supply | None, project: Project, methodology: Methodology, path: Path, place: Project | Item
) -> Iterator[tuple[Path, str]]:
    """Where which symbol should be given: the factor itself where one supply feeds the site and nothing is there."""
    for kind in project.supply if supply else ():
        symbol: str = getattr(supply, kind)
        below, holder = ((), project) if methodology.symbols[symbol].per == "project" else (path, place)
        if symbol not in holder.ex_ante:
            yield (path, name) if len(project.supply) == 1 else (below, symbol)


def _spoken(supply: Supply | None) -> dict[str, str]:
    return {"grid": supply.grid, "captive": supply.captive} if supply else {}
