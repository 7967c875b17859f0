"""The file itself: equal bytes for equal material, text that stays text, a public copy, CSV and JSON."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import openpyxl
import pytest
from paper_crediting import crediting
from paper_material import material

from collector.report import plain, workbook
from collector.report.cells import Cell, Page, label, public
from collector.report.sheets import lay_out
from mrv.errors import Unavailable

SHEETS = (
    "summary", "input", "ex-ante", "calculation", "corrections", "structure", "metering", "calibration", "events",
    "completeness", "QA-QC", "cross-check", "implementation", "evidence", "sampling", "glossary",
)  # fmt: skip
HERE = Path(__file__).resolve()


@pytest.fixture(scope="module", name="report")
def a_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "report.xlsx"
    made = material()
    workbook.write(lay_out(made), path, at=made.crediting.end, footer="pv 2026")
    return path


def words(sheet: openpyxl.worksheet.worksheet.Worksheet) -> list[str]:
    return [str(cell.value) for row in sheet.iter_rows() for cell in row if cell.value is not None]


def test_every_sheet_is_there_and_says_that_it_must_not_be_filed(report: Path) -> None:
    book = openpyxl.load_workbook(report)
    assert tuple(book.sheetnames) == SHEETS
    for name in SHEETS:
        assert any("NOT FOR SUBMISSION" in word for word in words(book[name])), name
        assert book[name].page_setup.orientation == ("portrait" if name == "summary" else "landscape")
        assert book[name].print_area


def test_a_report_that_may_be_filed_does_not_say_so(tmp_path: Path) -> None:
    made = material(crediting=crediting(not_for_submission=()))
    assert not any("NOT FOR SUBMISSION" in str(c.value) for page in lay_out(made) for _, _, c in page.cells())


def test_the_columns_of_a_monitoring_report_sheet(report: Path) -> None:
    sheet = openpyxl.load_workbook(report)["input"]
    head = next(row for row in sheet.iter_rows(values_only=True) if row[0] and str(row[0]).startswith("(a)"))
    assert [str(cell)[:3] for cell in head[:11]] == [f"({letter})" for letter in "abcdefghijk"]
    assert "Kỳ giám sát" in str(head[0])
    assert "モニタリング期間" in str(head[0])


def test_page_one_states_time_zone_rounding_and_reasons(report: Path) -> None:
    said = " ".join(words(openpyxl.load_workbook(report)["summary"]))
    assert "Asia/Ho_Chi_Minh, tz database 2026a" in said
    assert "rounded down (toward minus infinity)" in said
    assert "VN_AM007_ver01.0" in said


def test_formulas_carry_the_exact_results_of_mrv(report: Path) -> None:
    formulas, values = openpyxl.load_workbook(report), openpyxl.load_workbook(report, data_only=True)
    sheet = formulas["calculation"]
    found = [(c.value, values["calculation"][c.coordinate].value) for row in sheet.iter_rows() for c in row]
    sums = [value for formula, value in found if str(formula).startswith("=SUM($D$")]
    assert sums == [16.510977642852, 2.416400181]


def test_what_a_site_says_never_becomes_a_formula(tmp_path: Path) -> None:
    page = Page(name="x", title="x")
    hostile = ("=1+1", "+1", "-1", "@SUM(A1)", "http://example.org", "=cmd|' /C calc'!A0")
    for text in hostile:
        page.add([Cell(value=text, style="text")])
    workbook.write([page], tmp_path / "x.xlsx", at=0, footer="a & b")
    sheet = openpyxl.load_workbook(tmp_path / "x.xlsx")["x"]
    assert [(c.value, c.data_type) for row in sheet.iter_rows() for c in row] == [(text, "s") for text in hostile]
    plain.write_csv([page], tmp_path / "csv")
    with (tmp_path / "csv" / "x.csv").open(encoding="utf-8", newline="") as file:
        assert [row[0] for row in csv.reader(file)] == [f"'{text}" if text[0] in "=+-@" else text for text in hostile]


SCRIPT = """
import sys
sys.path[:0] = [sys.argv[1]]
from pathlib import Path
from paper_material import material
from collector.report import plain, workbook
from collector.report.sheets import lay_out
made = material()
pages = lay_out(made)
workbook.write(pages, Path(sys.argv[2]) / "r.xlsx", at=made.crediting.end, footer="pv")
plain.write_json(pages, made, Path(sys.argv[2]) / "r.json")
plain.write_csv(pages, Path(sys.argv[2]) / "csv")
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    """Another hash seed, locale and time zone; another day as well."""
    worlds = (
        {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "Asia/Ho_Chi_Minh"},
        {"PYTHONHASHSEED": "77", "LC_ALL": "C", "TZ": "America/New_York", "USER": "somebody"},
    )
    for number, world in enumerate(worlds):
        folder = tmp_path / str(number)
        folder.mkdir()
        command = [sys.executable, "-X", "utf8", "-c", SCRIPT, str(HERE.parent), str(folder)]
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG", "PYTHONHASH"))} | world
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, cwd=HERE.parents[2], check=False
        )
        assert done.returncode == 0, done.stderr
    first, second = (sorted((tmp_path / name).rglob("*.*")) for name in ("0", "1"))
    assert [p.name for p in first] == [p.name for p in second]
    assert len(first) == len(SHEETS) + 2
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_a_public_copy_hides_names_serials_and_what_is_asked_for(tmp_path: Path) -> None:
    pages = public(lay_out(material()), {"input": frozenset({5})})
    workbook.write(pages, tmp_path / "public.xlsx", at=0, footer="public")
    plain.write_json(pages, None, tmp_path / "public.json")
    plain.write_csv(pages, tmp_path / "csv")
    book = openpyxl.load_workbook(tmp_path / "public.xlsx")
    everything = [word for name in book.sheetnames for word in words(book[name])]
    whole = " ".join(everything) + (tmp_path / "public.json").read_text("utf-8")
    whole += " ".join(path.read_text("utf-8") for path in (tmp_path / "csv").iterdir())
    for secret in ("Nguyen Van A", "12345678", "CT-1", "S-1", "48.347948"):
        assert secret not in whole
    assert everything.count("XXX") > 10
    assert not any(word.startswith("=") for word in everything), "a formula would show what it was made from"
    assert "16" in words(book["calculation"]), "the whole tonnes are what a public copy is for"


