"""Page 1, and the last: what this is, in which time zone, how it was rounded, why it may not be filed; and every word.

Page 1 shows the whole tonnes as references into the calculation, so that nobody can type a different number there.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from collector.report.cells import Cell, Column, Figure, Page, quoted
from collector.report.frame import Frame, known, said
from collector.report.inputs import LEDGER
from mrv.messages import text

SUMMARY, GLOSSARY = "summary", "glossary"
COLUMNS = (
    Column(label="vintage", width=44, style="year"),
    Column(label="from", width=30),
    Column(label="to", width=26),
    Column(label="reduction_t", width=24, style="fine"),
    Column(label="whole_tonnes", width=20, style="integer"),
)
#: Columns that the words beside a label take.
WIDE = len(COLUMNS) - 1
KIND_COLUMNS = ("kind", "lines", "effect_kg")
SYMBOL_COLUMNS = (
    Column(label="symbol", width=22, style="label"),
    Column(label="unit", width=14),
    Column(label="description", width=90, style="wrap"),
)
#: Words of the report that a reader outside the trade does not know; texts are `report.glossary_<name>`.
WORDS = (
    "admitted", "carried", "checkpoint", "conservative", "cosignature", "crediting", "ct", "ex_ante", "held", "jcm",
    "ledger", "leaf", "mpe", "mrv", "obis", "option_a", "option_b", "option_c", "quarantined", "receipt", "segment",
    "slot", "straddle", "tpe", "usage", "vintage", "vt",
)  # fmt: skip


def summary(frame: Frame, facts: Iterable[tuple[str, str]]) -> Page:
    """Page 1; `facts` are further (label, words) about the evidence. Call after the calculation."""
    page, crediting = frame.page(SUMMARY), frame.crediting
    for column, one in enumerate(COLUMNS, 1):
        page.widths[column] = one.width
    for name, words in (*_facts(frame), *facts):
        page.add([Cell(value=frame.inline(name), style="head"), Cell(value=words, style="wrap", span=WIDE)])
    page.add()
    page.single = True
    _reasons(frame, page)
    page.table(COLUMNS, frame.languages)
    page.head = None
    for vintage in crediting.vintages:
        place = frame.places["vintage", vintage.year]
        figure = Figure(kind="vintage", key=(vintage.year,))
        tonnes = Cell(value=vintage.tonnes, formula=place, style="integer", figure=figure)
        reduction = vintage.reduction / 1000 if vintage.reduction is not None else None
        fine = Cell(value=reduction, formula=place.replace("$G$", "$F$"), style="fine", figure=figure)
        missing = Cell(value=", ".join(vintage.missing), style="verdict")
        start, end = frame.instant(vintage.start), frame.instant(vintage.end)
        year = [Cell(value=vintage.year, style="year"), Cell(value=start), Cell(value=end)]
        page.add([*year, *([fine, tonnes] if vintage.tonnes is not None else [missing])])
    total = Cell(
        value=crediting.tonnes, formula=frame.places["total",], style="integer", figure=Figure(kind="total", key=())
    )
    page.add(
        [
            Cell(value=frame.inline("sum_of_floors"), style="head", span=4),
            None,
            None,
            None,
            total if crediting.tonnes is not None else None,
        ]
    )
    page.add()
    _kinds(frame, page)
    _signatures(frame, page)
    return page


def _facts(frame: Frame) -> Iterable[tuple[str, str]]:
    crediting = frame.crediting
    yield "project", f"{crediting.project}: {crediting.title}"
    yield "reference_number", crediting.reference or "-"
    yield "site", crediting.site
    yield "methodology", ", ".join(dict.fromkeys(segment.methodology for segment in crediting.segments))
    yield "monitoring_period", frame.span(crediting.start, crediting.end)
    yield "timezone", f"{crediting.timezone}, tz database {crediting.tzdata}; {text('report.half_open')}"
    yield "rounding", text("report.rounding_statement")
    yield "number_format", text("report.number_statement")


def _reasons(frame: Frame, page: Page) -> None:
    crediting = frame.crediting
    for name, faults in (("not_for_submission", crediting.not_for_submission), ("findings", crediting.findings)):
        where: dict[str, list[str]] = {}
        for found in faults:
            where.setdefault(said(found), []).append(found.where)
        for number, (words, places) in enumerate(where.items()):
            head = Cell(value=frame.inline(name), style="head") if number == 0 else None
            named = ", ".join(filter(None, dict.fromkeys(places)))
            page.add([head, Cell(value=f"{words} ({named})" if named else words, style="wrap", span=WIDE)])
    if crediting.not_for_submission or crediting.findings:
        page.add()


def _kinds(frame: Frame, page: Page) -> None:
    """What the corrections of each kind did to the reduction, from the ledger."""
    kinds = sorted({line.kind for line in frame.crediting.ledger})
    if not kinds:
        return
    page.add(Cell(value=frame.label(name), style="head") for name in KIND_COLUMNS)
    for kind in kinds:
        words = frame.first(f"kind_{kind}")
        effects = [line.effect for line in frame.crediting.ledger if line.kind == kind]
        column = f"{quoted(LEDGER)}!$C:$C"
        effect = f'SUMIFS({quoted(LEDGER)}!$N:$N,{column},"{words}")'
        count = Cell(value=len(effects), formula=f'COUNTIF({column},"{words}")', style="integer")
        page.add([Cell(value=words), count, Cell(value=sum(effects, Fraction(0)), formula=effect, style="fine")])
    page.add()


def _signatures(frame: Frame, page: Page) -> None:
    for name in ("prepared_by", "approved_by"):
        blank = Cell(value="\n\n", style="wrap", span=WIDE)
        page.add([Cell(value=frame.label(name), style="head"), blank])


def glossary(frame: Frame) -> Page:
    """Every symbol and every word that needs one; unexplained acronyms get reports refused."""
    page = frame.page(GLOSSARY)
    page.table(SYMBOL_COLUMNS, frame.languages)
    symbols: dict[str, tuple[str, str]] = {}
    for segment in frame.crediting.segments:
        symbols.update({row.symbol: (row.unit, row.description) for row in known(segment)})
    for name in sorted(symbols):
        page.line(SYMBOL_COLUMNS, [name, *symbols[name]])
    page.add()
    for word in WORDS:
        term = frame.label(f"word_{word}")
        meanings = dict.fromkeys(text(f"report.glossary_{word}", language) for language in frame.languages)
        page.add([Cell(value=term, style="label"), None, Cell(value="\n".join(meanings), style="wrap")])
    return page
