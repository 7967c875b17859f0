"""A report as values: pages of cells that know their formula, their exact value and where they come from.

Nothing here knows a file format. Addresses are those of a spreadsheet (`input!E7`), because that is what people say on
the telephone; a `Figure` leads from a cell back into the crediting it was rendered from.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from fractions import Fraction
from typing import Literal

from mrv.messages import text

Value = str | int | Fraction | date | None
Style = Literal[
    "text",
    "wrap",
    "mono",
    "title",
    "note",
    "warning",
    "head",
    "label",
    "integer",
    "year",
    "fine",
    "share",
    "date",
    "moment",
    "verdict",
]
#: What a public copy shows instead of a confidential cell.
REDACTED = "XXX"
#: Columns a page may have; A to ZZZ is more than any sheet takes.
_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#: A cell within a formula, with the sheet it stands on.
_REFERENCE = re.compile(r"((?:'[^']+'|[A-Za-z_][A-Za-z0-9_]*)!|)(\$?[A-Z]{1,3}\$?[0-9]+)(?![A-Za-z0-9(])")
#: What stays in a public copy whatever it was computed from.
_RESULTS = ("computed", "vintage", "total")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What a cell shows of a crediting: which part (`kind`) and its key there."""

    kind: Literal["parameter", "term", "ex_ante", "computed", "vintage", "line", "total", "sample"]
    key: tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One cell. `value` is exact; with a `formula` (without "=") a spreadsheet computes it again.

    `span` columns wide; the cells it covers stay empty.
    """

    value: Value = None
    formula: str | None = None
    style: Style = "text"
    confidential: bool = False
    figure: Figure | None = None
    span: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: the catalogue name of its label, its width in characters, how its cells look."""

    label: str
    width: int = 14
    style: Style = "text"
    confidential: bool = False


@dataclass(slots=True, kw_only=True)
class Page:
    """One sheet while it is laid out. Rows and columns are counted from 1, as people do."""

    name: str
    title: str
    widths: dict[int, int] = field(default_factory=dict)
    rows: list[dict[int, Cell]] = field(default_factory=list)
    #: The row repeated on every printed page and above which nothing scrolls away.
    head: int | None = None
    #: All of it on one printed page.
    single: bool = False

    def add(self, cells: Iterable[Cell | None] = (), *, at: int = 1) -> int:
        """Put a row below the others, its first cell in column `at`; its number."""
        self.rows.append({number: cell for number, cell in enumerate(cells, at) if cell is not None})
        return len(self.rows)

    def reserve(self, count: int) -> int:
        """Leave `count` rows to be filled in later by `put`; the number of the first."""
        first = len(self.rows) + 1
        self.rows += [{} for _ in range(count)]
        return first

    def put(self, row: int, column: int, cell: Cell) -> None:
        self.rows[row - 1][column] = cell

    def table(self, columns: Sequence[Column], languages: Sequence[str]) -> int:
        """The head of a table; its row."""
        for number, column in enumerate(columns, 1):
            self.widths[number] = max(self.widths.get(number, 0), column.width)
        row = self.add(Cell(value=label(column.label, languages), style="head") for column in columns)
        self.head = self.head or row
        return row

    def line(self, columns: Sequence[Column], values: Sequence[Value | Cell]) -> int:
        """A row of a table; plain values take the look of their column."""
        made = [
            replace(value, confidential=value.confidential or column.confidential)
            if isinstance(value, Cell)
            else Cell(value=value, style=column.style, confidential=column.confidential)
            for column, value in zip(columns, values, strict=True)
        ]
        return self.add(made)

    def address(self, row: int, column: int) -> str:
        """How another cell names this one: absolute, with the sheet."""
        return f"{quoted(self.name)}!${letters(column)}${row}"

    def cells(self) -> Iterator[tuple[int, int, Cell]]:
        """(row, column, cell) in reading order."""
        for row, cells in enumerate(self.rows, 1):
            for column in sorted(cells):
                yield row, column, cells[column]


def moment(ms: int) -> Fraction:
    """A UTC instant as spreadsheets count days, so that their difference is one of time (style `moment`)."""
    return Fraction(ms, 86_400_000) + 25_569


def quoted(name: str) -> str:
    """A sheet's name as formulas spell it."""
    return name if name.isidentifier() else f"'{name}'"


def letters(column: int) -> str:
    """1 -> A, 27 -> AA."""
    found = ""
    while column:
        column, rest = divmod(column - 1, 26)
        found = _LETTERS[rest] + found
    return found


def place(address: str) -> tuple[str, int, int] | None:
    """`input!E7` (with or without quotes and dollars) -> sheet, row, column; None for anything else."""
    name, mark, cell = address.replace("$", "").rpartition("!")
    column = cell.rstrip("0123456789")
    digits = cell[len(column) :]
    if not mark or not column.isalpha() or not column.isascii() or len(column) > 3 or not digits or len(digits) > 7:
        return None
    number = 0
    for letter in column.upper():
        number = number * 26 + _LETTERS.index(letter) + 1
    return name.strip("'"), int(digits), number


def label(name: str, languages: Sequence[str]) -> str:
    """A label in all languages, one below the other; a name that no catalogue holds stands for itself."""
    key = f"report.{name}"
    found = [said for language in languages if (said := text(key, language)) != key]
    return "\n".join(dict.fromkeys(found)) or name


def public(pages: Sequence[Page], also: Mapping[str, frozenset[int]]) -> tuple[Page, ...]:
    """The copy for publication: confidential cells, the columns `also`, and what would give them away, say XXX.

    A formula over a hidden cell is hidden too, unless it is a result that publication is for. No formula stays: what it
    refers to may be gone.
    """
    cells = {(page.name, row, column): cell for page in pages for row, column, cell in page.cells()}
    hidden = {at for at, cell in cells.items() if cell.confidential or _asked(at, cell, also)}
    waiting = True
    while waiting:
        more = {at for at, cell in cells.items() if at not in hidden and _gives_away(at[0], cell, hidden)}
        hidden, waiting = hidden | more, bool(more)
    return tuple(
        replace(page, rows=[_copy(page.name, number, row, hidden) for number, row in enumerate(page.rows, 1)])
        for page in pages
    )


def _asked(at: tuple[str, int, int], cell: Cell, also: Mapping[str, frozenset[int]]) -> bool:
    return at[2] in also.get(at[0], frozenset()) and cell.style not in ("head", "title", "note", "warning")


def _gives_away(sheet: str, cell: Cell, hidden: set[tuple[str, int, int]]) -> bool:
    if cell.formula is None or (cell.figure is not None and cell.figure.kind in _RESULTS) or cell.style == "verdict":
        return False
    named = ((name.rstrip("!").strip("'") or sheet, where) for name, where in _REFERENCE.findall(cell.formula))
    return any(place(f"{name}!{where}") in hidden for name, where in named)


def _copy(sheet: str, number: int, row: dict[int, Cell], hidden: set[tuple[str, int, int]]) -> dict[int, Cell]:
    return {
        column: Cell(value=REDACTED, style="text", span=cell.span)
        if (sheet, number, column) in hidden and cell.value not in (None, "")
        else replace(cell, formula=None)
        for column, cell in row.items()
    }