def test_csv_and_json_hold_what_the_workbook_holds(tmp_path: Path) -> None:
    made = material()
    pages = lay_out(made)
    plain.write_csv(pages, tmp_path / "csv")
    plain.write_json(pages, made, tmp_path / "r.json")
    assert {path.stem for path in (tmp_path / "csv").iterdir()} == set(SHEETS)
    found = json.loads((tmp_path / "r.json").read_text("utf-8"))
    assert found["crediting"]["tonnes"] == 18
    cell = found["pages"]["input"]["cells"]["E8"]
    assert Fraction(cell["value"]) == Fraction("48772.468644")
    assert cell["formula"] == "L8+M8"


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for write in (
        lambda: workbook.write([], tmp_path / "no" / "r.xlsx", at=0, footer=""),
        lambda: plain.write_csv([Page(name="x", title="x")], tmp_path / "file"),
        lambda: plain.write_json([], None, tmp_path / "no" / "r.json"),
    ):
        with pytest.raises(Unavailable):
            write()


def test_labels_in_the_languages_asked_for() -> None:
    assert label("unit", ("en",)) == "Unit"
    assert label("unit", ("en", "vi", "ja")) == "Unit\nĐơn vị\n単位"
    assert label("EG [MWh]", ("en", "vi")) == "EG [MWh]"


@pytest.mark.parametrize("language", ["vi", "ja"])
def test_every_label_has_its_translation(language: str) -> None:
    from mrv.messages import text

    missing = set()
    for page in lay_out(material(), ("en",)):
        for _, _, cell in page.cells():
            if cell.style == "head" and isinstance(cell.value, str):
                missing |= {cell.value} if not _translated(cell.value, language) else set()
    assert missing == set()
    assert text("report.unit", language) != text("report.unit")


def _translated(english: str, language: str) -> bool:
    """Whether the catalogue of `language` holds the label whose English is `english`; formulas are in none."""
    return ("[" in english and "]" in english) or english in _english(language)


def _english(language: str) -> set[str]:
    from babel.messages.pofile import read_po

    root = HERE.parents[2] / "mrv" / "locale"
    both = []
    for name in ("en", language):
        with (root / name / "LC_MESSAGES" / "report.po").open("rb") as file:
            both.append({str(m.id): str(m.string) for m in read_po(file) if m.id})
    return {text for key, text in both[0].items() if key in both[1]}


def test_a_missing_value_is_said_and_computes_nothing() -> None:
    base = crediting()
    row = replace(
        base.segments[0].monitored[0], raw=None, corrected=None, terms=(), missing=("PV-AC:active_energy_export",)
    )
    none = {"raw_reduction": None, "reference": None, "project": None, "reduction": None}
    computed = tuple(replace(one, value=None) for one in base.segments[0].computed)
    segment = replace(base.segments[0], monitored=(row, base.segments[0].monitored[1]), computed=computed, **none)
    year = replace(base.vintages[0], reference=None, project=None, reduction=None, tonnes=None, missing=row.missing)
    made = crediting(segments=(segment, base.segments[1]), vintages=(year, base.vintages[1]), tonnes=None, ledger=())
    pages = {page.name: page for page in lay_out(material(crediting=made))}
    cells = [cell for _, _, cell in pages["calculation"].cells()]
    assert [c.value for c in cells].count("missing") >= 5
    first = [cell for row_, _, cell in pages["calculation"].cells() if row_ == 7]
    assert not any(cell.formula for cell in first), "a year that misses something has no formula to show a number with"
    assert any("PV-AC:active_energy_export" in str(c.value) for _, _, c in pages["summary"].cells())
