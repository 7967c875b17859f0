"""Slots, bounds, new years and eras."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv.errors import BadInput
from mrv.period import (
    Era,
    count_slots,
    cut,
    first_slot,
    in_ms,
    instant,
    is_new_year,
    new_year_after,
    next_bound,
    place,
    slot_of,
    zone,
)
from mrv.reading import ClockState

HANOI = zone("Asia/Ho_Chi_Minh")
moments = st.integers(min_value=1_600_000_000_000, max_value=1_900_000_000_000)
periods = st.sampled_from([1, 10, 60, 900, 3600])


def at(text: str) -> int:
    return in_ms(datetime.fromisoformat(text).replace(tzinfo=UTC))


def test_the_vietnamese_year_ends_at_17_utc() -> None:
    assert new_year_after(at("2026-06-01T00:00"), HANOI) == at("2026-12-31T17:00")
    assert is_new_year(at("2026-12-31T17:00"), HANOI)
    assert new_year_after(at("2026-12-31T17:00"), HANOI) == at("2027-12-31T17:00")
    assert not is_new_year(at("2027-01-01T00:00"), HANOI)


def test_a_period_is_cut_at_a_new_year_off_the_grid() -> None:
    kathmandu = zone("Asia/Kathmandu")  # UTC+5:45: the year ends at 18:15 UTC
    assert next_bound(at("2026-12-31T18:00"), 3600, kathmandu) == at("2026-12-31T18:15")
    assert next_bound(at("2026-12-31T18:15"), 3600, kathmandu) == at("2026-12-31T19:00")


@pytest.mark.parametrize("name", ["", "Mars/Olympus", "../etc/passwd", "Asia", "Asia//Tokyo", "/etc/localtime"])
def test_unknown_zones_are_refused(name: str) -> None:
    with pytest.raises(BadInput) as caught:
        zone(name)
    assert caught.value.faults[0].code == "plan.unknown_timezone"


@given(moments, periods)
def test_bounds_move_on_and_never_skip(ms: int, period: int) -> None:
    bound = next_bound(ms, period, HANOI)
    assert ms < bound <= ms + period * 1000
    assert bound % (period * 1000) == 0 or is_new_year(bound, HANOI)


@given(moments, st.integers(0, 50_000_000), periods, st.booleans())
def test_pieces_of_a_gap_join_without_a_hole(start: int, length: int, period: int, empty: bool) -> None:
    length = min(length, period * 1000 * 50)
    pieces = list(cut(start, start + length, period, HANOI, empty_until=start + length if empty else 0))
    assert sum(end - begin for begin, end in pieces) == length
    assert all(first[1] == second[0] for first, second in pairwise(pieces))
    if not empty:
        assert all(end <= next_bound(begin, period, HANOI) for begin, end in pieces)


def test_an_outage_is_at_most_three_pieces_a_year() -> None:
    pieces = list(cut(at("2026-03-01T10:05"), at("2027-02-01T10:07"), 900, HANOI, empty_until=at("2027-02-01T10:07")))
    texts = [(instant(a).strftime("%y-%m-%dT%H:%M"), instant(b).strftime("%y-%m-%dT%H:%M")) for a, b in pieces]
    assert texts == [
        ("26-03-01T10:05", "26-03-01T10:15"),
        ("26-03-01T10:15", "26-12-31T17:00"),
        ("26-12-31T17:00", "27-02-01T10:00"),
        ("27-02-01T10:00", "27-02-01T10:07"),
    ]


@given(moments, st.integers(1, 3600))
def test_slots(ms: int, every: int) -> None:
    assert slot_of(ms, every) <= ms < slot_of(ms, every) + every * 1000
    assert first_slot(ms, every) - every * 1000 < ms <= first_slot(ms, every)
    assert count_slots(ms, ms, every) == 0
    assert count_slots(slot_of(ms, every), slot_of(ms, every) + 5 * every * 1000, every) == 5


def test_place() -> None:
    era = Era(boot=3, boottime=5_000, ts=1_700_000_000_000, state=ClockState.SYNCHRONISED)
    assert place(era, 3, 4_000) == 1_699_999_999_000
    assert place(era, 2, 4_000) is None
    unknown = Era(boot=3, boottime=5_000, ts=1_700_000_000_000, state=ClockState.UNKNOWN)
    assert place(unknown, 3, 4_000) is None
