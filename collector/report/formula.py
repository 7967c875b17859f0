"""An equation tree -> the text of a spreadsheet formula, in the units people read.

The tree computes in coherent units (mrv.methodology.units); the cells hold MWh and tonnes. A factor is written only
where two sides differ, so that `sum_i(EG[i] * EF_RE[i])` comes out as the product of two cells and not as a page of
thousands. Zero fits any unit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction

from mrv.methodology.expression import Choice, Node, Number, Operation, Symbol, Total

_SUM, _PRODUCT, _ATOM = 1, 2, 3


@dataclass(frozen=True, slots=True)
class Written:
    """A formula's text, how tightly it binds, and how many coherent units make one of what it gives (None: any)."""

    text: str
    binding: int
    factor: Fraction | None

    def bound(self, least: int) -> str:
        return self.text if self.binding >= least else f"({self.text})"

    def scaled(self, factor: Fraction | None) -> Written:
        """The same quantity in units of `factor` coherent ones."""
        if factor is None or self.factor is None or factor == self.factor:
            return self
        ratio = self.factor / factor
        return Written(f"{self.bound(_PRODUCT)}{times(ratio)}", _PRODUCT, factor)


#: Where a symbol stands, or the cells of a total's terms: the reference and its factor.
Look = Callable[[Symbol], tuple[str, Fraction]]
Sums = Callable[[Total], tuple[str, Fraction | None]]


def write(node: Node, look: Look, sums: Sums) -> Written:
    """The formula of `node`. `look` finds a symbol's cell, `sums` the range whose sum a total is."""
    match node:
        case Number(text=text):
            return Written(text, _ATOM, Fraction(1) if node.value else None)
        case Symbol():
            return Written(*_atom(look(node)))
        case Total():
            cells, factor = sums(node)
            return Written(f"SUM({cells})", _ATOM, factor)
        case Choice(function=function, arguments=arguments):
            made = [write(argument, look, sums) for argument in arguments]
            factor = next((one.factor for one in made if one.factor is not None), None)
            texts = ",".join(one.scaled(factor).text for one in made)
            return Written(f"{function.upper()}({texts})", _ATOM, factor)
        case Operation(operator=operator, left=left, right=right):
            return _operation(operator, write(left, look, sums), write(right, look, sums))


def times(ratio: Fraction) -> str:
    """`*2`, `/1000`, `*10/36` or nothing: a conversion behind a cell."""
    above = f"*{ratio.numerator}" if ratio.numerator != 1 else ""
    return above + (f"/{ratio.denominator}" if ratio.denominator != 1 else "")


def _atom(found: tuple[str, Fraction]) -> tuple[str, int, Fraction]:
    return found[0], _ATOM, found[1]


def _operation(operator: str, left: Written, right: Written) -> Written:
    if operator in "+-":
        factor = left.factor if left.factor is not None else right.factor
        right = right.scaled(factor)
        if operator == "-" and left.text == "0":
            return Written(f"-{right.bound(_PRODUCT)}", _SUM, factor)
        return Written(f"{left.text}{operator}{right.bound(_SUM if operator == '+' else _PRODUCT)}", _SUM, factor)
    ours, theirs = left.factor or Fraction(1), right.factor or Fraction(1)
    product = ours * theirs if operator == "*" else ours / theirs
    factor = None if left.factor is None else product
    tight = right.bound(_PRODUCT if operator == "*" else _ATOM)
    return Written(f"{left.bound(_PRODUCT)}{operator}{tight}", _PRODUCT, factor)


def shown(node: Node) -> str:
    """The node as the methodology spells it, for a label."""
    return write(node, lambda symbol: (_spelled(symbol), Fraction(1)), lambda _total: ("...", Fraction(1))).text


def _spelled(symbol: Symbol) -> str:
    return f"{symbol.name}[i]" if symbol.indexed else symbol.name


def totals(node: Node) -> Iterator[Total]:
    """Every total of a tree, in the order written."""
    match node:
        case Total():
            yield node
        case Operation(left=left, right=right):
            yield from totals(left)
            yield from totals(right)
        case Choice(arguments=arguments):
            for argument in arguments:
                yield from totals(argument)
