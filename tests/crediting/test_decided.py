"""Decisions about holds at their edges: what else is held, ratios that are read, two opinions, other scales."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import pytest
from credit_cases import Held, bound, ms, sealed
from msgspec.structs import replace

from mrv import records
from mrv.crediting.decided import Rulings, rulings
from mrv.crediting.pieces import Piece, metered
from mrv.crediting.sealed import Sealed

REGISTER = "active_energy_import"
METERS = {"m": bound({"meter": "m", "point": "P", "serial": "A"})}
SHA = "ab" * 32


def at(hour: int) -> str:
    return f"2026-07-01T{hour:02d}:00:00+07:00"


def usage(first: int, last: int, opening: str, closing: str, **more: Any) -> Sealed:
    return sealed(METERS, {"meter": "m", "from": at(first), "to": at(last), REGISTER: [opening, closing]} | more)


def step(first: int, last: int, before: str, after: str, verdict: str = "held") -> dict[str, Any]:
    sides = {"before": {REGISTER: before}, "after": {REGISTER: after}}
    return {"verdict": verdict, "why": "time", "from": at(first), "to": at(last)} | sides


def hold(decision: str, first: int, before: str, last: int, after: str, who: str = "A") -> Held:
    text = f"""
- kind: hold
  site: s
  who: {who}
  point: P
  meter: m
  decision: {decision}
  before: {{at: "{at(first)}", registers: {{{REGISTER}: {before}}}}}
  after: {{at: "{at(last)}", registers: {{{REGISTER}: {after}}}}}
  reason: seen
  document: {SHA}
