"""Equation text -> a plain tree; nothing else a methodology file says is ever executed.

The text is parsed by Python's own parser and only a handful of node kinds pass: numbers, symbols, `X[i]`,
`+ - * /`, `min()`, `max()` and `sum_i()`. The tree is what every use of an equation walks: it is evaluated, checked
for dimensions, printed, and can be written as a spreadsheet formula.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from mrv.errors import BadInput, fault

MAX_TEXT = 2000
MAX_DEPTH = 40
MAX_DIGITS = 30
#: The one index: the items (units, plants, machines) of a project.
ITEM = "i"

Operator = Literal["+", "-", "*", "/"]
_OPERATORS: dict[type[ast.operator], Operator] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}
_SYMBOL = re.compile(r"[A-Z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")
_NUMBER = re.compile(r"[0-9]+(\.[0-9]+)?")
_ALPHABET = re.compile(r"[A-Za-z0-9_ .+\-*/(),\[\]]*")
# `2if` or `0xfor` would make Python's tokenizer warn before its parser refuses.
_GLUED = re.compile(r"(?<![A-Za-z0-9_])[0-9][0-9.]*[A-Za-z_]")


@dataclass(frozen=True, slots=True)
class Number:
    """A literal, exact: `text` is how the methodology wrote it."""

    text: str

    @property
    def value(self) -> Fraction:
        return Fraction(self.text)


@dataclass(frozen=True, slots=True)
class Symbol:
    """A quantity; `indexed` when it is taken per item, as in `EG[i]`."""

    name: str
    indexed: bool = False


@dataclass(frozen=True, slots=True)
class Operation:
    """Two operands; a leading minus is `0 - x`."""

    operator: Operator
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Choice:
    """The least or the greatest of its arguments."""

    function: Literal["min", "max"]
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Total:
    """`sum_i(term)`: the sum over all items of the project."""

    term: Node


Node = Number | Symbol | Operation | Choice | Total


@dataclass(frozen=True, slots=True)
class Equation:
    """`name = body`, and the text it was written as; `indexed` when it is `name[i] = body`, one value per item."""

    name: str
    body: Node
    text: str
    indexed: bool = False


@lru_cache(maxsize=1024)
def parse(text: str) -> Equation:
    """The equation `text` says. Raises BadInput (plan.equation_...) and nothing else, whatever the text."""
    name, equals, right = text.partition("=")
    indexed = name.strip().endswith(f"[{ITEM}]")
    name, right = name.strip().removesuffix(f"[{ITEM}]"), right.strip()
    if len(text) > MAX_TEXT:
        raise BadInput(fault("plan.equation_too_long", limit=MAX_TEXT))
    if not equals or not _SYMBOL.fullmatch(name):
        raise _syntax(text, "expected `NAME = expression` or `NAME[i] = expression`")
    if not _ALPHABET.fullmatch(right) or _GLUED.search(right):
        raise _syntax(text, "only names, numbers, + - * / ( ) [ ] and commas are known here")
    try:
        tree = ast.parse(right, mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _syntax(text, str(error).partition("(<")[0].strip() or type(error).__name__) from error
    return Equation(name, _Reader(right).node(tree.body, MAX_DEPTH, inside=indexed), text, indexed)


def symbols(node: Node) -> Iterator[Symbol]:
    """Every symbol of a tree, in the order written."""
    match node:
        case Symbol():
            yield node
        case Operation(left=left, right=right):
            yield from symbols(left)
            yield from symbols(right)
        case Choice(arguments=arguments):
            for argument in arguments:
                yield from symbols(argument)
        case Total(term=term):
            yield from symbols(term)


def divisors(node: Node) -> Iterator[Node]:
    """Everything a tree divides by."""
    match node:
        case Operation(operator=operator, left=left, right=right):
            if operator == "/":
                yield right
            yield from divisors(left)
            yield from divisors(right)
        case Choice(arguments=arguments):
            for argument in arguments:
                yield from divisors(argument)
        case Total(term=term):
            yield from divisors(term)


class _Reader:
    """Python's tree of one expression -> ours; `inside` says whether `sum_i(` encloses the node."""

    def __init__(self, text: str) -> None:
        self.text = text

    def node(self, found: ast.expr, depth: int, *, inside: bool) -> Node:
        if depth == 0:
            raise BadInput(fault("plan.equation_too_deep", limit=MAX_DEPTH))
        match found:
            case ast.Constant():
                return self._number(found)
            case ast.Name(id=name) if _SYMBOL.fullmatch(name):
                return Symbol(name)
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Name(id="i")) if inside and _SYMBOL.fullmatch(name):
                return Symbol(name, indexed=True)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return Operation("-", Number("0"), self.node(operand, depth - 1, inside=inside))
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
                first = self.node(left, depth - 1, inside=inside)
                return Operation(_OPERATORS[type(op)], first, self.node(right, depth - 1, inside=inside))
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._call(found, name, arguments, depth - 1, inside=inside)
        raise self._forbidden(found)

    def _call(self, found: ast.expr, name: str, arguments: list[ast.expr], depth: int, *, inside: bool) -> Node:
        if name == f"sum_{ITEM}" and len(arguments) == 1 and not inside:
            return Total(self.node(arguments[0], depth, inside=True))
        if name in ("min", "max") and len(arguments) >= 2:
            function: Literal["min", "max"] = "min" if name == "min" else "max"
            return Choice(function, tuple(self.node(a, depth, inside=inside) for a in arguments))
        raise self._forbidden(found)

    def _number(self, found: ast.Constant) -> Number:
        # Taken from the text: Python has already made a float of it.
        written = self._written(found)
        if not _NUMBER.fullmatch(written) or len(written) > MAX_DIGITS:
            raise self._forbidden(found)
        return Number(written)

    def _written(self, found: ast.expr) -> str:
        return self.text[found.col_offset : found.end_col_offset]

    def _forbidden(self, found: ast.expr) -> BadInput:
        return BadInput(fault("plan.equation_forbidden", part=self._written(found)[:80]))


def _syntax(text: str, problem: str) -> BadInput:
    return BadInput(fault("plan.equation_syntax", equation=text[:80], problem=problem))
