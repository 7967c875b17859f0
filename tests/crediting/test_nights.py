"""An inverter's night is said apart: it is no gap that energy was booked across, and no event."""

from __future__ import annotations

from dataclasses import replace

import msgspec
from credit_cases import CASES, evidence

from mrv.crediting.engine import credit
from mrv.crediting.result import Crediting

SLOTS = 300


def credited(*, asleep: int) -> Crediting:
    """The case with 300 slots of its first usage missing, `asleep` of them at night."""
    given = evidence(CASES / "credit_captive_supply_alone")
    first, *rest = given.sealed
    usage = msgspec.structs.replace(first.usage, read=first.usage.expected - SLOTS, gap=SLOTS, asleep=asleep)
    return credit(replace(given, sealed=(replace(first, usage=usage), *rest)))


def test_a_night_is_counted_apart_and_energy_is_not_across_it() -> None:
    dark, broken, both = credited(asleep=SLOTS), credited(asleep=0), credited(asleep=SLOTS - 1)
    found = [next(one for one in made.completeness if one.gap) for made in (dark, broken, both)]
    assert [(one.gap, one.asleep) for one in found] == [(300, 300), (300, 0), (300, 299)]
    assert found[0].across_gaps == 0
    assert found[1].across_gaps == found[2].across_gaps > 0
    assert dark.tonnes == broken.tonnes


def test_only_what_nobody_slept_through_is_an_event() -> None:
    def long(made: Crediting) -> list[str]:
        return [event.what.params["hours"] for event in made.events if event.what.code == "credit.gap"]

    assert long(credited(asleep=0)) == ["5"]
    assert long(credited(asleep=SLOTS)) == long(credited(asleep=SLOTS - 10)) == []
    assert long(credited(asleep=SLOTS - 120)) == ["2"]
