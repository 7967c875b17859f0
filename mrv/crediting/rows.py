"""The figures of a desk as rows of a result: what was read, what was fixed, what the equations gave."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction

from mrv import leaf
from mrv.crediting.pieces import Piece
from mrv.crediting.result import (
    CalendarRow,
    ComputedRow,
    CrossCheck,
    ExAnteRow,
    Line,
    MonitoredRow,
    Segment,
    Side,
    TermRow,
    Vintage,
)
from mrv.crediting.segments import Frame, Source
from mrv.crediting.work import ZERO, Desk
from mrv.errors import fault
from mrv.methodology import units
from mrv.methodology.emissions import Undefined, Values
from mrv.plan.project import Project

TONNE = 1000


def digest(frame: Frame) -> str:
    """What names the methodology of `frame`, as data."""
    return leaf.digest(leaf.canonical(frame.methodology))


def segment(desk: Desk, found: Callable[[Source], Sequence[Piece]], lines: Sequence[Line]) -> Segment:
    """Everything of one segment."""
    frame, values = desk.frame, _solved(desk)
    raw = None
    if values is not None:
        effects = sum((line.effect for line in lines if line.segment == frame.number), ZERO)
        raw = values["ER_p", ""] - effects
    return Segment(
        number=frame.number,
        year=frame.year,
        start=frame.start,
        end=frame.end,
        plan=frame.version.digest,
        methodology=frame.methodology.name,
        methodology_digest=digest(frame),
        ex_ante=tuple(_ex_ante(frame)),
        monitored=tuple(_monitored(desk, found)),
        computed=tuple(_computed(desk, values)),
        calendar=tuple(_calendar(desk)),
        raw_reduction=raw,
        reference=values["RE_p", ""] if values else None,
        project=values["PE_p", ""] if values else None,
        reduction=values["ER_p", ""] if values else None,
    )


def _solved(desk: Desk) -> Values | None:
    try:
        return desk.solve() if desk.whole else None
    except Undefined:
        return None


def _ex_ante(frame: Frame) -> Iterator[ExAnteRow]:
    places = [("", frame.project.ex_ante), *((item.id, item.ex_ante) for item in frame.project.items)]
    for item, values in places:
        for symbol, given in values.items():
            quantity = frame.methodology.symbols[symbol]
            yield ExAnteRow(
                symbol=symbol,
                item=item,
                description=quantity.description,
                value=given.value,
                unit=given.unit,
                converted=units.convert(given.value, units.unit(given.unit), units.unit(quantity.unit)),
                symbol_unit=quantity.unit,
                document=given.provenance.document,
                date=given.provenance.date,
                locator=given.provenance.locator,
            )


def _monitored(desk: Desk, found: Callable[[Source], Sequence[Piece]]) -> Iterator[MonitoredRow]:
    frame = desk.frame
    slopes = desk.slopes({}) if desk.whole else None
    for _, symbol, item, terms in frame.project.parameters():
        mine = [source for source in frame.sources if (source.symbol, source.item) == (symbol, item)]
        quantity, missing = frame.methodology.symbols[symbol], tuple(desk.missing.get((symbol, item), ()))
        first = mine[0]
        slope = slopes[first.key] if slopes else (ZERO, ZERO)
        yield MonitoredRow(
            symbol=symbol,
            item=item,
            description=quantity.description,
            unit=quantity.unit,
            option=terms.chosen,
            direction=_side(slope[0] * first.sign, slope[1] * first.sign),
            raw=None if missing else _parameter(mine, desk.raw, quantity.unit),
            corrected=None if missing else _parameter(mine, desk.value, quantity.unit),
            terms=tuple(_term(desk, source, found(source)) for source in mine),
            missing=missing,
            measured_by=", ".join(dict.fromkeys(source.point or "records" for source in mine)),
            procedure=terms.procedure or "",
            frequency=terms.frequency or "",
        )


def _side(low: Fraction, high: Fraction) -> Side:
    low, high = min(low, high), max(low, high)
    return "raises" if low > 0 else "lowers" if high < 0 else "neither"


def _parameter(sources: Sequence[Source], value: dict[str, Fraction], unit: str) -> Fraction:
    total = sum((s.sign * value[s.key] * s.coherent.factor for s in sources), ZERO)
    return total / units.unit(unit).factor


def _term(desk: Desk, source: Source, found: Sequence[Piece]) -> TermRow:
    start, end = desk.frame.window(source.item)
    mine = [piece for piece in found if start < piece.end <= end]
    return TermRow(
        source=source.key,
        sign=source.sign,
        point=source.point,
        register=source.register,
        record=source.key if source.paper else "",
        unit=source.unit,
        raw=desk.raw[source.key],
        corrected=desk.value[source.key],
        meters=tuple(dict.fromkeys(piece.meter for piece in mine if piece.meter)),
        usages=tuple(piece.usage for piece in mine if piece.usage),
        records=tuple(dict.fromkeys(piece.record for piece in mine if piece.record)),
    )


def _computed(desk: Desk, values: Values | None) -> Iterator[ComputedRow]:
    for equation in desk.equations:
        quantity = desk.frame.methodology.symbols[equation.name]
        factor = units.unit(quantity.unit).factor
        for item in desk.frame.items if equation.indexed else ("",):
            if (equation.name, item) not in desk.given:
                value = values[equation.name, item] / factor if values else None
                yield ComputedRow(
                    symbol=equation.name,
                    item=item,
                    description=quantity.description,
                    unit=quantity.unit,
                    equation=equation.text,
                    value=value,
                )


def _calendar(desk: Desk) -> Iterator[CalendarRow]:
    """Hours of the calendar: what no equation gives and nobody measures."""
    for name, quantity in desk.frame.methodology.symbols.items():
        if quantity.kind == "calendar":
            for item in desk.frame.items if quantity.per == "item" else ("",):
                start, end = desk.frame.window(item)
                yield CalendarRow(
                    symbol=name,
                    item=item,
                    description=quantity.description,
                    unit=quantity.unit,
                    start=start,
                    end=end,
                    value=desk.given[name, item],
                )


def estimates(project: Project, vintages: Sequence[Vintage]) -> Iterator[CrossCheck]:
    """Each vintage against what the PDD expects of its year, in tonnes. More than expected asks for a reason."""
    for estimate in project.estimates:
        for vintage in vintages:
            if vintage.year == estimate.year and vintage.reduction is not None:
                found = vintage.reduction / TONNE
                fits = found <= estimate.tonnes
                yield CrossCheck(
                    kind="estimate",
                    symbol="ER_p",
                    item="",
                    subject=str(estimate.year),
                    start=vintage.start,
                    end=vintage.end,
                    unit="t",
                    metered=found,
                    other=Fraction(estimate.tonnes),
                    allowed=ZERO,
                    agrees=fits,
                    credited="meter",
                    reason=fault("credit.estimate_fits" if fits else "credit.estimate_exceeded", str(estimate.year)),
                )
