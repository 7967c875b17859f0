"""Somebody else's workbook: built here with openpyxl, filled by our own patching, formulas and everything else kept."""

from __future__ import annotations

import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.comments import Comment
from openpyxl.formatting.rule import CellIsRule
from openpyxl.styles import Font, PatternFill
from openpyxl.worksheet.datavalidation import DataValidation
from paper_crediting import crediting, segments, vintage
from paper_material import material
from soffice import recalculated

from collector.report import template
from collector.report.frame import Frame
from collector.report.patch import Workbook
from collector.report.sheets import lay_out
from mrv.crediting.result import Crediting
from mrv.errors import BadInput

MARKS = [f"({letter})" for letter in "abcdefghijk"]
NAMES = [
    "Monitoring period", "Monitoring point No.", "Parameters", "Description of data", "Monitored Values", "Units",
    "Monitoring option", "Source of data", "Measurement methods", "Monitoring frequency", "Other comments",
]  # fmt: skip


def official(path: Path, *rows: tuple[str, str], sheet: str = "MRS(input)") -> Path:
    """A workbook as a methodology's spreadsheet looks: table 1 to fill, a calculation sheet of formulas, a logo."""
    book = openpyxl.Workbook()
    first = book.active
    first.title = sheet
    first["A1"] = "Monitoring Spreadsheet: JCM_VN_AM007_ver01.0"
    first["A1"].font = Font(bold=True, size=14)
    first["A4"] = "Table 1: Parameters monitored ex post"
    first.append([])
    for column, (mark, name) in enumerate(zip(MARKS, NAMES, strict=True), 2):
        first.cell(6, column, mark)
        first.cell(7, column, name)
    for number, (parameter, unit) in enumerate(rows):
        row = 8 + number
        first.cell(row, 3, f"({number + 1})")
        first.cell(row, 4, parameter)
        first.cell(row, 6).fill = PatternFill("solid", fgColor="FFFF99")
        first.cell(row, 6).number_format = "0.00"
        first.cell(row, 7, unit)
        first.cell(row, 8, "Option C")
    last = 8 + len(rows)
    first.cell(last + 2, 2, "Table 3: Ex-post calculation")
    first.cell(last + 3, 6, "='MRS(calc_process)'!C3")
    calc = book.create_sheet("MRS(calc_process)")
    calc["A1"], calc["C3"] = "Reference emissions", f"=SUM('{sheet}'!F8:F{last - 1})*0.333"
    calc["C4"] = "=C3*2"
    first.conditional_formatting.add("F8:F9", CellIsRule(operator="lessThan", formula=["0"]))
    first.add_data_validation(DataValidation(type="list", formula1='"Option A,Option B,Option C"'))
    first["B2"].comment = Comment("filled by the project participant", "JCM")
    first.merge_cells("A1:F1")
    book.save(path)
    return path


def one_year() -> Crediting:
    first = segments()[0]
    year = vintage(2026, first.start, first.end, first)
    return crediting(segments=(first,), vintages=(year,), tonnes=year.tonnes)


def filled(path: Path, made: Crediting | None = None) -> Path:
    book = Workbook(path)
    template.fill(book, Frame(crediting=made or one_year()))
    book.save(path.with_name("filled.xlsx"))
    return path.with_name("filled.xlsx")


ROWS = (("EGi,p", "MWh/p"), ("EGi,p", "MWh/p"))


def test_the_input_cells_are_filled_and_the_formulas_stand(tmp_path: Path) -> None:
    source = official(tmp_path / "official.xlsx", *ROWS)
    made, before = openpyxl.load_workbook(filled(source)), openpyxl.load_workbook(source)
    sheet = made["MRS(input)"]
    assert (sheet["F8"].value, sheet["F9"].value) == (48.347948444, 1.234567)
    assert sheet["B8"].value == "2026-03-01 00:00+07:00 to 2027-01-01 00:00+07:00"
    changed = [
        (name, cell.coordinate)
        for name in before.sheetnames
        for row in before[name].iter_rows()
        for cell in row
        if made[name][cell.coordinate].value != cell.value
    ]
    assert sorted(changed) == [("MRS(input)", c) for c in ("B8", "B9", "F8", "F9")]
    assert made["MRS(calc_process)"]["C3"].value == "=SUM('MRS(input)'!F8:F9)*0.333"
    assert sheet["F8"].fill.fgColor.rgb == before["MRS(input)"]["F8"].fill.fgColor.rgb
    assert sheet["F8"].number_format == "0.00"
    assert sheet["B2"].comment.text == "filled by the project participant"
    assert [str(r) for r in sheet.merged_cells.ranges] == ["A1:F1"]


