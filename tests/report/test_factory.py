"""A factory over a year end, from 140,000 leaves to reports: every trouble at once, and the books balance."""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import openpyxl
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "collector"))
from factory import Factory, Story
from office_year import Filled, fill, made, report, run
from soffice import recalculated

from mrv import leaf
from mrv.reading import Reading

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3000)]
STORY = Story(outage=1, silent=2, exchange=3, due=4, late=2, new_plan=8)
START, DAYS = date(2026, 12, 26), 10
#: What a float32 register of some MWh can be off by (kWh), at each end of each stretch that was added up.
STEP = Fraction(1, 1000)


@pytest.fixture(scope="module", name="filled")
def received(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    path = tmp_path_factory.mktemp("factory")
    filled = fill(path, made(DAYS, START, STORY))
    verdicts = filled.judge()
    assert {f.code for verdict in verdicts for f in verdict.reasons} == set()
    assert len(verdicts) == DAYS * 96 - 12 + 1, "three hours of outage are one summary"
    return filled


def crediting(filled: Filled, project: str, folder: Path) -> Any:
    report(filled, project, folder / f"{project}.json")
    return json.loads((folder / f"{project}.json").read_text("utf-8"))["crediting"]


def test_the_reading_leaves_are_spelled_as_an_agent_spells_them() -> None:
    factory = Factory(days=1, start=START, story=STORY)
    for data in next(factory.run()):
        fact = leaf.decode(data)
        if isinstance(fact, Reading):
            assert leaf.encode(fact) == data


def test_credited_energy_is_the_true_energy(filled: Filled, tmp_path: Path) -> None:
    """No register was lost: gaps and outage are bridged by the counters, the exchange is signed."""
    chillers = crediting(filled, "chillers", tmp_path)
    raw = _by_item(chillers, "raw")
    for n in (1, 2, 4, 5, 6, 7, 8, 9):
        true = Fraction(filled.factory.true[f"chiller-{n}"], 1_000_000)
        assert abs(raw[f"chiller-{n}"] - true) < STEP, n
    corrected = _by_item(chillers, "corrected")
    true = Fraction(filled.factory.true["chiller-3"], 1_000_000)
    assert abs(corrected["chiller-3"] - true) < STEP, "booked back by the signed exchange"
    assert corrected["chiller-7"] < raw["chiller-7"], "late calibration: electricity raises this reduction"
    pv = crediting(filled, "pv", tmp_path)
    assert abs(_by_item(pv, "raw")["roof"] - Fraction(filled.factory.true["pv-main"], 1_000_000)) < STEP


def _by_item(made: Any, field: str) -> dict[str, Fraction]:
    found: dict[str, Fraction] = {}
    for segment in made["segments"]:
        for row in segment["monitored"]:
            found[row["item"]] = found.get(row["item"], Fraction(0)) + Fraction(row[field])
    return found


def test_the_story_is_in_the_report(filled: Filled, tmp_path: Path) -> None:
    made = crediting(filled, "chillers", tmp_path)
    assert [v["year"] for v in made["vintages"]] == [2026, 2027]
    assert len(made["segments"]) == 3, "two years, and the plan change in the second"
    kinds = {line["kind"] for line in made["ledger"]}
    assert {"late_calibration", "exchange"} <= kinds
    (lapsed,) = [row for row in made["calibrations"] if row["days_late"]]
    assert (lapsed["point"], lapsed["days_late"]) == ("CH-7", STORY.late)
    silences = [
        (row["meter"], row["what"]["params"]["hours"]) for row in made["events"] if "gap" in row["what"]["code"]
    ]
    assert ("chiller-5", "6") in silences, "six hours of 24 periods are one event"
    assert ("chiller-1", "3") in silences, "the outage"
    across = {row["point"]: Fraction(row["across_gaps"]) for row in made["completeness"] if row["year"] == 2026}
    assert across["CH-5"] > across["CH-1"] > 0, "everybody missed the outage, chiller 5 its own silence as well"


def test_the_workbook_agrees_with_itself(filled: Filled, tmp_path: Path) -> None:
    for project in ("pv", "chillers"):
        said = report(filled, project, tmp_path / f"{project}.xlsx")
        computed = recalculated(tmp_path / f"{project}.xlsx", tmp_path)
        cells = [cell.value for row in computed["calculation"].iter_rows() for cell in row]
        assert "DIFFERS" not in cells
        assert said["tonnes"] in cells


def test_a_figure_is_followed_through_the_exchange(filled: Filled, tmp_path: Path) -> None:
    last = START + timedelta(days=DAYS - 1)
    report(filled, "chillers", tmp_path / "r.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "r.xlsx")["input"]
    row = next(r for r in range(1, sheet.max_row) if sheet.cell(r, 3).value == "EC[chiller-3]") + 1
    named = ("--project", "chillers", "--from", START, "--to", last, "--dir", filled.folder.path, "--json")
    found = json.loads(run("trace", f"input!E{row}", *named, "--all"))
    assert found["kind"] == "term"
    assert all(told["closed_by"]["equal"] for told in found["told"] if told["closed_by"])
    assert {"exchange"} <= {line["kind"] for line in found["ledger"]}
    assert len({told["opened_by"]["meter"] for told in found["told"] if told["opened_by"]}) == 1
