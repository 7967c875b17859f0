"""What a verifier sees: a row for each thing, a total for each point, numbers apart from words, nothing said twice."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import openpyxl
from paper_crediting import CALIBRATION, COMPLETE, END, crediting
from paper_material import material

from collector.report import workbook
from collector.report.cells import Page
from collector.report.sheets import lay_out
from mrv.crediting.result import Crediting
from mrv.errors import fault


def page(name: str, made: Crediting, **more: object) -> Page:
    return next(one for one in lay_out(material(crediting=made, **more)) if one.name == name)


def rows(page: Page) -> list[list[object]]:
    """The values of the first table, row by row."""
    return [[cell.value for cell in cells.values()] for cells in page.rows[page.head or 0 :]]


def test_a_vintage_of_several_segments_has_one_row_for_a_point() -> None:
    later = replace(
        COMPLETE, expected=1000, read=700, gap=300, asleep=200, energy=Fraction(7), across_gaps=Fraction("0.5")
    )
    other = replace(COMPLETE, point="PV-2")
    next_year = replace(COMPLETE, year=2027)
    made = crediting(completeness=(COMPLETE, other, later, next_year))
    found = rows(page("completeness", made))
    assert [row[:2] for row in found] == [[2026, "PV-AC"], [2026, "PV-2"], [2027, "PV-AC"]]
    whole = found[0]
    assert whole[3:6] == [COMPLETE.expected + 1000, COMPLETE.read + 700, COMPLETE.gap + 300]
    assert whole[6] == 200, "slots asleep"
    assert whole[7] == Fraction(COMPLETE.read + 700, COMPLETE.expected + 1000 - 200)
    assert whole[9:11] == [COMPLETE.energy + 7, COMPLETE.across_gaps + Fraction("0.5")]


def test_a_late_calibration_costs_its_own_point_alone() -> None:
    late = next(line for line in crediting().ledger if line.kind == "late_calibration")
    ten = replace(CALIBRATION, point="PV-AC0", serial="other")
    made = crediting(
        calibrations=(CALIBRATION, ten), ledger=(late, replace(late, source="PV-AC0:active_energy_export"))
    )
    effects = [row[15] for row in rows(page("calibration", made))]
    assert effects == [late.delta, late.delta]


def test_a_certificate_is_that_of_a_meter() -> None:
    nameless = replace(CALIBRATION, meter="")
    strange = replace(nameless, serial="of a transformer")
    made = crediting(calibrations=(nameless, strange))
    assert [row[1] for row in rows(page("calibration", made))] == ["pv-main", ""]


def test_what_is_wrong_with_every_reading_is_said_once() -> None:
    each = fault("audit.outside_slot", "pv-main 1", ts=1)
    held = material()
    one = replace(held.quarantined[0], reasons=(each,) * 150 + held.quarantined[0].reasons)
    shown = page("QA-QC", held.crediting, quarantined=(one,)).rows[-1]
    text = str(max(shown.items())[1].value)
    assert text.count("(x 150)") == 1
    assert len(text) < 500
    assert "(x 1)" not in text


def test_numbers_stand_apart_from_the_words_beside_them(tmp_path: Path) -> None:
    out = tmp_path / "report.xlsx"
    workbook.write(lay_out(material()), out, at=END, footer="test")
    book = openpyxl.load_workbook(out)
    figures = [cell for sheet in book for row in sheet.iter_rows() for cell in row if cell.number_format != "General"]
    assert figures
    assert {cell.number_format for cell in figures if not cell.number_format.endswith("_)")} == {"0"}, "years alone"
    wrapped = [cell for row in book["events"].iter_rows() for cell in row if cell.alignment.wrap_text]
    assert {cell.alignment.indent for cell in wrapped if not cell.font.b} == {1}


def test_a_record_is_said_without_signs_of_a_programming_language() -> None:
    words = [str(cell.value) for _, _, cell in page("QA-QC", crediting()).cells()]
    assert [text for text in words if "({" in text or ",)" in text or "None" in text] == []
