"""The report without a spreadsheet: one CSV file per page for people's tools, one JSON document for machines.

CSV holds the exact values to nine decimals, JSON every fraction exactly, the addresses of the workbook beside both.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from datetime import date
from fractions import Fraction
from pathlib import Path
from typing import Any

from collector.report.cells import Cell, Page, letters, moment
from collector.report.material import Material
from mrv import number, period
from mrv.crediting.result import canonical
from mrv.errors import Unavailable, fault

#: Decimals of a figure in CSV.
DECIMALS = 9
#: Text that a spreadsheet would take for a formula gets a mark in front.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_csv(pages: Sequence[Page], folder: Path) -> None:
    """One file per page into `folder`. Raises Unavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for page in pages:
            (folder / f"{page.name}.csv").write_text(_csv(page), encoding="utf-8", newline="")
    except OSError as error:
        raise Unavailable(fault("collector.report_unwritten", str(folder), problem=error)) from error


def _csv(page: Page) -> str:
    made = io.StringIO()
    writer = csv.writer(made, lineterminator="\r\n")
    for cells in page.rows:
        writer.writerow([_said(cells.get(column)) for column in range(1, max(cells, default=0) + 1)])
    return made.getvalue()


def _said(cell: Cell | None) -> str:
    value = cell.value if cell else None
    if isinstance(value, Fraction) and cell is not None and cell.style == "moment":
        return period.shown(int((value - moment(0)) * 86_400_000))
    if isinstance(value, Fraction):
        return f"{number.rounded(value, DECIMALS):f}"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return "" if value is None else str(value)


def write_json(pages: Sequence[Page], material: Material | None, path: Path) -> None:
    """Everything in one document, as `mrv-verify --report` takes it. `material` None: a public copy, pages only.

    Raises Unavailable.
    """
    values: dict[str, Any] = {"crediting": None, "basis": None, "pages": {page.name: _page(page) for page in pages}}
    if material is not None:
        logs = [{"origin": log.origin, "size": log.size, "root": log.root} for log in material.logs]
        values["crediting"] = json.loads(canonical(material.crediting))
        values["basis"] = {"journal": material.journal_head, "logs": logs}
    try:
        path.write_text(json.dumps(values, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise Unavailable(fault("collector.report_unwritten", str(path), problem=error)) from error


def _page(page: Page) -> dict[str, Any]:
    cells = {
        f"{letters(column)}{row}": _cell(cell) for row, column, cell in page.cells() if cell.value not in (None, "")
    }
    return {"title": page.title, "cells": cells}


def _cell(cell: Cell) -> dict[str, Any]:
    value = cell.value
    plain: Any = f"{value.numerator}/{value.denominator}" if isinstance(value, Fraction) else value
    plain = str(plain) if isinstance(plain, date) else plain
    return {"value": plain} | ({"formula": cell.formula} if cell.formula else {})
