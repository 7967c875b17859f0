"""The dimension of an equation, found at load time: what does not add up is refused before any meter is read."""

from __future__ import annotations

from collections.abc import Mapping

from mrv.errors import BadInput, fault
from mrv.methodology import units
from mrv.methodology.expression import Choice, Node, Number, Operation, Symbol, Total
from mrv.methodology.units import Dimension


def dimension(node: Node, known: Mapping[str, Dimension]) -> Dimension | None:
    """The dimension of `node`; None for a plain 0, which fits any.

    Raises BadInput (plan.equation_dimension) where unlike things are added or compared; KeyError for a symbol that
    is not in `known`.
    """
    match node:
        case Number():
            return units.NONE if node.value else None
        case Symbol(name=name):
            return known[name]
        case Total(term=term):
            return dimension(term, known)
        case Choice(arguments=arguments):
            return _alike([dimension(argument, known) for argument in arguments])
        case Operation(operator=operator, left=left, right=right):
            return _operation(operator, dimension(left, known), dimension(right, known))


def _operation(operator: str, left: Dimension | None, right: Dimension | None) -> Dimension | None:
    if operator in "+-":
        return _alike([left, right])
    if left is None:
        return None
    if right is None:
        if operator == "/":
            raise BadInput(fault("plan.equation_divides_by_zero"))
        return None
    return units.times(left, right, 1 if operator == "*" else -1)


def _alike(found: list[Dimension | None]) -> Dimension | None:
    kinds = sorted({kind for kind in found if kind is not None})
    if len(kinds) > 1:
        raise BadInput(fault("plan.equation_dimension", dimensions=" / ".join(map(units.spoken, kinds))))
    return kinds[0] if kinds else None
