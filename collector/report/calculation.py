"""The calculation with live formulas, made from the equations of the methodology and from nothing else.

For each segment: the hours in which each item counts, the items with their values and the terms that are summed, then
each equation as a cell. Beside every result stands what mrv computed exactly, and whether the spreadsheet agrees within
1e-9. On top, the vintages: whole tonnes are INT (toward minus infinity; ROUNDDOWN would truncate a negative year toward
zero).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction

from collector.report.cells import Cell, Column, Figure, Page, letters, moment
from collector.report.formula import shown, times, totals, write
from collector.report.frame import TONNE, Frame, factor, known
from collector.report.inputs import in_tonnes
from mrv.crediting.result import ComputedRow, Crediting, Segment, Vintage
from mrv.methodology.emissions import Values, evaluate
from mrv.methodology.expression import Equation, Symbol, Total, parse, symbols

NAME = "calculation"
_RESULTS = (("reference", "RE_p"), ("project", "PE_p"), ("reduction", "ER_p"))
VINTAGE_COLUMNS = (
    Column(label="vintage", width=22, style="year"),
    Column(label="from", width=30),
    Column(label="to", width=22),
    Column(label="reference_t", width=22, style="fine"),
    Column(label="project_t", width=22, style="fine"),
    Column(label="reduction_t", width=20, style="fine"),
    Column(label="whole_tonnes", width=18, style="integer"),
    Column(label="exact_tonnes", width=16, style="integer"),
    Column(label="check", width=14, style="verdict"),
)
_HOURS = ("symbol", "item", "counts_from_utc", "counts_until_utc", "hours", "unit")
_EQUATION_COLUMNS = ("symbol", "description", "equation", "result", "unit", "exact", "check")


@dataclass(slots=True)
class _Block:
    """One segment while it is laid out: where each symbol stands, and the factor of its unit."""

    frame: Frame
    page: Page
    segment: Segment
    equations: dict[str, Equation]
    items: tuple[str, ...]
    cells: dict[tuple[str, str], tuple[str, Fraction]] = field(default_factory=dict)
    sums: dict[Total, tuple[str, Fraction | None]] = field(default_factory=dict)

    @property
    def whole(self) -> bool:
        return self.segment.reduction is not None

    def unit(self, name: str) -> str:
        return next(row.unit for row in known(self.segment) if row.symbol == name)

    def look(self, symbol: Symbol, item: str) -> tuple[str, Fraction]:
        """The cell of a symbol, for a formula on this page or of this item."""
        return self.cells[symbol.name, item if symbol.indexed else ""]


def calculation(frame: Frame) -> Page:
    """The page; call after the input pages, whose cells it names."""
    page, crediting = frame.page(NAME), frame.crediting
    page.table(VINTAGE_COLUMNS, frame.languages)
    first = page.reserve(len(crediting.vintages) + 1)
    page.add()
    results: dict[int, dict[str, str]] = {}
    for segment in crediting.segments:
        results[segment.number] = _segment(frame, page, segment)
    for number, vintage in enumerate(crediting.vintages):
        _vintage(frame, page, first + number, vintage, results)
    _total(frame, page, first, crediting)
    return page


def _vintage(frame: Frame, page: Page, row: int, vintage: Vintage, results: dict[int, dict[str, str]]) -> None:
    mine = [results[s.number] for s in frame.crediting.segments if s.year == vintage.year]
    figure = Figure(kind="vintage", key=(vintage.year,))
    values = (vintage.reference, vintage.project, vintage.reduction)
    line = [
        Cell(value=vintage.year, style="year"),
        Cell(value=frame.instant(vintage.start)),
        Cell(value=frame.instant(vintage.end)),
    ]
    for (_, symbol), value in zip(_RESULTS, values, strict=True):
        formula = "+".join(found[symbol] for found in mine) if value is not None else None
        line.append(_result(frame, in_tonnes(value), formula, figure))
    whole = vintage.tonnes is not None
    line.append(_result(frame, vintage.tonnes, f"INT(F{row})" if whole else None, figure, style="integer"))
    line.append(Cell(value=vintage.tonnes, style="integer"))
    line.append(_tonnes_check(frame, row, vintage))
    for column, cell in enumerate(line, 1):
        page.put(row, column, cell)
    frame.places["vintage", vintage.year] = page.address(row, 7)


def _tonnes_check(frame: Frame, row: int, vintage: Vintage) -> Cell:
    """Equal; or so near a whole tonne that doubles may fall on the other side: then the exact column counts."""
    if vintage.tonnes is None:
        return Cell(value=frame.first("missing"), style="verdict")
    if vintage.near_integer:
        return Cell(value=frame.first("near_integer"), style="verdict")
    return Cell(value="ok", formula=f'IF(G{row}=H{row},"ok","DIFFERS")', style="verdict")


def _total(frame: Frame, page: Page, first: int, crediting: Crediting) -> None:
    row = first + len(crediting.vintages)
    page.put(row, 1, Cell(value=frame.first("sum_of_floors"), style="label"))
    formula = f"SUM(G{first}:G{row - 1})" if crediting.tonnes is not None else None
    figure = Figure(kind="total", key=())
    page.put(row, 7, _result(frame, crediting.tonnes, formula, figure, style="integer"))
    page.put(row, 8, Cell(value=crediting.tonnes, style="integer"))
    frame.places["total",] = page.address(row, 7)


def _result(
    frame: Frame,
    value: Fraction | int | None,
    formula: str | None,
    figure: Figure | None = None,
    style: str = "fine",
) -> Cell:
    if value is None:
        return Cell(value=frame.first("missing"), style="verdict", figure=figure)
    return Cell(value=value, formula=formula, style="integer" if style == "integer" else "fine", figure=figure)


# -- one segment ---------------------------------------------------------------------------------------------------


def _segment(frame: Frame, page: Page, segment: Segment) -> dict[str, str]:
    """Lay out `segment`; the cells of RE_p, PE_p and ER_p in tonnes."""
    equations = {row.symbol: parse(row.equation) for row in segment.computed}
    items = tuple(dict.fromkeys(row.item for row in known(segment) if row.item))
    block = _Block(frame, page, segment, equations, items)
    words = f"{frame.first('segment')} {segment.number}: {segment.year}, "
    page.add([Cell(value=words + frame.span(segment.start, segment.end), style="label")])
    under = f"{segment.methodology} ({segment.methodology_digest[:16]}), plan {segment.plan[:16]}"
    page.add([Cell(value=under, style="note")])
    _hours(block)
    _values(block)
    _items(block)
    _equations(block)
    page.add()
    return {symbol: _in_tonnes(block, symbol) for _, symbol in _RESULTS if (symbol, "") in block.cells}


def _in_tonnes(block: _Block, symbol: str) -> str:
    address, coherent = block.cells[symbol, ""]
    return f"{address}{times(coherent / TONNE)}"


def _used(block: _Block, *, indexed: bool) -> tuple[str, ...]:
    """The symbols that equations take from outside, per item or per project, in the order they are met."""
    met = (s for equation in block.equations.values() for s in symbols(equation.body) if s.indexed is indexed)
    return tuple(dict.fromkeys(s.name for s in met if s.name not in block.equations))


def _hours(block: _Block) -> None:
    """From when until when each item counts, and the hours between, which its equations use."""
    if not block.segment.calendar:
        return
    block.page.add(Cell(value=block.frame.label(name), style="head") for name in _HOURS)
    for one in block.segment.calendar:
        row = len(block.page.rows) + 1
        block.page.add(
            [
                Cell(value=one.symbol, style="label"),
                Cell(value=one.item or "-"),
                Cell(value=moment(one.start), style="moment"),
                Cell(value=moment(one.end), style="moment"),
                Cell(value=one.value, formula=f"(D{row}-C{row})*24", style="fine"),
                Cell(value=one.unit),
            ]
        )
        block.frame.places["calendar", block.segment.number, one.symbol, one.item] = f"$E${row}"


def _values(block: _Block) -> None:
    """The values per project: one row each."""
    names = _used(block, indexed=False)
    if not names:
        return
    block.page.add(
        Cell(value=block.frame.label(name), style="head") for name in ("symbol", "description", "value", "unit")
    )
    for name in names:
        row = block.page.add([Cell(value=name), Cell(value=_description(block, name), style="wrap")])
        block.page.put(row, 3, _given(block, name, ""))
        block.page.put(row, 4, Cell(value=block.unit(name)))
        block.cells[name, ""] = (f"$C${row}", factor(block.unit(name)))


def _items(block: _Block) -> None:
    """The table of items: their values, their own equations, and the terms that are summed over them."""
    names = _used(block, indexed=True)
    own = tuple(name for name, equation in block.equations.items() if equation.indexed)
    sums = tuple(dict.fromkeys(t for equation in block.equations.values() for t in totals(equation.body)))
    if not names and not own and not sums:
        return
    heads = ["item", *(f"{name} [{block.unit(name)}]" for name in (*names, *own))]
    heads += [f"{shown(total.term)} [i]" for total in sums]
    cells = [Cell(value=block.frame.label(heads[0]), style="head"), *(Cell(value=h, style="head") for h in heads[1:])]
    first = block.page.add(cells) + 1
    for number, item in enumerate(block.items):
        for column, name in enumerate((*names, *own), 2):
            block.cells[name, item] = (f"${letters(column)}${first + number}", factor(block.unit(name)))
    for item in block.items:
        row = block.page.add([Cell(value=item, style="label")])
        for column, name in enumerate(names, 2):
            block.page.put(row, column, _given(block, name, item))
        for column, name in enumerate(own, 2 + len(names)):
            block.page.put(row, column, _own(block, name, item))
    _summed(block, sums, first, 2 + len(names) + len(own))


def _summed(block: _Block, sums: tuple[Total, ...], first: int, column: int) -> None:
    """One column for the terms of each total, in every item's row."""
    values = _coherent(block)
    for index, total in enumerate(sums):
        at, coherent = letters(column + index), None
        for number, item in enumerate(block.items):
            made = write(total.term, lambda s, item=item: block.look(s, item), lambda t: block.sums[t])  # type: ignore[misc]
            coherent = made.factor
            value = evaluate(total.term, values, block.items, item) / (made.factor or 1) if block.whole else None
            cell = _result(block.frame, value, made.text if block.whole else None)
            block.page.put(first + number, column + index, cell)
        block.sums[total] = (f"${at}${first}:${at}${first + len(block.items) - 1}", coherent)