def test_no_other_part_of_the_file_is_touched(tmp_path: Path) -> None:
    source = official(tmp_path / "official.xlsx", *ROWS)
    with zipfile.ZipFile(source, "a") as archive:
        archive.writestr("xl/media/logo.png", b"not a real picture")
        archive.writestr("xl/vbaProject.bin", b"\x00\x01macro")
    with zipfile.ZipFile(source) as one, zipfile.ZipFile(filled(source)) as other:
        assert one.namelist() == other.namelist()
        changed = [name for name in one.namelist() if one.read(name) != other.read(name)]
    assert set(changed) <= {
        "xl/worksheets/sheet1.xml",
        "xl/workbook.xml",
    }


@pytest.mark.real
def test_the_official_formulas_compute_our_values(tmp_path: Path) -> None:
    computed = recalculated(filled(official(tmp_path / "official.xlsx", *ROWS)), tmp_path)
    assert computed["MRS(calc_process)"]["C3"].value == pytest.approx((48.347948444 + 1.234567) * 0.333, rel=1e-12)


def test_old_results_of_formulas_are_gone(tmp_path: Path) -> None:
    """A reader that does not compute shows nothing rather than the figure from before."""
    source = official(tmp_path / "official.xlsx", *ROWS)
    _patched(source, "xl/worksheets/sheet2.xml", "<v />", "<v>77.7</v>")
    assert openpyxl.load_workbook(source, data_only=True)["MRS(calc_process)"]["C3"].value == 77.7
    made = openpyxl.load_workbook(filled(source), data_only=True)
    assert made["MRS(calc_process)"]["C3"].value is None


def _patched(path: Path, part: str, old: str, new: str) -> None:
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    assert old.encode() in parts[part]
    parts[part] = parts[part].replace(old.encode(), new.encode())
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)


def test_a_unit_is_converted_where_it_is_of_the_same_kind(tmp_path: Path) -> None:
    path = filled(official(tmp_path / "official.xlsx", ("EG_roof", "kWh/p"), ("EG_carport", "GWh")))
    sheet = openpyxl.load_workbook(path)["MRS(input)"]
    assert (sheet["F8"].value, sheet["F9"].value) == (48347.948444, 0.001234567)


def test_named_items_find_their_row_in_any_order(tmp_path: Path) -> None:
    path = filled(official(tmp_path / "official.xlsx", ("EG[carport]", "MWh"), ("EG[roof]", "MWh")))
    sheet = openpyxl.load_workbook(path)["MRS(input)"]
    assert (sheet["F8"].value, sheet["F9"].value) == (1.234567, 48.347948444)


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ((("EGi,p", "MWh/p"),), "collector.template_no_row"),
        ((("EGi,p", "MWh/p"),) * 3, "collector.template_row_left"),
        ((("ECi,p", "MWh/p"), ("EGi,p", "MWh/p")), "collector.template_row_left"),
        ((("EGi,p", "m3/p"), ("EGi,p", "MWh/p")), "collector.template_unit"),
        ((("EGi,p", "furlong"), ("EGi,p", "MWh/p")), "collector.template_unit"),
    ],
)
def test_a_doubt_is_refused_and_nothing_is_written(tmp_path: Path, rows: Any, code: str) -> None:
    source = official(tmp_path / "official.xlsx", *rows)
    with pytest.raises(BadInput) as caught:
        filled(source)
    assert code in {found.code for found in caught.value.faults}
    assert not (tmp_path / "filled.xlsx").exists()


def test_a_formula_is_never_written_over(tmp_path: Path) -> None:
    source = official(tmp_path / "official.xlsx", *ROWS)
    book = openpyxl.load_workbook(source)
    book["MRS(input)"]["F9"] = "=1+1"
    book.save(source)
    with pytest.raises(BadInput) as caught:
        filled(source)
    assert [found.code for found in caught.value.faults] == ["collector.template_formula"]


def test_two_years_do_not_fit_one_column(tmp_path: Path) -> None:
    with pytest.raises(BadInput) as caught:
        filled(official(tmp_path / "official.xlsx", *ROWS), crediting())
    assert [found.code for found in caught.value.faults] == ["collector.template_segments"]


