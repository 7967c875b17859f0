"""Which way an emission reduction moves when one input moves: its slope, exactly, at a value or over a whole box.

Reverse differentiation of the equation trees in interval arithmetic on Fractions. With intervals of no width it gives
the slope at the monitored values; with an error box it bounds the slope anywhere in the box, which says whether one
end of an input's interval is certainly the lower one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction

from mrv.methodology.expression import Choice, Equation, Node, Number, Operation, Symbol, Total

Key = tuple[str, str]
Interval = tuple[Fraction, Fraction]
ZERO, ONE = Fraction(0), Fraction(1)


class Undetermined(ArithmeticError):
    """The box contains a division by zero: nothing can be said about slopes in it."""


@dataclass(slots=True)
class _Tape:
    """Every value computed, and for each the inputs it was made of with the bounds of its partial derivatives."""

    values: list[Interval] = field(default_factory=list)
    parts: list[Sequence[tuple[int, Interval]]] = field(default_factory=list)

    def put(self, value: Interval, parts: Sequence[tuple[int, Interval]] = ()) -> int:
        self.values.append(value)
        self.parts.append(parts)
        return len(self.values) - 1

    def backwards(self, result: int) -> list[Interval]:
        """Bounds of d(result)/d(each)."""
        slopes = [(ZERO, ZERO)] * len(self.values)
        slopes[result] = (ONE, ONE)
        for number in range(result, -1, -1):
            if slopes[number] != (ZERO, ZERO):
                for part, partial in self.parts[number]:
                    slopes[part] = _plus(slopes[part], _times(slopes[number], partial))
        return slopes


def slopes(
    equations: Iterable[Equation], box: Mapping[Key, Interval], items: tuple[str, ...], result: str = "ER_p"
) -> dict[Key, Interval]:
    """Bounds of d(result)/dx over `box` for every x in it. Raises Undetermined, KeyError for a symbol without value."""
    tape = _Tape()
    nodes = {key: tape.put(interval) for key, interval in box.items()}
    for equation in equations:
        for item in items if equation.indexed else ("",):
            if (equation.name, item) not in box:
                nodes[equation.name, item] = _node(equation.body, nodes, items, item, tape)
    found = tape.backwards(nodes[result, ""])
    return {key: found[nodes[key]] for key in box}


def _node(node: Node, nodes: Mapping[Key, int], items: tuple[str, ...], item: str, tape: _Tape) -> int:
    match node:
        case Number():
            return tape.put((node.value, node.value))
        case Symbol(name=name, indexed=indexed):
            return nodes[name, item if indexed else ""]
        case Total(term=term):
            terms = [_node(term, nodes, items, each, tape) for each in items]
            bounds = [tape.values[term] for term in terms]
            total = sum((low for low, _ in bounds), ZERO), sum((high for _, high in bounds), ZERO)
            return tape.put(total, [(term, (ONE, ONE)) for term in terms])
        case Choice(function=function, arguments=arguments):
            return _choice(function, [_node(one, nodes, items, item, tape) for one in arguments], tape)
        case Operation(operator=operator, left=left, right=right):
            first, second = _node(left, nodes, items, item, tape), _node(right, nodes, items, item, tape)
            return _operation(operator, first, second, tape)


def _choice(function: str, found: list[int], tape: _Tape) -> int:
    """The chosen one carries the slope; one that is chosen only somewhere in the box carries up to all of it."""
    bounds = [tape.values[number] for number in found]
    if function == "max":
        bounds = [(-high, -low) for low, high in bounds]
    least = min(high for _, high in bounds)
    possible = [number for number, (low, _) in zip(found, bounds, strict=True) if low <= least]
    low, high = min(low for low, _ in bounds), least
    whole = (ONE, ONE) if len(set(possible)) == 1 else (ZERO, ONE)
    return tape.put(
        (low, high) if function == "min" else (-high, -low), [(one, whole) for one in dict.fromkeys(possible)]
    )


def _operation(operator: str, left: int, right: int, tape: _Tape) -> int:
    a, b = tape.values[left], tape.values[right]
    match operator:
        case "+":
            return tape.put(_plus(a, b), [(left, (ONE, ONE)), (right, (ONE, ONE))])
        case "-":
            return tape.put(_plus(a, _minus(b)), [(left, (ONE, ONE)), (right, (-ONE, -ONE))])
        case "*":
            return tape.put(_times(a, b), [(left, b), (right, a)])
        case _:
            if b[0] <= 0 <= b[1]:
                raise Undetermined
            inverse = (1 / b[1], 1 / b[0])
            squared = _times(inverse, inverse)
            return tape.put(_times(a, inverse), [(left, inverse), (right, _minus(_times(a, squared)))])


def _plus(a: Interval, b: Interval) -> Interval:
    return a[0] + b[0], a[1] + b[1]


def _minus(a: Interval) -> Interval:
    return -a[1], -a[0]


def _times(a: Interval, b: Interval) -> Interval:
    found = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    return min(found), max(found)
