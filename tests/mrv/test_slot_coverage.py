"""Exactly once, against a plain set as the model."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mrv.coverage import MAX_AHEAD, Coverage

ranges = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 12)), max_size=60)


@given(ranges)
def test_against_a_set(parts: list[tuple[int, int]]) -> None:
    coverage, model = Coverage(100, 10), set[int]()
    for start, count in parts:
        first, last = 100 + start * 10, 100 + (start + count) * 10
        wanted = set(range(first, last, 10))
        assert coverage.cover(first, last) is not bool(wanted & model)
        if not wanted & model:
            model |= wanted
        assert all(coverage.covers(slot) == (slot in model) for slot in range(100, 900, 10))
        holes = {slot for a, b in coverage.holes(900) for slot in range(a, b, 10)}
        assert holes == set(range(100, 900, 10)) - model


def test_before_the_start_counts_as_covered() -> None:
    assert not Coverage(100, 10).cover(90, 100)


def test_a_gap_in_order_may_be_of_any_length_but_not_ahead() -> None:
    coverage = Coverage(0, 1)
    assert coverage.cover(0, 10**12)
    assert coverage.frontier == 10**12
    assert not coverage.cover(10**12 + 1, 10**12 + 2 + MAX_AHEAD)


def test_skipping_keeps_what_is_ahead() -> None:
    coverage = Coverage(0, 10)
    assert coverage.cover(50, 60)
    coverage.skip_to(30)
    assert coverage.frontier == 30
    coverage.skip_to(50)
    assert coverage.frontier == 60
    coverage.skip_to(10)
    assert coverage.frontier == 60
