"""Pinned cases: what plans, meters and papers come to, worked out by hand in each case's own words."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import schema_walk
from credit_cases import CASES, evidence

from mrv.crediting.engine import credit
from mrv.crediting.result import Crediting, canonical
from mrv.methodology.catalogue import library

NAMES = sorted(path.name for path in CASES.glob("credit_*"))


def exact(text: object) -> Fraction:
    return Fraction(str(text).replace(",", ""))


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str) -> None:
    folder = CASES / name
    expected: dict[str, Any] = schema_walk.loaded((folder / "expected.yaml").read_text())
    found = credit(evidence(folder))
    assert len(expected["says"]) > 60, "the arithmetic, in words"
    assert found.tonnes == expected["tonnes"]
    for year, values in expected.get("vintages", {}).items():
        vintage = next(one for one in found.vintages if one.year == int(year))
        for field, value in values.items():
            have = getattr(vintage, field)
            assert have == (None if value is None else exact(value)), (
                year,
                field,
                have and Decimal(have.numerator) / have.denominator,
            )
    for key, value in expected.get("corrected", {}).items():
        assert _monitored(found, key) == exact(value), key
    assert [line.kind for line in found.ledger] == expected.get("ledger", [])
    assert [one.code for one in found.findings] == expected.get("findings", [])
    for why, value in expected.get("wrong", {}).items():
        assert exact(value) not in _all_values(found), f"the wrong way: {why}"
    _sound(found)


def _monitored(found: Crediting, key: str) -> Fraction | None:
    """Sum over segments of a parameter `EG[a]` in its unit, or of a source in its unit."""
    rows = [row for segment in found.segments for row in segment.monitored]
    named = [
        row.corrected for row in rows if f"{row.symbol}[{row.item}]" == key or (row.symbol == key and not row.item)
    ]
    named += [term.corrected for row in rows for term in row.terms if term.source == key]
    assert named, f"nothing is called {key}"
    return sum((one for one in named if one is not None), Fraction(0))


def _all_values(found: Crediting) -> set[Fraction]:
    """Every credited figure, in kg, t and the units of the parameters, also rounded as the facts print them."""
    values: set[Fraction] = set()
    for vintage in found.vintages:
        for kg in (vintage.reference, vintage.project, vintage.reduction):
            if kg is not None:
                values |= {kg, kg / 1000, Fraction(round(kg / 10), 100)}
    values |= {row.corrected for s in found.segments for row in s.monitored if row.corrected is not None}
    values |= {row.corrected * 1000 for s in found.segments for row in s.monitored if row.corrected is not None}
    return values


def _sound(found: Crediting) -> None:
    """What holds of every crediting: the ledger balances, effects add up, figures are the sum of their segments."""
    for segment in found.segments:
        lines = [line for line in found.ledger if line.segment == segment.number]
        if segment.reduction is not None and segment.raw_reduction is not None:
            assert segment.raw_reduction + sum((line.effect for line in lines), Fraction(0)) == segment.reduction
        for row in segment.monitored:
            for term in row.terms:
                deltas = sum((line.delta for line in lines if line.source == term.source), Fraction(0))
                assert term.raw + deltas == term.corrected
    whole = [vintage.tonnes for vintage in found.vintages]
    assert found.tonnes == (None if None in whole else sum(one or 0 for one in whole))
    assert json.loads(canonical(found))["project"] == found.project


def test_every_methodology_has_a_case_of_its_own() -> None:
    used = set()
    for name in NAMES:
        for path in sorted((CASES / name).glob("plan*.yaml")):
            used |= {project["methodology"] for project in schema_walk.loaded(path.read_text())["projects"]}
    assert set(library()) <= used


def test_there_are_cases() -> None:
    assert len(NAMES) >= 25
    assert all((CASES / name / "expected.yaml").is_file() for name in NAMES), Path
