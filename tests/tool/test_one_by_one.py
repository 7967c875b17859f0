"""One meter at a time: what the technician is told next."""

from __future__ import annotations

from drivers.one_by_one import Step, free, step
from drivers.scan import Found
from drivers.scan_plan import Speed

N96, E192 = Speed(9600), Speed(19200, "E")


def test_five_new_meters_of_five_makers() -> None:
    """All ship as id 1, one at another speed: each gets an id of its own and the speed of the line."""
    taken: set[int] = set()
    assert step([], "", taken, N96) == Step("connect")
    assert step([Found(N96, 1), Found(E192, 1)], "", taken, N96) == Step("leave_one")
    assert step([Found(N96, 1)], "garbled", taken, N96) == Step("leave_one")
    assert step([Found(E192, 1)], "", taken, N96) == Step("set", 1, N96), "only its speed, while its id is free"
    assert step([Found(N96, 1)], "", taken, N96) == Step("next", 1, N96)
    taken.add(1)
    assert step([Found(N96, 1)], "", taken, N96) == Step("set", 2, N96)
    assert step([Found(N96, 2)], "", taken, N96) == Step("next", 2, N96)
    taken.add(2)
    assert step([Found(E192, 126)], "", taken, N96) == Step("set", 3, N96)


def test_behind_a_gateway_speed_is_the_gateways_business() -> None:
    assert step([Found(None, 3)], "", (), None) == Step("next", 3, None)
    assert step([Found(None, 247)], "", (), None) == Step("set", 2, None)


def test_one_is_left_for_the_next_new_meter() -> None:
    assert free(frozenset()) == 2
    assert free(frozenset((2, 3))) == 4
    assert free(frozenset(range(2, 248))) == 1
