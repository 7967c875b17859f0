"""Two computations are compared byte by byte: one spelling for every value a Crediting can hold."""

from __future__ import annotations

import re
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import get_args

from mrv.crediting.result import Kind, Line, canonical
from mrv.errors import fault

ROOT = Path(__file__).resolve().parents[2]
LINE = Line(
    number=1,
    segment=0,
    kind="cap",
    symbol="EC",
    item="a",
    source="P:active_energy_import",
    meter="m",
    start=0,
    end=1,
    unit="kWh",
    raw=Fraction(10),
    factor=None,
    corrected=Fraction(29, 3),
    effect=Fraction(-1, 7),
    reason=fault("credit.cap", limit=Fraction(29, 3)),
    document=None,
)


def test_a_line_says_what_it_took_away() -> None:
    assert LINE.delta == Fraction(-1, 3)


def test_fractions_keep_every_digit_and_nothing_is_a_float() -> None:
    assert canonical((Fraction(1, 3), date(2026, 1, 31), None, True)) == b'["1/3","2026-01-31",null,true]'
    assert b'"corrected":"29/3"' in canonical(LINE)
    assert b'"code":"credit.cap"' in canonical(LINE)


def test_the_page_explains_every_kind_of_line() -> None:
    page = (ROOT / "docs" / "crediting.md").read_text()
    assert set(get_args(Kind)) == set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))


def test_the_page_names_only_cases_and_tests_that_exist() -> None:
    """And every case of crediting is named by it, but those that only stand for their methodology."""
    page = (ROOT / "docs" / "crediting.md").read_text()
    named = set(re.findall(r"`(\w+)`", page.partition("## What shows it")[2].partition("\n")[2])) - {"tests"}
    cases = {path.name for path in (ROOT / "tests" / "cases").iterdir()}
    tests = {
        name for path in (ROOT / "tests").rglob("test_*.py") for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert named - cases - tests == set()
    credit = {name for name in cases if name.startswith("credit_") and not name.startswith("credit_method_")}
    assert credit - named == set()