def _equations(block: _Block) -> None:
    """Every equation of the project, in the order they are computed: as text, as formula, exactly."""
    block.page.add(Cell(value=block.frame.label(name), style="head") for name in _EQUATION_COLUMNS)
    rows = [row for row in block.segment.computed if not row.item]
    first = len(block.page.rows) + 1
    for number, row in enumerate(rows):
        block.cells[row.symbol, ""] = (f"$D${first + number}", factor(row.unit))
    for row in rows:
        at = len(block.page.rows) + 1
        figure = Figure(kind="computed", key=(block.segment.number, row.symbol, ""))
        block.page.add(
            [
                Cell(value=row.symbol, style="label"),
                Cell(value=row.description, style="wrap"),
                Cell(value=row.equation, style="wrap"),
                _result(block.frame, row.value, _formula(block, row, ""), figure),
                Cell(value=row.unit),
                _result(block.frame, row.value, None),
                _check(block.frame, at, row),
            ]
        )


def _check(frame: Frame, at: int, row: ComputedRow) -> Cell:
    if row.value is None:
        return Cell(value=frame.first("missing"), style="verdict")
    return Cell(value="ok", formula=f'IF(ABS(D{at}-F{at})<=1E-9*MAX(1,ABS(F{at})),"ok","DIFFERS")', style="verdict")


