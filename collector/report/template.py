"""Our figures into the official workbook: input cells only, its formulas untouched.

Cells are found by the columns (a) to (k) that every JCM monitoring report sheet has, or named in a mapping file. What
cannot be placed without a doubt is refused with everything that was missing: a figure in the wrong cell of a filed
workbook is worse than no workbook.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated

import msgspec

from collector.report.cells import Page, place
from collector.report.frame import Frame, factor
from collector.report.patch import Found, Workbook
from mrv import strict
from mrv.crediting.result import MonitoredRow, Segment
from mrv.errors import BadInput, Fault, fault, raise_all
from mrv.methodology import units

_MARK = re.compile(r"\(([a-k])\)")
#: Columns without which a table is not the table of monitored parameters.
_NEEDED = frozenset("acef")
#: Rows without a parameter after which a table has ended.
_END = 3
Values = dict[tuple[int, int], str | float]


class Placed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One line of a mapping file: the official cell, and the cell of our report that goes there."""

    sheet: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]
    cell: Annotated[str, msgspec.Meta(pattern="^[A-Z]{1,3}[1-9][0-9]{0,6}$")]
    figure: Annotated[str, msgspec.Meta(min_length=3, max_length=60)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """The table of monitored parameters in a workbook: its sheet, the row of its marks, the column of each mark."""

    sheet: str
    row: int
    columns: dict[str, int]


def mapping(text: str, source: str) -> tuple[Placed, ...]:
    """A mapping file. Raises BadInput with every fault found."""
    return strict.decode(text, tuple[Placed, ...], source).value


def fill_mapped(book: Workbook, pages: Sequence[Page], placed: Sequence[Placed]) -> int:
    """Fill the cells that a mapping names; how many. Raises BadInput: no such sheet or figure, or a formula there."""
    by_name = {page.name: page for page in pages}
    faults: list[Fault] = []
    values: dict[str, Values] = {}
    for one in placed:
        target, figure = place(f"x!{one.cell}"), place(one.figure)
        page = by_name.get(figure[0]) if figure else None
        cell = page.rows[figure[1] - 1].get(figure[2]) if page and figure and figure[1] <= len(page.rows) else None
        if one.sheet not in book.sheets:
            faults.append(fault("collector.template_no_sheet", one.sheet, known=", ".join(book.sheets)))
        elif target is None or cell is None or cell.value is None:
            faults.append(fault("collector.figure_unknown", one.figure))
        else:
            value = cell.value
            plain = value.numerator / value.denominator if isinstance(value, (int, Fraction)) else str(value)
            values.setdefault(one.sheet, {})[target[1:]] = plain
    raise_all(faults)
    for sheet, found in values.items():
        book.filled(sheet, found)
    return sum(map(len, values.values()))


def fill(book: Workbook, frame: Frame) -> int:
    """Fill the table of monitored parameters found by its marks; how many values. Raises BadInput with every doubt."""
    table = find(book)
    if table is None:
        raise BadInput(fault("collector.template_no_table", str(book.path), sheets=", ".join(book.sheets)))
    if len(frame.crediting.segments) != 1:
        count = len(frame.crediting.segments)
        raise BadInput(fault("collector.template_segments", str(book.path), count=count))
    (segment,) = frame.crediting.segments
    values, faults = _placed(book.cells(table.sheet), table, segment, frame)
    raise_all(faults)
    book.filled(table.sheet, values)
    return len(segment.monitored)


def find(book: Workbook) -> Table | None:
    """The first row of any sheet whose cells bear the marks (a), (c), (e), (f) in this order."""
    for sheet in book.sheets:
        marks: dict[int, dict[str, int]] = {}
        for (row, column), cell in sorted(book.cells(sheet).items()):
            mark = _MARK.match(cell.text.strip())
            if mark and not cell.formula:
                marks.setdefault(row, {}).setdefault(mark[1], column)
        for row, columns in sorted(marks.items()):
            if columns.keys() >= _NEEDED and [columns[m] for m in sorted(columns)] == sorted(columns.values()):
                return Table(sheet=sheet, row=row, columns=columns)
    return None


def _placed(
    cells: dict[tuple[int, int], Found], table: Table, segment: Segment, frame: Frame
) -> tuple[Values, list[Fault]]:
    rows = dict(_parameters(cells, table))
    values: Values = {}
    faults = []
    waiting: dict[str, list[int]] = {}
    for row, symbol in rows.items():
        waiting.setdefault(symbol, []).append(row)
    for one in segment.monitored:
        at = _row(waiting, one)
        if at is None:
            known = ", ".join(sorted(set(rows.values()))) or "none"
            faults.append(fault("collector.template_no_row", f"{one.symbol}[{one.item}]", known=known))
            continue
        unit = cells.get((at, table.columns["f"]), Found("", formula=False)).text
        number = _converted(one, unit)
        if number is None:
            faults.append(fault("collector.template_unit", f"{one.symbol}[{one.item}]", unit=unit, ours=one.unit))
            continue
        values[at, table.columns["e"]] = number
        values[at, table.columns["a"]] = frame.span(segment.start, segment.end)
    left = [row for found in waiting.values() for row in found]
    faults += [fault("collector.template_row_left", f"row {row}", parameter=rows[row]) for row in left]
    return values, faults


def _parameters(cells: dict[tuple[int, int], Found], table: Table) -> Iterator[tuple[int, str]]:
    """(row, parameter's letters) below the marks, until the table has ended; the names under the marks are no row."""
    last = max((row for row, _ in cells), default=0)
    empty = 0
    for row in range(table.row + 1, last + 1):
        text = cells.get((row, table.columns["c"]), Found("", formula=False)).text.strip()
        if any(_MARK.match(cells[row, c].text.strip()) for c in table.columns.values() if (row, c) in cells):
            return
        empty = 0 if text else empty + 1
        if empty >= _END:
            return
        if text and not text.lower().startswith("parameter"):
            yield row, _letters(text)


def _row(waiting: dict[str, list[int]], one: MonitoredRow) -> int | None:
    """The next row for a parameter: named with its item, else by its symbol, in the order of the items."""
    for name in (_letters(one.symbol + one.item), _letters(one.symbol), f"{_letters(one.symbol)}i"):
        if waiting.get(name):
            return waiting[name].pop(0)
    return None


def _letters(text: str) -> str:
    """A parameter's name without what sheets add to it: EC_PJ,i,p and EC_PJ[i] are the symbol EC_PJ."""
    bare = re.sub(r"[,\s]+(i|p|y|d|n)(?=$|[,\s])", "", text.replace("[i]", "").strip(), flags=re.IGNORECASE)
    return re.sub(r"[^a-z0-9]", "", bare.lower())


def _converted(one: MonitoredRow, unit: str) -> float | None:
    """The value in the unit of the sheet (MWh/p is MWh); None when it is missing or the unit is another kind."""
    bare = re.sub(r"/(p|y|year|period)$", "", unit.strip(), flags=re.IGNORECASE)
    try:
        wanted = factor(bare)
    except BadInput:
        return None
    if one.corrected is None or not _same_kind(one.unit, bare):
        return None
    value = one.corrected * factor(one.unit) / wanted
    return value.numerator / value.denominator


def _same_kind(ours: str, theirs: str) -> bool:
    return units.unit(ours).dimension == units.unit(theirs).dimension
