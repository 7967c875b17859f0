"""The sheets a verifier opens first: monitored values with columns (a) to (k), fixed values, the correction ledger.

A parameter is a live sum of its registers, a register its raw value plus the sum of its ledger lines, a ledger line
its raw value times its factor: whoever changes one number sees the tonnes move.
"""

from __future__ import annotations

from fractions import Fraction

from collector.report.cells import Cell, Column, Figure, Page, Value, quoted
from collector.report.formula import times
from collector.report.frame import TONNE, Frame, factor, said
from mrv.crediting.result import ExAnteRow, Line, MonitoredRow, Segment, TermRow

INPUT, FIXED, LEDGER = "input", "ex-ante", "corrections"
INPUT_COLUMNS = (
    Column(label="a_period", width=19, style="wrap"),
    Column(label="b_point", width=11, style="wrap"),
    Column(label="c_parameter", width=19, style="wrap"),
    Column(label="d_description", width=26, style="wrap"),
    Column(label="e_value", width=17, style="fine"),
    Column(label="f_unit", width=8),
    Column(label="g_option", width=9),
    Column(label="h_source", width=20, style="wrap"),
    Column(label="i_procedure", width=24, style="wrap"),
    Column(label="j_frequency", width=13, style="wrap"),
    Column(label="k_comments", width=20, style="wrap"),
    Column(label="l_raw", width=17, style="fine"),
    Column(label="m_correction", width=15, style="fine"),
    Column(label="n_direction", width=12, style="wrap"),
)
FIXED_COLUMNS = (
    Column(label="segment", width=9, style="integer"),
    Column(label="parameter", width=16),
    Column(label="description", width=44, style="wrap"),
    Column(label="value", width=14, style="fine"),
    Column(label="unit", width=11),
    Column(label="value_used", width=16, style="fine"),
    Column(label="unit_used", width=11),
    Column(label="document", width=40, style="wrap"),
    Column(label="date", width=12, style="date"),
    Column(label="locator", width=34, style="wrap"),
)
LEDGER_COLUMNS = (
    Column(label="number", width=6, style="integer"),
    Column(label="segment", width=9, style="integer"),
    Column(label="kind", width=16, style="wrap"),
    Column(label="parameter", width=14),
    Column(label="source", width=26, style="wrap"),
    Column(label="meter", width=14),
    Column(label="from", width=22, style="wrap"),
    Column(label="to", width=22, style="wrap"),
    Column(label="unit", width=8),
    Column(label="raw", width=16, style="fine"),
    Column(label="factor", width=14, style="fine"),
    Column(label="corrected", width=16, style="fine"),
    Column(label="delta", width=16, style="fine"),
    Column(label="effect_kg", width=16, style="fine"),
    Column(label="reason", width=46, style="wrap"),
    Column(label="document_sha", width=20, style="wrap"),
)
_E, _L, _M = 5, 12, 13


def ledger(frame: Frame) -> Page:
    """Every correction, in the order they were made."""
    page = frame.page(LEDGER)
    page.table(LEDGER_COLUMNS, frame.languages)
    for line in frame.crediting.ledger:
        row = page.line(LEDGER_COLUMNS, _ledger_line(frame, line, len(page.rows) + 1))
        frame.places["line", line.number] = page.address(row, 13)
    if not frame.crediting.ledger:
        page.add([Cell(value=frame.label("no_corrections"), style="wrap")])
    return page


def _ledger_line(frame: Frame, line: Line, row: int) -> list[Value | Cell]:
    multiplied = line.factor is not None and line.raw * line.factor == line.corrected
    figure = Figure(kind="line", key=(line.number,))
    return [
        line.number,
        line.segment,
        frame.first(f"kind_{line.kind}"),
        named(line.symbol, line.item),
        line.source,
        line.meter,
        frame.instant(line.start),
        frame.instant(line.end),
        line.unit,
        line.raw,
        line.factor,
        Cell(value=line.corrected, formula=f"J{row}*K{row}" if multiplied else None, style="fine"),
        Cell(value=line.delta, formula=f"L{row}-J{row}", style="fine", figure=figure),
        line.effect,
        said(line.reason),
        line.document or "",
    ]


def fixed(frame: Frame) -> Page:
    """The values fixed at validation, each with where it was printed."""
    page = frame.page(FIXED)
    page.table(FIXED_COLUMNS, frame.languages)
    for segment in frame.crediting.segments:
        for one in segment.ex_ante:
            row = page.line(FIXED_COLUMNS, _fixed_line(segment, one, len(page.rows) + 1))
            frame.places["ex_ante", segment.number, one.symbol, one.item] = page.address(row, 6)
    return page


