"""Equations as spreadsheet formulas: readable, in the units of the cells, and equal to the tree they were made from."""

from __future__ import annotations

import re
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.report.formula import shown, totals, write
from mrv.methodology.emissions import evaluate
from mrv.methodology.expression import Choice, Node, Number, Operation, Symbol, Total, parse

MWH, TONNE_PER_MWH, KWH = Fraction(1000), Fraction(1), Fraction(1)


def written(text: str, factors: dict[str, Fraction] | None = None) -> tuple[str, Fraction | None]:
    known = factors or {}
    made = write(
        parse(f"X = {text}").body,
        lambda symbol: (symbol.name, known.get(symbol.name, Fraction(1))),
        lambda total: ("D1:D9", Fraction(1000)),
    )
    return made.text, made.factor


@pytest.mark.parametrize(
    ("text", "formula"),
    [
        ("A + B * C", "A+B*C"),
        ("(A + B) * C", "(A+B)*C"),
        ("A - (B - C)", "A-(B-C)"),
        ("A - B - C", "A-B-C"),
        ("A / (B / C)", "A/(B/C)"),
        ("A / B / C", "A/B/C"),
        ("A / (B * C)", "A/(B*C)"),
        ("A * (B / C)", "A*B/C"),
        ("-A", "-A"),
        ("-(A + B)", "-(A+B)"),
        ("A * -B", "A*(-B)"),
        ("min(A, B + C)", "MIN(A,B+C)"),
        ("max(A, 0) * B", "MAX(A,0)*B"),
        ("sum_i(A * B)", "SUM(D1:D9)"),
        ("A * 24", "A*24"),
    ],
)
def test_a_formula_has_the_parentheses_it_needs_and_no_more(text: str, formula: str) -> None:
    assert written(text)[0] == formula


def test_a_factor_is_written_only_where_two_sides_differ() -> None:
    assert written("EG * EF", {"EG": MWH, "EF": TONNE_PER_MWH}) == ("EG*EF", MWH)
    assert written("A + B", {"A": MWH, "B": MWH}) == ("A+B", MWH)
    assert written("A + B", {"A": MWH, "B": KWH}) == ("A+B/1000", MWH)
    assert written("A - (B + C)", {"A": KWH, "B": MWH, "C": MWH}) == ("A-(B+C)*1000", KWH)
    assert written("min(A, B)", {"A": MWH, "B": KWH}) == ("MIN(A,B/1000)", MWH)
    assert written("0 - A", {"A": MWH}) == ("-A", MWH)
    assert written("max(0, A)", {"A": MWH}) == ("MAX(0,A)", MWH)


def test_a_total_is_named_by_what_it_sums() -> None:
    (total,) = totals(parse("X = A + sum_i(EG[i] * EF[i])").body)
    assert shown(total.term) == "EG[i]*EF[i]"


NAMES = ("A", "B", "C")
LEAVES: st.SearchStrategy[Node] = st.one_of(
    st.sampled_from(NAMES).map(Symbol),
    st.integers(0, 20).map(lambda n: Number(str(n))),
)
TREES: st.SearchStrategy[Node] = st.recursive(
    LEAVES,
    lambda below: st.one_of(
        st.builds(Operation, st.sampled_from("+-*"), below, below),
        st.builds(lambda f, a, b: Choice(f, (a, b)), st.sampled_from(("min", "max")), below, below),
    ),
    max_leaves=12,
)


@given(TREES, st.lists(st.integers(-50, 50), min_size=3, max_size=3))
def test_a_formula_computes_what_its_tree_does(tree: Node, numbers: list[int]) -> None:
    """Python reads the formula as a spreadsheet does: the same signs, precedence and functions."""
    made = write(tree, lambda symbol: (symbol.name, Fraction(1)), lambda total: ("", None))
    values = {(name, ""): Fraction(number) for name, number in zip(NAMES, numbers, strict=True)}
    names = {name: Fraction(value) for (name, _), value in values.items()}
    again = eval(re.sub(r"\b\d+\b", lambda m: f"F({m[0]})", made.text), {"MIN": min, "MAX": max, "F": Fraction} | names)
    assert again == evaluate(tree, values, ())


@given(TREES, st.sampled_from([Fraction(1), Fraction(1000), Fraction(1, 1000), Fraction(10, 36)]))
def test_units_change_the_text_and_never_the_quantity(tree: Node, factor: Fraction) -> None:
    """A alone is in another unit; sums and choices of unlike units convert, products carry the factor along."""
    made = write(tree, lambda s: (s.name, factor if s.name == "A" else Fraction(1)), lambda total: ("", None))
    coherent = {("A", ""): Fraction(7), ("B", ""): Fraction(3), ("C", ""): Fraction(-2)}
    names = {"A": Fraction(7) / factor, "B": Fraction(3), "C": Fraction(-2)}
    text = re.sub(r"\b\d+\b", lambda m: f"F({m[0]})", made.text)
    again = eval(text, {"MIN": min, "MAX": max, "F": Fraction} | names)
    assert again * (made.factor or 1) == evaluate(tree, coherent, ())


def test_a_number_stays_as_the_methodology_wrote_it() -> None:
    assert written("A * 0.000001")[0] == "A*0.000001"


def test_totals_inside_choices_are_found() -> None:
    assert [isinstance(t, Total) for t in totals(parse("X = min(sum_i(A[i]), sum_i(B[i]))").body)] == [True, True]
