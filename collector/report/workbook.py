"""Pages -> an .xlsx file: the home of XlsxWriter. Equal pages give equal bytes, whoever writes, wherever, whenever.

Nothing of the machine gets in: no clock, no user, no locale. Text is written as text (what a site says can never become
a formula); exact values become doubles only here, as the cached results of formulas that the reader's program computes
again.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from datetime import UTC
from fractions import Fraction
from pathlib import Path
from typing import Any

from collector.report.cells import Cell, Page, Style
from mrv.errors import Unavailable, fault
from mrv.period import instant

try:
    import xlsxwriter
except ModuleNotFoundError as error:
    raise Unavailable(fault("collector.extra_missing", library="XlsxWriter", extra="collector")) from error

#: A cell's text; more is cut with a mark, as Excel takes 32,767.
MAX_TEXT = 32_000
_A4, _FONT = 9, "Calibri"
#: Points of one line, of one in small print, and of the tallest row Excel takes.
_LINE, _SMALL, _TALLEST = 13.5, 10.8, 409.0
_BORDER = {"border": 1, "border_color": "#BFBFBF"}
#: `_)` keeps a number off the text in the next column: it takes as much room as a bracket.
_STYLES: dict[Style, dict[str, Any]] = {
    "text": {"valign": "top", "indent": 1, **_BORDER},
    "wrap": {"text_wrap": True, "valign": "top", "indent": 1, **_BORDER},
    "mono": {"text_wrap": True, "valign": "top", "font_name": "Consolas", "font_size": 8, **_BORDER},
    "title": {"bold": True, "font_size": 14},
    "note": {"italic": True, "font_color": "#595959"},
    "warning": {"bold": True, "font_color": "#C00000", "font_size": 12},
    "head": {"bold": True, "text_wrap": True, "valign": "top", "bg_color": "#DDEBF7", **_BORDER},
    "label": {"bold": True, "valign": "top"},
    "integer": {"num_format": "#,##0_)", "valign": "top", **_BORDER},
    "year": {"num_format": "0", "valign": "top", "align": "left", "bold": True, **_BORDER},
    "fine": {"num_format": "#,##0.000000_)", "valign": "top", **_BORDER},
    "share": {"num_format": "0.0000%_)", "valign": "top", **_BORDER},
    "date": {"valign": "top", "indent": 1, **_BORDER},
    "moment": {"num_format": "yyyy-mm-dd hh:mm", "valign": "top", **_BORDER},
    "verdict": {"bold": True, "valign": "top", "indent": 1, **_BORDER},
}


def write(pages: Sequence[Page], path: Path, *, at: int, footer: str, cached: bool = True) -> None:
    """Write `pages` to `path`; `at` (UTC ms) is the creation time the file bears, that of the data it shows.

    Without `cached` the formulas carry no results, so that whatever a program shows it has computed itself.
    Raises Unavailable when the file cannot be written.
    """
    book = xlsxwriter.Workbook(str(path), {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False})
    book.set_properties({"created": instant(at).astimezone(UTC).replace(tzinfo=None), "title": footer})
    book.set_calc_mode("auto")
    styles = {name: book.add_format({"font_name": _FONT, "font_size": 10} | look) for name, look in _STYLES.items()}
    for page in pages:
        _sheet(book.add_worksheet(page.name), page, styles, footer, cached=cached)
    try:
        book.close()
    except (OSError, xlsxwriter.exceptions.FileCreateError) as error:
        raise Unavailable(fault("collector.report_unwritten", str(path), problem=error)) from error


def _sheet(sheet: Any, page: Page, styles: dict[Style, Any], footer: str, *, cached: bool) -> None:
    for column, width in page.widths.items():
        sheet.set_column(column - 1, column - 1, width)
    for row in range(1, len(page.rows) + 1):
        sheet.set_row(row - 1, _height(page, row))
    for row, column, cell in page.cells():
        _cell(sheet, row - 1, column - 1, cell, styles[cell.style], cached=cached)
    if not page.single:
        sheet.set_landscape()
    sheet.set_paper(_A4)
    sheet.set_margins(left=0.4, right=0.4, top=0.6, bottom=0.6)
    sheet.fit_to_pages(1, 1 if page.single else 0)
    sheet.hide_gridlines(1)
    sheet.set_footer(f"&L&8{footer}&C&8&A&R&8&P / &N")
    widest = max(page.widths, default=1)
    sheet.print_area(0, 0, max(len(page.rows) - 1, 0), max(widest, 1) - 1)
    heads = sum(any(cell.style == "head" for cell in cells.values()) for cells in page.rows)
    if page.head is not None and heads == 1:  # a second table has a head of its own
        sheet.freeze_panes(page.head, 0)
        sheet.repeat_rows(page.head - 1)


def _cell(sheet: Any, row: int, column: int, cell: Cell, look: Any, *, cached: bool) -> None:
    if cell.span > 1:
        sheet.merge_range(row, column, row, column + cell.span - 1, "", look)
    if cell.formula is not None:
        result = _plain(cell.value) if cached else ""
        sheet.write_formula(row, column, f"={cell.formula}", look, "" if result is None else result)
    elif cell.value is None or cell.value == "":
        sheet.write_blank(row, column, None, look)
    elif isinstance(cell.value, (int, Fraction)):
        sheet.write_number(row, column, _plain(cell.value), look)
    else:
        words = str(cell.value)
        sheet.write_string(row, column, words if len(words) <= MAX_TEXT else f"{words[:MAX_TEXT]} ...", look)


def _height(page: Page, row: int) -> float:
    """Points that a row needs: programs that read a workbook without showing it do not work that out."""
    cells = page.rows[row - 1].items()
    points = (_lines(c, _width(page, n, c.span)) * (_SMALL if c.style == "mono" else _LINE) for n, c in cells)
    return min(max(points, default=_LINE) + 4, _TALLEST)


def _width(page: Page, column: int, span: int) -> int:
    return sum(page.widths.get(number, 9) for number in range(column, column + span))


def _lines(cell: Cell, width: int) -> int:
    """How many lines a text takes in a column `width` characters wide; what is not wrapped takes one."""
    if not isinstance(cell.value, str) or "text_wrap" not in _STYLES[cell.style]:
        return 1
    room = max(width * (1.15 if cell.style == "mono" else 0.95), 1)
    return sum(max(1, math.ceil(_breadth(line) / room)) for line in cell.value.split("\n"))


def _breadth(line: str) -> int:
    """Characters, ideographs counted twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def _plain(value: object) -> str | float | int | None:
    """What a spreadsheet keeps: the double nearest to an exact value."""
    if isinstance(value, Fraction):
        return value.numerator / value.denominator
    return value if isinstance(value, int) or value is None else str(value)