# -- a mapping -----------------------------------------------------------------------------------------------------


MAPPING = """
- {sheet: Sheet1, cell: B3, figure: input!E7}
- {sheet: Sheet1, cell: C12, figure: "'ex-ante'!F7"}
- {sheet: Sheet1, cell: A1, figure: input!C7}
- {sheet: Sheet1, cell: AB20, figure: calculation!G7}
"""


def mapped(path: Path, text: str) -> Path:
    book = Workbook(path)
    pages = lay_out(material())
    template.fill_mapped(book, pages, template.mapping(text, "mapping.yaml"))
    book.save(path.with_name("filled.xlsx"))
    return path.with_name("filled.xlsx")


def test_cells_named_by_a_mapping(tmp_path: Path) -> None:
    """Into rows and cells that are there, that are empty, and that do not exist yet."""
    book = openpyxl.Workbook()
    book.active.title = "Sheet1"
    book.active["B3"], book.active["D12"], book.active["C4"] = 0, "right of it", "=B3"
    book.save(tmp_path / "own.xlsx")
    sheet = openpyxl.load_workbook(mapped(tmp_path / "own.xlsx", MAPPING))["Sheet1"]
    assert [sheet[c].value for c in ("B3", "C12", "A1", "AB20")] == [48.347948444, 0.333, "EG[roof]", 16]
    assert (sheet["D12"].value, sheet["C4"].value) == ("right of it", "=B3")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("sheet: Sheet1, cell: B3", "sheet: Nowhere, cell: B3", "collector.template_no_sheet"),
        ("input!E7", "input!E9999", "collector.figure_unknown"),
        ("input!E7", "nowhere!E7", "collector.figure_unknown"),
        ("cell: B3", "cell: 3B", "config.out_of_range"),
    ],
)
def test_a_mapping_that_names_what_is_not_there(tmp_path: Path, old: str, new: str, code: str) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Sheet1"
    book.save(tmp_path / "own.xlsx")
    with pytest.raises(BadInput) as caught:
        mapped(tmp_path / "own.xlsx", MAPPING.replace(old, new, 1))
    assert code in {found.code for found in caught.value.faults}


# -- files that are none -------------------------------------------------------------------------------------------


def test_a_workbook_without_the_table(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    with pytest.raises(BadInput) as caught:
        filled(tmp_path / "empty.xlsx")
    assert [found.code for found in caught.value.faults] == ["collector.template_no_table"]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"a,b,c\n1,2,3\n"])
def test_a_file_that_is_no_workbook(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.xlsx").write_bytes(content)
    with pytest.raises(BadInput):
        Workbook(tmp_path / "x.xlsx")


def test_a_bomb_is_not_unpacked(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", b"\0" * (80 * 1024 * 1024))
    with pytest.raises(BadInput) as caught:
        Workbook(tmp_path / "bomb.xlsx")
    assert caught.value.faults[0].code == "collector.template_too_large"


def test_entities_are_refused(tmp_path: Path) -> None:
    source = official(tmp_path / "official.xlsx", *ROWS)
    _patched(source, "xl/workbook.xml", "<workbook", '<!DOCTYPE x [<!ENTITY a "b">]><workbook')
    with pytest.raises(BadInput):
        Workbook(source)


def test_an_empty_sheet_and_a_short_row_take_new_cells(tmp_path: Path) -> None:
    openpyxl.Workbook().save(tmp_path / "empty.xlsx")
    book = Workbook(tmp_path / "empty.xlsx")
    book.filled("Sheet", {(3, 2): 1.5, (3, 1): "<&>", (1, 1): 1e-07, (3, 3): 2.0})
    book.save(tmp_path / "out.xlsx")
    sheet = openpyxl.load_workbook(tmp_path / "out.xlsx")["Sheet"]
    assert [sheet[c].value for c in ("A1", "A3", "B3", "C3")] == [1e-07, "<&>", 1.5, 2]


def test_a_missing_value_fills_nothing(tmp_path: Path) -> None:
    base = one_year()
    row = replace(base.segments[0].monitored[0], corrected=None)
    made = replace(base, segments=(replace(base.segments[0], monitored=(row, base.segments[0].monitored[1])),))
    with pytest.raises(BadInput) as caught:
        filled(official(tmp_path / "official.xlsx", *ROWS), made)
    assert "collector.template_unit" in {found.code for found in caught.value.faults}