def _fixed_line(segment: Segment, one: ExAnteRow, row: int) -> list[Value | Cell]:
    formula = f"D{row}{times(factor(one.unit) / factor(one.symbol_unit))}"
    figure = Figure(kind="ex_ante", key=(segment.number, one.symbol, one.item))
    return [
        segment.number,
        named(one.symbol, one.item),
        one.description,
        Fraction(one.value),
        one.unit,
        Cell(value=one.converted, formula=formula, style="fine", figure=figure),
        one.symbol_unit,
        one.document,
        one.date,
        one.locator,
    ]


def monitored(frame: Frame) -> Page:
    """Table 1: the parameters monitored ex post, one row per parameter and period, its registers below it."""
    page = frame.page(INPUT)
    page.table(INPUT_COLUMNS, frame.languages)
    number = 0
    for segment in frame.crediting.segments:
        for one in segment.monitored:
            number += 1
            _parameter(frame, page, segment, one, number)
    return page


def _parameter(frame: Frame, page: Page, segment: Segment, one: MonitoredRow, number: int) -> None:
    row = len(page.rows) + 1
    places = [f"E{row + 1 + index}" for index in range(len(one.terms))]
    figure = Figure(kind="parameter", key=(segment.number, one.symbol, one.item))
    value = Cell(value=one.corrected, formula=_sum(one, places), style="fine", figure=figure)
    if one.corrected is None:
        value = Cell(value=frame.first("missing"), style="verdict", figure=figure)
    page.line(
        INPUT_COLUMNS,
        [
            frame.span(segment.start, segment.end),
            str(number),
            Cell(value=named(one.symbol, one.item), style="label"),
            one.description,
            value,
            one.unit,
            one.option,
            one.measured_by,
            one.procedure,
            one.frequency,
            ", ".join(one.missing),
            one.raw,
            None,
            frame.first(f"side_{one.direction}"),
        ],
    )
    frame.places["monitored", segment.number, one.symbol, one.item] = page.address(row, _E)
    for index, term in enumerate(one.terms):
        _term(frame, page, (segment, one, index), term)


def _sum(one: MonitoredRow, places: list[str]) -> str | None:
    """The parameter as the signed sum of its registers; None where their sum is not all of it."""
    if not one.terms or one.corrected is None:
        return None
    parts, total = [], Fraction(0)
    for place, term in zip(places, one.terms, strict=True):
        ratio = factor(term.unit) / factor(one.unit)
        total += term.sign * term.corrected * ratio
        parts.append(f"{'+' if term.sign > 0 else '-'}{place}{times(ratio)}")
    rest = one.corrected - total
    return "".join(parts).removeprefix("+") if rest == 0 else None


def _term(frame: Frame, page: Page, at: tuple[Segment, MonitoredRow, int], term: TermRow) -> None:
    segment, one, index = at
    row = len(page.rows) + 1
    lines = [line for line in frame.crediting.ledger if (line.segment, line.source) == (segment.number, term.source)]
    sums = f"SUMIFS({_column(13)},{_column(2)},{segment.number},{_column(5)},{_text(term.source)})"
    figure = Figure(kind="term", key=(segment.number, one.symbol, one.item, index))
    delta = sum((line.delta for line in lines), Fraction(0))
    page.line(
        INPUT_COLUMNS,
        [
            "",
            term.point,
            f"  {'+' if term.sign > 0 else '-'} {term.register or term.record}",
            ", ".join(term.meters),
            Cell(value=term.corrected, formula=f"L{row}+M{row}", style="fine", figure=figure),
            term.unit,
            "",
            term.source,
            "",
            "",
            _evidence(term),
            term.raw,
            Cell(value=delta, formula=sums, style="fine") if lines else Fraction(0),
            "",
        ],
    )


def _evidence(term: TermRow) -> str:
    parts = [f"{len(term.usages)} sealed usages"] if term.usages else []
    parts += [f"record {name[:16]}" for name in term.records[:3]]
    return ", ".join(parts) + (f" and {len(term.records) - 3} more" if len(term.records) > 3 else "")


def _column(number: int) -> str:
    letter = "ABCDEFGHIJKLMNOP"[number - 1]
    return f"{quoted(LEDGER)}!${letter}:${letter}"


def _text(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


def named(symbol: str, item: str) -> str:
    """EG[roof], or EF for what is per project."""
    return f"{symbol}[{item}]" if item else symbol


def in_tonnes(value: Fraction | None) -> Fraction | None:
    """kg to t."""
    return None if value is None else value / TONNE
