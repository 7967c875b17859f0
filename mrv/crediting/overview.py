"""What a verifier asks beside the figures: how complete the data is, and everything out of the ordinary, by date."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from mrv.crediting import redecoded
from mrv.crediting.corrections import holes
from mrv.crediting.decided import side
from mrv.crediting.pieces import Piece
from mrv.crediting.result import Completeness, Event, Kind, Line
from mrv.crediting.sealed import Paper, Sealed
from mrv.crediting.segments import Frame, Source
from mrv.crediting.work import HOUR
from mrv.errors import Fault, fault
from mrv.number import total
from mrv.period import in_ms as ms
from mrv.plan.versions import Timeline
from mrv.records import Exchange, Hold, Implementation

#: Flags of a usage that a verifier asks about (docs/wire.md); others are routine.
ASKED = ("backward", "rewind", "held", "rollover", "reset", "glitch", "jump", "lost")
LONG = HOUR
#: Corrections that answer something that happened; the others follow from certificates, ratings and bills.
ANSWERS: frozenset[Kind] = frozenset(
    {"held", "lost", "exchange", "decided", "ran_on", "straddle", "before_start", "redecoded"}
)


def completeness(frame: Frame, source: Source, sealed: Sequence[Sealed], found: Sequence[Piece]) -> Completeness:
    """Slots of a point in one segment, and how much energy came over usages that had gaps; nights are no gaps."""
    start, end = frame.window(source.item)
    mine = [one for one in sealed if start <= one.usage.start and one.usage.end <= end]
    gappy = {one.digest for one in mine if one.usage.gap > one.usage.asleep}
    booked = [piece for piece in found if start < piece.end <= end]
    return Completeness(
        year=frame.year,
        point=source.point,
        register=source.register,
        expected=sum(one.usage.expected for one in mine),
        read=sum(one.usage.read for one in mine),
        gap=sum(one.usage.gap for one in mine),
        asleep=sum(one.usage.asleep for one in mine),
        unit=source.unit,
        energy=total(piece.amount for piece in booked),
        across_gaps=total(piece.amount for piece in booked if piece.usage in gappy),
        unknown_ms=sum(ms_ for _, _, ms_ in holes(found, (start, end), closed=False)),
    )


def events(
    sealed: Sequence[Sealed], papers: Sequence[Paper], versions: Timeline, window: tuple[int, int]
) -> list[Event]:
    """Everything out of the ordinary in `window`, oldest first; runs of one kind at one meter are one event."""
    found = [*_flagged(sealed), *_steps(sealed), *_gaps(sealed), *_changed(sealed), *_signed(papers)]
    found += redecoded.events(sealed)
    found += _versions(versions)
    inside = [event for event in found if event.at < window[1] and event.end >= window[0]]
    return sorted(inside, key=lambda event: (event.at, event.end, event.point, event.what.code))


def treated(found: Iterable[Event], ledger: Sequence[Line], signs: Mapping[str, int]) -> Iterator[Event]:
    """Each event with the ledger lines that answer it: those of its point, or of all, within its time.

    `signs` by source: whether what a line changes is added to its parameter or taken from it.
    """
    for event in found:
        mine = [line for line in ledger if line.kind in ANSWERS and _answers(event, line)]
        units = {line.unit for line in mine}
        if len(units) != 1:
            yield replace(event, lines=tuple(line.number for line in mine))
            continue
        effect = total(signs.get(line.source, 1) * line.delta for line in mine)
        yield replace(event, unit=units.pop(), effect=effect, lines=tuple(line.number for line in mine))


def _answers(event: Event, line: Line) -> bool:
    if (line.kind == "redecoded") != (event.what.code == redecoded.FIXED):
        return False
    if not event.point:
        return line.kind in ("straddle", "before_start") and line.start < event.at < line.end
    return line.source.startswith(f"{event.point}:") and line.start <= event.end and event.at <= line.end


def _steps(sealed: Sequence[Sealed]) -> Iterator[Event]:
    """Steps of a counter that nobody believed, with the two readings that a decision about them names."""
    for one in sealed:
        for leaf in one.decisions:
            said = leaf.details
            if said.get("verdict") not in ("held", "exchange", "ratio"):
                continue
            what = fault(
                "credit.step",
                one.usage.meter,
                verdict=said["verdict"],
                why=said.get("why", "-"),
                before=_registers(side(leaf, "before")),
                after=_registers(side(leaf, "after")),
            )
            yield _event(int(said["from"]), int(said["to"]), one, what)


def _registers(found: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(found.items()))


def _flagged(sealed: Sequence[Sealed]) -> Iterator[Event]:
    for flag in ASKED:
        for run in _runs(one for one in sealed if flag in one.usage.flags):
            yield _event(
                run[0].usage.start, run[-1].usage.end, run[0], fault(f"credit.flag_{flag}", run[0].usage.meter)
            )


def _gaps(sealed: Sequence[Sealed]) -> Iterator[Event]:
    """More than an hour without a reading, told by where the registers stand; a silence of many periods is one."""
    for run in _runs(one for one in sealed if _gappy(one)):
        missing = sum((one.usage.gap - one.usage.asleep) * one.bound.every * 1000 for one in run)
        if missing >= LONG:
            what = fault("credit.gap", run[0].usage.meter, hours=Fraction(missing, HOUR))
            yield _event(run[0].usage.start, run[-1].usage.end, run[0], what)


def _gappy(one: Sealed) -> bool:
    usage = one.usage
    told = usage.opened is not None and usage.closed is not None
    return told and usage.expected > 0 and usage.gap > usage.asleep


def _runs(sealed: Iterable[Sealed]) -> Iterator[list[Sealed]]:
    """Usages of one meter that follow each other without a hole."""
    run: list[Sealed] = []
    for one in sealed:
        if run and (one.identity != run[-1].identity or one.usage.start != run[-1].usage.end):
            yield run
            run = []
        run.append(one)
    if run:
        yield run


def _changed(sealed: Sequence[Sealed]) -> Iterator[Event]:
    for before, after in pairwise(sealed):
        if before.bound.point == after.bound.point and before.bound != after.bound:
            what = {"before": _instrument(before), "after": _instrument(after)}
            yield _event(
                after.usage.start, after.usage.start, after, fault("credit.binding_changed", after.usage.meter, **what)
            )


def _instrument(one: Sealed) -> str:
    parts = (one.bound.meter, one.bound.serial, one.bound.profile, one.bound.settings.ratio)
    return " ".join(part for part in parts if part)


def _event(start: int, end: int, one: Sealed, what: Fault) -> Event:
    return Event(
        at=start,
        end=end,
        point=one.bound.point,
        meter=one.bound.meter,
        what=what,
        unit="",
        effect=None,
        document=None,
    )


def _signed(papers: Sequence[Paper]) -> Iterator[Event]:
    for paper in papers:
        record = paper.record
        if isinstance(record, Exchange):
            what = fault(
                "credit.exchange_signed",
                record.point,
                removed=record.removed.serial,
                installed=record.installed.serial,
                who=record.who,
            )
            span = ms(record.removed.at), ms(record.installed.at)
            yield _paper(*span, record.point, what, record.document, record.who)
        elif isinstance(record, Hold):
            what = fault(
                "credit.hold_said_energy" if record.decision == "energy" else "credit.hold_said_lost",
                record.meter,
                before=_registers(record.before.registers),
                after=_registers(record.after.registers),
                reason=record.reason,
                who=record.who,
            )
            span = ms(record.before.at), ms(record.after.at)
            yield _paper(*span, record.point, what, record.document, record.who)
        elif isinstance(record, Implementation):
            end = ms(record.end) if record.end else ms(record.start)
            what = fault("credit.implementation", record.item or "", what=record.what, text=record.text, who=record.who)
            yield _paper(ms(record.start), end, "", what, record.document, record.who)


def _paper(start: int, end: int, point: str, what: Fault, document: str | None, who: str = "") -> Event:
    return Event(
        at=start,
        end=end,
        point=point,
        meter="",
        what=what,
        unit="",
        effect=None,
        document=document,
        who=who,
    )


def _versions(versions: Timeline) -> Iterator[Event]:
    for version in versions.versions:
        if version.start is not None:
            amends = version.plan.amends
            what = fault(
                "credit.plan_changed",
                version.digest[:16],
                what=amends.what if amends else "",
                approval=(amends.approval or "") if amends else "",
            )
            yield _paper(version.start, version.start, "", what, None)