"""
    (one,) = records.load(text, "hold").value
    return Held(one, records.digest(one))


HELD = usage(8, 12, "100", "120", flags=["held", "lost"], holds={"time": at(10)}, steps=[step(9, 10, "104", "114")])
AFTER = usage(12, 14, "120", "130", flags=["held"], holds={"time": at(10)})


def found(log: Iterable[Sealed], *papers: Held) -> tuple[Rulings, tuple[Piece, ...]]:
    ordered = list(log)
    ruled = rulings("P", ordered, papers)
    return ruled, metered(REGISTER, ordered, papers, ruled)


def counted(pieces: Iterable[Piece]) -> Fraction:
    return sum((piece.amount for piece in pieces if not piece.held), Fraction(0))


def test_a_step_and_all_behind_it_wait_until_somebody_decides() -> None:
    assert counted(found([HELD, AFTER])[1]) == 0
    assert counted(found([HELD, AFTER], hold("energy", 9, "104", 10, "114"))[1]) == 30
    ruled, pieces = found([HELD, AFTER], hold("lost", 9, "104", 10, "114"))
    assert counted(pieces) == 20
    assert [piece.lost for piece in pieces if piece.kind == "decided"] == [3_600_000]
    assert [piece.lost for piece in pieces if piece.kind == "usage"] == [0, 0], "not lost a second time"
    assert ruled.findings == ()


def test_a_decision_ends_one_hold_and_not_the_next() -> None:
    later = usage(14, 16, "130", "140", flags=["held"], holds={"time": at(10), "firmware": at(15)})
    _, pieces = found([HELD, AFTER, later], hold("energy", 9, "104", 10, "114"))
    assert counted(pieces) == 30
    assert [piece.held for piece in pieces if piece.kind == "usage"] == [False, False, True]


def test_of_two_holds_in_one_usage_both_have_to_be_decided() -> None:
    both = usage(
        8,
        14,
        "100",
        "140",
        flags=["held", "lost"],
        holds={"time": at(10), "jump": at(12)},
        steps=[step(9, 10, "104", "114"), step(11, 12, "116", "126")],
    )
    one, other = hold("energy", 9, "104", 10, "114"), hold("lost", 11, "116", 12, "126")
    assert counted(found([both], one)[1]) == 0
    _, pieces = found([both], one, other)
    assert counted(pieces) == 30, "20 counted, 10 decided, 10 lost"
    assert sum(piece.lost for piece in pieces) == 3_600_000


def test_a_hold_the_site_lifted_is_decided_with_the_one_it_was() -> None:
    """The usage in which a person at the site accepted the firmware lists no hold, and is held all the same."""
    first = usage(8, 10, "100", "110", flags=["held"], holds={"firmware": at(9)})
    last = usage(10, 12, "110", "120", flags=["held"])
    decided = hold("energy", 8, "100", 10, "110")
    assert counted(found([first, last], decided)[1]) == 20
    assert counted(found([first, usage(10, 12, "110", "120")], decided)[1]) == 20
    alone = usage(8, 10, "100", "110", flags=["held"])
    assert counted(found([alone], decided)[1]) == 10, "begun and lifted within one usage"


def test_a_ratio_that_was_read_scales_the_step() -> None:
    (event,) = HELD.decisions
    details = event.details | {"before.ratio": "80", "after.ratio": "60"}
    read = Sealed(usage=HELD.usage, bound=HELD.bound, digest=HELD.digest, decisions=(replace(event, details=details),))
    ruled, _ = found([read], hold("energy", 9, "104", 10, "114"))
    assert [one.amount(REGISTER) for one in ruled.accepted] == [600]


def test_only_the_ratio_changed() -> None:
    """The step is energy already; a decision counts it, or takes it out."""
    changed = usage(
        8, 12, "100", "120", flags=["held"], holds={"ratio": at(10)}, steps=[step(9, 10, "104", "114", "ratio")]
    )
    assert counted(found([changed], hold("energy", 9, "104", 10, "114"))[1]) == 20
    _, pieces = found([changed], hold("lost", 9, "104", 10, "114"))
    assert counted(pieces) == 10
    assert sum(piece.lost for piece in pieces) == 3_600_000


@pytest.mark.parametrize(
    ("papers", "code"),
    [
        ([hold("energy", 9, "104", 10, "114"), hold("lost", 9, "104", 10, "114", "B")], "credit.hold_twice"),
        ([hold("energy", 9, "103", 10, "113")], "credit.hold_differs"),
        ([hold("energy", 8, "104", 10, "114")], "credit.hold_unmatched"),
    ],
)
def test_what_decides_nothing_is_said(papers: list[Held], code: str) -> None:
    ruled, pieces = found([HELD, AFTER], *papers)
    assert [one.code for one in ruled.findings] == [code]
    assert counted(pieces) == (30 if code == "credit.hold_twice" else 0), "of two the first counts"


def test_a_decision_of_another_year_is_no_fault_of_this_report() -> None:
    assert found([usage(20, 22, "100", "110")], hold("energy", 9, "104", 10, "114"))[0].findings == ()


def test_a_difference_over_another_ratio_is_no_energy() -> None:
    other = {"m": bound({"meter": "m", "point": "P", "serial": "B", "ratio": "400/5"})}
    after = sealed(other, {"meter": "m", "from": at(12), "to": at(14), REGISTER: ["125", "126"]})
    before = usage(8, 10, "100", "120")
    ruled, _ = found([before, after], hold("energy", 10, "120", 12, "125"))
    assert [one.code for one in ruled.findings] == ["credit.hold_scales"]
    ruled, pieces = found([before, after], hold("lost", 10, "120", 12, "125"))
    assert ruled.findings == ()
    assert counted(pieces) == 100, "20 and 1 x 80"


def test_an_exchange_that_was_signed_is_not_decided_as_well() -> None:
    """Both would add what lies between."""
    other = {"m": bound({"meter": "m", "point": "P", "serial": "B"})}
    after = sealed(other, {"meter": "m", "from": at(12), "to": at(14), REGISTER: ["125", "126"]})
    sides = [
        f"{{meter: m, serial: {serial}, at: '{at(hour)}', registers: {{{REGISTER}: {value}}}}}"
        for serial, hour, value in (("A", 10, 121), ("B", 12, 124))
    ]
    text = f"- kind: exchange\n  site: s\n  who: A\n  point: P\n  reason: dark\n  document: {SHA}\n"
    (one,) = records.load(f"{text}  removed: {sides[0]}\n  installed: {sides[1]}\n", "exchange").value
    signed = Held(one, records.digest(one))
    ruled, pieces = found([usage(8, 10, "100", "120"), after], signed, hold("energy", 10, "120", 12, "125"))
    assert [one.code for one in ruled.findings] == ["credit.hold_twice"]
    assert counted(pieces) == 20 + 1 + 1 + 1


# -- registers that ran on -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("serial", "opening", "flags", "ran"),
    [
        ("A", "125", [], 5),
        (None, "125", [], None),
        ("A", "119", [], None),
        ("A", "99999999", [], None),
        ("A", "125", ["held"], None),
    ],
)
def test_a_register_ran_on_where_the_same_meter_can_have_counted_it(
    serial: str | None, opening: str, flags: list[str], ran: int | None
) -> None:
    meters = {"m": bound({"meter": "m", "point": "P"} | ({"serial": serial} if serial else {}))}
    before = sealed(meters, {"meter": "m", "from": at(8), "to": at(10), REGISTER: ["100", "120"]})
    entry = {"meter": "m", "from": at(12), "to": at(14), REGISTER: [opening, "100000000"], "flags": flags}
    _, pieces = found([before, sealed(meters, entry)])
    assert [piece.amount for piece in pieces if piece.kind == "ran_on"] == ([] if ran is None else [ran])
    if ran is not None:
        (piece,) = [piece for piece in pieces if piece.kind == "ran_on"]
        assert (piece.start, piece.end) == (ms(at(10)), ms(at(12)))
