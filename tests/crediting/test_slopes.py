"""Which way a reduction moves is computed, never listed: exact slopes, bounds over boxes, the lowest corner."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv.crediting.box import MOST, lowest_corner
from mrv.crediting.slope import Undetermined, slopes
from mrv.errors import BadInput
from mrv.methodology.emissions import solve
from mrv.methodology.expression import parse

F = Fraction
ITEMS = ("a", "b")


def slope(text: str, **values: Fraction) -> dict[str, Fraction]:
    box = {(name, ""): (value, value) for name, value in values.items()}
    found = slopes([parse(f"ER_p = {text}")], box, ITEMS)
    assert all(low == high for low, high in found.values()), "at a point a slope is one number"
    return {name: low for (name, _), (low, _) in found.items()}


def test_slopes_at_the_monitored_values_are_exact() -> None:
    assert slope("A * B - A / C", A=F(3), B=F(2), C=F(4)) == {"A": F(7, 4), "B": F(3), "C": F(3, 16)}
    assert slope("min(A, B) + max(A, C)", A=F(1), B=F(2), C=F(9)) == {"A": F(1), "B": F(0), "C": F(1)}
    assert slope("A * A - 4 * A", A=F(1)) == {"A": F(-2)}
    assert slope("-A", A=F(5)) == {"A": F(-1)}


def test_items_are_told_apart_and_equations_follow_each_other() -> None:
    equations = [parse("EF[i] = min(G, C[i])"), parse("ER_p = sum_i(EC[i] * EF[i])")]
    values = {("G", ""): F(3), ("C", "a"): F(2), ("C", "b"): F(5), ("EC", "a"): F(10), ("EC", "b"): F(20)}
    found = slopes(equations, {key: (value, value) for key, value in values.items()}, ITEMS)
    assert {key: low for key, (low, _) in found.items()} == {
        ("G", ""): F(20),
        ("C", "a"): F(10),
        ("C", "b"): F(0),
        ("EC", "a"): F(2),
        ("EC", "b"): F(3),
    }


numbers = st.fractions(-5, 5, max_denominator=7)
widths = st.fractions(0, 1, max_denominator=5)


@given(
    st.lists(st.tuples(numbers, widths), min_size=3, max_size=3), st.lists(st.fractions(0, 1), min_size=3, max_size=3)
)
def test_bounds_over_a_box_hold_everywhere_in_it(box: list[tuple[Fraction, Fraction]], at: list[Fraction]) -> None:
    equations = [parse("ER_p = A * B - min(A, C) * C + max(B, A / 2)")]
    names = [("A", ""), ("B", ""), ("C", "")]
    bounds = {name: (x - w, x + w) for name, (x, w) in zip(names, box, strict=True)}
    point = {name: low + t * (high - low) for (name, (low, high)), t in zip(bounds.items(), at, strict=True)}
    wide = slopes(equations, bounds, ITEMS)
    narrow = slopes(equations, {name: (x, x) for name, x in point.items()}, ITEMS)
    for name in names:
        assert wide[name][0] <= narrow[name][0] <= narrow[name][1] <= wide[name][1]


def test_a_division_by_zero_somewhere_in_the_box_says_nothing() -> None:
    with pytest.raises(Undetermined):
        slopes([parse("ER_p = A / B")], {("A", ""): (F(1), F(1)), ("B", ""): (F(-1), F(1))}, ITEMS)


@given(st.lists(st.tuples(numbers, widths), min_size=3, max_size=3))
def test_the_lowest_corner_is_the_lowest_of_all(box: list[tuple[Fraction, Fraction]]) -> None:
    """Whether slopes decide it or corners are tried, no corner is lower."""
    equations = [parse("ER_p = A * B - B * C + A / 3")]
    middle = dict(zip("ABC", (x for x, _ in box), strict=True))
    errors = {name: width for name, (_, width) in zip("ABC", box, strict=True) if width}

    def reduction(shifts: dict[str, Fraction]) -> Fraction:
        values = {(name, ""): value + shifts.get(name, F(0)) for name, value in middle.items()}
        return solve(equations, values, ITEMS)["ER_p", ""]

    if not errors:
        return
    bounds = {(n, ""): (x - errors.get(n, F(0)), x + errors.get(n, F(0))) for n, x in middle.items()}
    found = {name: interval for (name, _), interval in slopes(equations, bounds, ITEMS).items()}
    corner = lowest_corner(errors, found, reduction)  # type: ignore[arg-type]
    every = [dict(zip(errors, signs, strict=True)) for signs in product(*((-e, e) for e in errors.values()))]
    assert reduction(corner) == min(map(reduction, every))
    assert lowest_corner(errors, None, reduction) is not None  # type: ignore[arg-type]


def test_too_many_undecided_registers_are_refused_not_guessed() -> None:
    errors = {f"R{number}": F(1) for number in range(MOST + 1)}
    with pytest.raises(BadInput) as caught:
        lowest_corner(errors, None, lambda _: F(0))
    assert caught.value.faults[0].code == "credit.box_too_large"
