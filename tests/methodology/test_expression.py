"""Equation text is read as arithmetic and as nothing else, whatever somebody writes into it."""

from __future__ import annotations

import contextlib
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv.errors import BadInput
from mrv.methodology.emissions import evaluate
from mrv.methodology.expression import (
    MAX_DEPTH,
    Choice,
    Number,
    Operation,
    Symbol,
    Total,
    divisors,
    parse,
    symbols,
)

ITEMS = ("a", "b", "c")
VALUES = {
    ("EG", "a"): Fraction(3),
    ("EG", "b"): Fraction(1, 7),
    ("EG", "c"): Fraction(-2),
    ("EF", ""): Fraction(333, 1000),
    ("COP", ""): Fraction(5),
}


def value(right: str) -> Fraction:
    return evaluate(parse(f"X = {right}").body, VALUES, ITEMS)


def codes(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        parse(text)
    return [fault.code for fault in caught.value.faults]


@pytest.mark.parametrize(
    ("right", "expected"),
    [
        ("0.1 + 0.2", Fraction(3, 10)),
        ("1 / 3 * 3", Fraction(1)),
        ("-EF", Fraction(-333, 1000)),
        ("2 - 3 - 4", Fraction(-5)),
        ("2 - (3 - 4)", Fraction(3)),
        ("12 / 3 / 2", Fraction(2)),
        ("min(EF, COP, 1)", Fraction(333, 1000)),
        ("max(EF, -1)", Fraction(333, 1000)),
        ("sum_i(EG[i])", Fraction(8, 7)),
        ("sum_i(EG[i] * EF)", Fraction(8, 7) * Fraction(333, 1000)),
        ("sum_i(1)", Fraction(3)),
        ("sum_i(max(EG[i], 0)) / COP", Fraction(22, 35)),
        ("123456789012345678901234567.9 + 0.1", Fraction(123456789012345678901234568)),
    ],
)
def test_arithmetic_is_exact(right: str, expected: Fraction) -> None:
    assert value(right) == expected


def test_the_tree_is_plain() -> None:
    equation = parse("RE_p = sum_i(EG[i] * EF_RE[i])")
    assert (equation.name, equation.text) == ("RE_p", "RE_p = sum_i(EG[i] * EF_RE[i])")
    assert equation.body == Total(Operation("*", Symbol("EG", indexed=True), Symbol("EF_RE", indexed=True)))
    choice = parse("EF = min(EF_grid, -0.50)").body
    assert choice == Choice("min", (Symbol("EF_grid"), Operation("-", Number("0"), Number("0.50"))))


def test_a_symbol_may_be_computed_for_every_item() -> None:
    equation = parse("EF[i] = min(EF_grid, EF_captive[i])")
    assert (equation.name, equation.indexed) == ("EF", True)
    assert equation.body == Choice("min", (Symbol("EF_grid"), Symbol("EF_captive", indexed=True)))
    assert codes("EF[i] = sum_i(EG[i])") == ["plan.equation_forbidden"], "a sum over the items is of the project"


def test_symbols_and_divisors_of_a_tree() -> None:
    body = parse("X = sum_i(A[i] / B[i]) + max(C / 2, D) * A").body
    assert [s.name for s in symbols(body)] == ["A", "B", "C", "D", "A"]
    assert list(divisors(body)) == [Symbol("B", indexed=True), Number("2")]


@pytest.mark.parametrize(
    "right",
    [
        "__import__('os').system('true')",
        "EG.real",
        "EG.__class__.__mro__",
        "().__class__",
        "open(1)",
        "sum(EG)",
        "sum_j(EG)",
        "sum_i(EG[i], 1)",
        "sum_i(sum_i(EG[i]))",
        "sum_i()",
        "EG[i]",
        "EG[0]",
        "EG[j]",
        "sum_i(EG[i][i])",
        "sum_i(EG[-1])",
        "min(EF)",
        "min(*EF)",
        "max(EF, key=EF)",
        "2 ** 3",
        "9**9**9**9",
        "7 // 2",
        "7 % 2",
        "1 < 2",
        "+1",
        "~1",
        "not EF",
        "EF if EF else EF",
        "EF and EF",
        "lambda: 1",
        "(EF, EF)",
        "[EF]",
        "{}",
        "EF := 1",
        "'text'",
        "b'x'",
        "f'{EF}'",
        "1e400",
        "1j",
        "0x10",
        "1_000",
        "1.",
        ".5",
        "True",
        "None",
        "1" * 31,
        "007",
        "ef",
        "_EF",
        "EF_",
        "É",
        "EF # comment",
        "EF; EF",
        "EF\nEF",
        "EF\x00",
        "",
        "await EF",
        "*EF",
        "EF EF",
        "1if EF else 2",
        "(" * 500,
        "-" * 1900 + "1",
        "+".join(["1"] * 900),
        "9" * 5000,
    ],
)
def test_everything_else_is_bad_input(right: str) -> None:
    found = codes(f"X = {right}")
    assert len(found) == 1
    assert found[0].startswith("plan.equation_")


@pytest.mark.parametrize(
    "text", ["", "=", "X", "X + 1", "= 1", "x = 1", "X.y = 1", "X[j] = 1", "X[i][i] = 1", "X == 1", "1 = X", "X, Y = 1"]
)
def test_what_is_not_an_equation_is_bad_input(text: str) -> None:
    assert codes(text) == ["plan.equation_syntax"]


def test_depth_is_bounded_exactly() -> None:
    deepest = "-" * (MAX_DEPTH - 1) + "1"
    assert value(deepest) == (-1) ** (MAX_DEPTH - 1)
    assert codes(f"X = -{deepest}") == ["plan.equation_too_deep"]
    assert codes("X = " + "1" * 2000) == ["plan.equation_too_long"]


def test_a_division_by_zero_is_left_to_the_caller() -> None:
    with pytest.raises(ZeroDivisionError):
        value("1 / (COP - 5)")


FRAGMENTS = (
    'EG[i] EF COP sum_i( min( max( ) ( [ ] i + - * / ** , . 0 1 2.5 __ __class__ import lambda eval( " { } : @ é'
)
PIECES = [*FRAGMENTS.split(), "'", "\\"]


@given(
    st.one_of(
        st.text(max_size=300), st.lists(st.sampled_from([*PIECES, " ", "\n", "9" * 40]), max_size=40).map("".join)
    )
)
def test_hostile_text_gives_a_number_or_bad_input(right: str) -> None:
    try:
        body = parse(f"X = {right}").body
    except BadInput:
        return
    known = all(s.name in {"EG", "EF", "COP"} and s.indexed == (s.name == "EG") for s in symbols(body))
    if known and not list(divisors(body)):
        assert isinstance(evaluate(body, VALUES, ITEMS), Fraction)


@given(st.text(max_size=100))
def test_any_text_is_an_equation_or_bad_input(text: str) -> None:
    with contextlib.suppress(BadInput):
        assert parse(text).text == text


def infix(children: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(children, st.sampled_from("+-*/"), children)
    choice = st.tuples(st.sampled_from(["min", "max"]), children, children)
    return st.one_of(pair.map(lambda p: f"({p[0]} {p[1]} {p[2]})"), choice.map(lambda c: f"{c[0]}({c[1]}, {c[2]})"))


numbers = st.decimals(0, 1000, allow_nan=False, places=3).map(lambda d: f"{d:f}")


@given(st.recursive(st.one_of(numbers, st.sampled_from(["EF", "COP"])), infix, max_leaves=12))
def test_the_same_as_python_with_fractions(right: str) -> None:
    """An oracle that shares no code with ours: Python itself, with every literal made a Fraction."""
    names: dict[str, Any] = {"EF": VALUES["EF", ""], "COP": VALUES["COP", ""], "F": Fraction, "min": min, "max": max}
    spelled = "".join(f"F('{part}')" if part[0].isdigit() else part for part in _tokens(right))
    try:
        expected = eval(spelled, {"__builtins__": {}}, names)
    except ZeroDivisionError:
        with pytest.raises(ZeroDivisionError):
            value(right)
        return
    assert value(right) == expected


def _tokens(text: str) -> list[str]:
    spaced = text
    for sign in "()+-*/,":
        spaced = spaced.replace(sign, f" {sign} ")
    return spaced.split()