def _formula(block: _Block, row: ComputedRow, item: str) -> str | None:
    if row.value is None or not block.whole:
        return None
    made = write(block.equations[row.symbol].body, lambda s: block.look(s, item), lambda t: block.sums[t])
    return made.scaled(factor(row.unit)).text


def _own(block: _Block, name: str, item: str) -> Cell:
    """A value that an equation gives for one item; one that the plan fixes for it is taken from there."""
    row = next((row for row in block.segment.computed if (row.symbol, row.item) == (name, item)), None)
    if row is None or ("ex_ante", block.segment.number, name, item) in block.frame.places:
        return _given(block, name, item)
    figure = Figure(kind="computed", key=(block.segment.number, name, item))
    return _result(block.frame, row.value, _formula(block, row, item), figure)


def _given(block: _Block, name: str, item: str) -> Cell:
    """A value that stands on another page, or in the table of hours."""
    segment = block.segment
    for row in known(segment):
        if (row.symbol, row.item) == (name, item) and row.part != "computed":
            return _result(block.frame, row.value, block.frame.places[row.part, segment.number, name, item])
    return _result(block.frame, None, None)


def _description(block: _Block, name: str) -> str:
    return next(row.description for row in known(block.segment) if row.symbol == name)


def _coherent(block: _Block) -> Values:
    """Every value of the segment that is known, in coherent units, as mrv.methodology.emissions takes them."""
    segment = block.segment
    values: Values = {}
    for row in known(segment):
        if row.value is not None:
            values.setdefault((row.symbol, row.item), row.value * factor(row.unit))
    return values
