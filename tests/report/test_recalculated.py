"""The calculation sheet computed by LibreOffice from formulas alone: tonnes equal, kilograms within 1e-9."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import schema_walk
from credit_cases import CASES, evidence
from openpyxl import Workbook
from paper_crediting import END, START, crediting, term
from paper_material import material
from real import need
from soffice import all_recalculated, recalculated

from collector.report import plain, workbook
from collector.report.cells import Cell, Figure, Page, place
from collector.report.frame import TONNE
from collector.report.material import Material, PlanVersion
from collector.report.sheets import lay_out
from mrv.crediting.engine import credit
from mrv.crediting.result import CalendarRow, ComputedRow, Crediting, ExAnteRow, MonitoredRow, Segment, Vintage
from mrv.crediting.sealed import Evidence
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology
from mrv.methodology.emissions import Values, solve
from mrv.methodology.units import unit
from mrv.period import shown
from mrv.plan.versions import timeline

pytestmark = pytest.mark.real


def computed_by_libreoffice(made: Material, folder: Path) -> tuple[tuple[Page, ...], Workbook]:
    """The pages, and the workbook as LibreOffice computes it: formulas carried no results to copy."""
    pages = lay_out(made)
    workbook.write(pages, folder / "report.xlsx", at=made.crediting.end, footer="test", cached=False)
    return pages, recalculated(folder / "report.xlsx", folder)


def differing(pages: tuple[Page, ...], computed: Workbook, least: int = 20) -> list[str]:
    """Every formula whose result in LibreOffice is not ours: numbers within 1e-9 relative, text equal."""
    wrong, count = [], 0
    for page in pages:
        for row, column, cell in page.cells():
            if cell.formula is None:
                continue
            count += 1
            found = computed[page.name].cell(row, column).value
            if not same(cell, found):
                wrong.append(f"{page.name} {row},{column} ={cell.formula}: {cell.value} but {found}")
    assert count > least
    return wrong


def same(cell: Cell, found: Any) -> bool:
    if isinstance(cell.value, Fraction):
        allowed = abs(cell.value) / 10**9 + Fraction(1, 10**12)
        return isinstance(found, (int, float)) and abs(Fraction(found) - cell.value) <= allowed
    return bool(found == cell.value)


def test_a_whole_report(tmp_path: Path) -> None:
    need("soffice")
    pages, computed = computed_by_libreoffice(material(), tmp_path)
    assert differing(pages, computed) == []
    summary = [cell.value for row in computed["summary"].iter_rows() for cell in row]
    assert 18 in summary, "16 whole tonnes of 2026 and 2 of 2027"
    checks = [cell.value for row in computed["calculation"].iter_rows() for cell in row]
    assert "DIFFERS" not in checks
    assert checks.count("ok") == 8


def test_a_figure_that_was_tampered_with_is_seen(tmp_path: Path) -> None:
    """Somebody types another input into the workbook: the sheet itself says that it no longer agrees."""
    need("soffice")
    made = material()
    pages = lay_out(made)
    page = {one.name: one for one in pages}["input"]
    row = next(r for r, c, _ in page.cells() if c == 12 and r > 7)
    page.put(row, 12, Cell(value=Fraction(99999), style="fine"))
    workbook.write(pages, tmp_path / "report.xlsx", at=made.crediting.end, footer="test", cached=False)
    computed = recalculated(tmp_path / "report.xlsx", tmp_path)
    assert "DIFFERS" in [cell.value for row in computed["calculation"].iter_rows() for cell in row]


def test_negative_and_nearly_whole_years(tmp_path: Path) -> None:
    """A year below zero rounds down, not toward zero; one within 1e-6 of a whole tonne is flagged, not decided."""
    need("soffice")
    base = crediting()
    low, near = Fraction(-2500), Fraction(3_000_000_000 - 1, 10**6)
    first = _with_reduction(base.segments[0], low)
    second = _with_reduction(base.segments[1], near)
    years = (
        replace(base.vintages[0], reduction=low, reference=low, project=Fraction(0), tonnes=-3, near_integer=False),
        replace(base.vintages[1], reduction=near, reference=near, project=Fraction(0), tonnes=2, near_integer=True),
    )
    made = crediting(segments=(first, second), vintages=years, tonnes=-1, ledger=())
    pages, computed = computed_by_libreoffice(material(crediting=made), tmp_path)
    sheet = {page.name: page for page in pages}["calculation"]
    row = next(r for r, c, cell in sheet.cells() if c == 1 and cell.value == 2026)
    assert computed["calculation"].cell(row, 7).value == -3
    assert "whole tonne" in str(computed["calculation"].cell(row + 1, 9).value)


def _with_reduction(segment: Segment, kg: Fraction) -> Segment:
    """The segment with one item that gives exactly `kg`."""
    mwh = kg / TONNE / Fraction("0.333")
    row = replace(
        segment.monitored[0],
        raw=mwh,
        corrected=mwh,
        terms=(replace(term("active_energy_export", 1, "1"), raw=mwh * 1000, corrected=mwh * 1000),),
    )
    values = {"RE_p": kg / TONNE, "PE_p": Fraction(0), "ER_p": kg / TONNE}
    rows = tuple(replace(one, value=values[one.symbol]) for one in segment.computed)
    fixed, none = segment.ex_ante[:1], Fraction(0)
    return replace(segment, ex_ante=fixed, monitored=(row,), computed=rows, reduction=kg, reference=kg, project=none)


def test_hours_are_those_of_each_item(tmp_path: Path) -> None:
    """An item that starts in mid-year has the hours from its own start, and who moves the start moves the tonnes."""
    need("soffice")
    found = evidence(CASES / "credit_hours_of_each_item_from_its_own_start")
    made = material(crediting=credit(found), entries=(), versions=tuple(versions(found)))
    pages, computed = computed_by_libreoffice(made, tmp_path)
    assert differing(pages, computed, least=3) == []
    sheet = {page.name: page for page in pages}["calculation"]
    rows = [row for row, column, cell in sheet.cells() if column == 3 and cell.style == "moment"]
    assert [computed["calculation"].cell(row, 5).value for row in rows] == [8760, pytest.approx(4416, rel=1e-12)]
    used = [str(cell.formula) for _, _, cell in sheet.cells() if cell.formula and f"$E${rows[1]}" in cell.formula]
    assert used, "the equations take the hours from there"
    begin = sheet.rows[rows[1] - 1][3]
    sheet.put(rows[1], 3, replace(begin, value=sheet.rows[rows[0] - 1][3].value))
    (tmp_path / "moved").mkdir()
    workbook.write(pages, tmp_path / "moved" / "r.xlsx", at=made.crediting.end, footer="test", cached=False)
    moved = recalculated(tmp_path / "moved" / "r.xlsx", tmp_path / "moved")
    values = [cell.value for row in moved["calculation"].iter_rows() for cell in row]
    assert "DIFFERS" in values
    assert any(isinstance(one, float) and abs(one - 6.181056) < 1e-9 for one in values), "the year's hours for both"
    folder = tmp_path / "csv"
    plain.write_csv(lay_out(made), folder)
    assert shown(made.crediting.segments[0].calendar[1].start) in (folder / "calculation.csv").read_text("utf-8")


# -- every methodology ---------------------------------------------------------------------------------------------

ITEMS = ("one", "two", "three")


def of_methodology(method: Methodology, seed: int) -> Crediting:
    """A crediting with random values for everything the methodology asks for, computed by mrv itself."""
    chance = random.Random(seed)
    values: Values = {}
    fixed: list[ExAnteRow] = []
    rows: list[MonitoredRow] = []
    hours = Fraction(END - START, 3_600_000)
    for name, quantity in method.symbols.items():
        for item in ITEMS if quantity.per == "item" else ("",):
            factor = unit(quantity.unit).factor
            number = Decimal(chance.randrange(100, 99999)) / 1000
            match quantity.kind:
                case "ex_ante":
                    number = min(max(number, quantity.range.least), quantity.range.most) if quantity.range else number
                    fixed.append(_fixed(name, item, quantity.unit, number))
                    values[name, item] = Fraction(number) * factor
                case "monitored":
                    rows.append(_monitored(name, item, quantity.unit, Fraction(number)))
                    values[name, item] = Fraction(number) * factor
                case "calendar":
                    values[name, item] = hours
    solved = solve(method.parsed, values, ITEMS)
    calendar = tuple(
        CalendarRow(
            symbol=name,
            item=item,
            description=name,
            unit=q.unit,
            start=START,
            end=END,
            value=hours / unit(q.unit).factor,
        )
        for name, q in method.symbols.items()
        if q.kind == "calendar"
        for item in (ITEMS if q.per == "item" else ("",))
    )
    computed = tuple(_computed(method, name, item, solved) for name, item in solved if (name, item) not in values)
    kg = {name: solved[name, ""] for name in ("RE_p", "PE_p", "ER_p")}
    base = crediting().segments[0]
    segment = replace(
        base,
        start=START,
        end=END,
        methodology=method.name,
        ex_ante=tuple(fixed),
        monitored=tuple(rows),
        computed=computed,
        calendar=calendar,
        raw_reduction=kg["ER_p"],
        reference=kg["RE_p"],
        project=kg["PE_p"],
        reduction=kg["ER_p"],
    )
    tonnes = kg["ER_p"] / TONNE
    vintage = Vintage(
        year=2026,
        start=START,
        end=END,
        hours=hours,
        reference=kg["RE_p"],
        project=kg["PE_p"],
        reduction=kg["ER_p"],
        tonnes=tonnes.numerator // tonnes.denominator,
        near_integer=False,
        missing=(),
    )
    return crediting(segments=(segment,), vintages=(vintage,), tonnes=vintage.tonnes, ledger=())


def _fixed(name: str, item: str, spelled: str, number: Decimal) -> ExAnteRow:
    return ExAnteRow(
        symbol=name,
        item=item,
        description=name,
        value=number,
        unit=spelled,
        converted=Fraction(number),
        symbol_unit=spelled,
        document="d",
        date=date(2025, 1, 1),
        locator="p",
    )


def _monitored(name: str, item: str, spelled: str, value: Fraction) -> MonitoredRow:
    return MonitoredRow(
        symbol=name,
        item=item,
        description=name,
        unit=spelled,
        option="C",
        direction="raises",
        raw=value,
        corrected=value,
        terms=(),
        missing=(),
        measured_by="m",
        procedure="p",
        frequency="f",
    )


def _computed(method: Methodology, name: str, item: str, solved: Values) -> ComputedRow:
    quantity = method.symbols[name]
    text = next(equation.text for equation in method.parsed if equation.name == name)
    value = solved[name, item] / unit(quantity.unit).factor
    return ComputedRow(symbol=name, item=item, description=name, unit=quantity.unit, equation=text, value=value)


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_methodology_gives_the_same_in_a_spreadsheet(tmp_path: Path) -> None:
    need("soffice")
    written: dict[Path, tuple[Page, ...]] = {}
    for number, (name, method) in enumerate(catalogue.library().items()):
        made = material(crediting=of_methodology(method, number), entries=())
        path = tmp_path / f"{name}.xlsx"
        written[path] = lay_out(made)
        workbook.write(written[path], path, at=made.crediting.end, footer="test", cached=False)
    for (path, pages), computed in zip(written.items(), all_recalculated(list(written), tmp_path), strict=True):
        assert differing(pages, computed) == [], path.name
        assert "DIFFERS" not in [cell.value for row in computed["calculation"].iter_rows() for cell in row]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_pinned_case_gives_its_tonnes_in_a_spreadsheet(tmp_path: Path) -> None:
    """The cases worked out by hand: their ledgers, straddles, invoices and floors as live formulas."""
    need("soffice")
    written: dict[Path, tuple[Page, ...]] = {}
    for folder in sorted(CASES.glob("credit_*")):
        found = evidence(folder)
        made = material(crediting=credit(found), entries=(), versions=tuple(versions(found)))
        path = tmp_path / f"{folder.name}.xlsx"
        written[path] = lay_out(made)
        workbook.write(written[path], path, at=made.crediting.end, footer="test", cached=False)
    for (path, pages), computed in zip(written.items(), all_recalculated(list(written), tmp_path), strict=True):
        assert differing(pages, computed, least=3) == [], path.name
        expected = schema_walk.loaded((CASES / path.stem / "expected.yaml").read_text())
        verdicts = [cell.value for row in computed["calculation"].iter_rows() for cell in row]
        assert "DIFFERS" not in verdicts, path.name
        total = next(
            cell for page in pages for _, _, cell in page.cells() if cell.figure == Figure(kind="total", key=())
        )
        assert total.value == expected["tonnes"] or expected["tonnes"] is None, path.name


def versions(found: Evidence) -> Iterator[PlanVersion]:
    for one in timeline(found.plans).versions:
        yield PlanVersion(start=one.start, digest=one.digest, plan=one.plan)


def test_addresses_are_read_as_people_write_them() -> None:
    assert place("input!E7") == ("input", 7, 5)
    assert place("'ex-ante'!$F$12") == ("ex-ante", 12, 6)
    assert place("input!AA1") == ("input", 1, 27)
    for wrong in ("E7", "input!", "input!7E", "input!E", "input!ABCD1", "!E7E"):
        assert place(wrong) is None
