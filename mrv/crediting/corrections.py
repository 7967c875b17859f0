"""What is known to be wrong or gone: exchanges booked back, held registers, lost energy, more than equipment can use.

Each takes, of the values that may be true, the one with the lowest reduction, whatever the equations are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction

from mrv.crediting.pieces import Piece
from mrv.crediting.result import Kind
from mrv.crediting.segments import Source
from mrv.crediting.work import HOUR, ZERO, Booking, Desk, Ledger
from mrv.errors import Fault, fault
from mrv.methodology import units
from mrv.period import shown

_HOURS = units.unit("h").dimension
_POWER_HOURS = units.unit("kWh").dimension


def added(ledger: Ledger, desk: Desk, source: Source) -> None:
    """What comes on top of usages: around a signed exchange, over a step a person decided, where a register ran on."""
    for booking in desk.bookings.get(source.key, ()):
        piece = booking.piece
        if not piece.added:
            continue
        kind, reason = _added(piece, source)
        ledger.post(
            desk,
            source,
            kind,
            reason,
            span=(piece.start, piece.end),
            raw=ZERO,
            corrected=piece.amount,
            meter=piece.meter,
            document=piece.document,
        )


def _added(piece: Piece, source: Source) -> tuple[Kind, Fault]:
    said = {"meter": piece.meter, "record": piece.record[:16]}
    if piece.kind == "ran_on":
        return "ran_on", fault("credit.ran_on", source.key, meter=piece.meter)
    if piece.kind == "exchange":
        return "exchange", fault("credit.exchange", source.key, **said)
    code = "credit.hold_lost" if piece.lost else "credit.hold_energy"
    return "decided", fault(code, source.key, **said, who=piece.who)


def held(ledger: Ledger, desk: Desk, source: Source) -> None:
    """Registers nobody signed for: nothing where they would raise the reduction, all they can have been elsewhere."""
    waiting = [b for b in desk.bookings.get(source.key, ()) if b.piece.held]
    for run in runs(waiting):
        raw = sum((b.amount for b in run), ZERO)
        start, end = run[0].piece.start, run[-1].piece.end
        most = bound(desk, source, end - start)
        others = desk.value[source.key] - raw
        known = (ZERO, max(raw, most) if most is not None else raw)
        best = desk.lower(source.key, (others + one for one in known)) - others
        code = "credit.held" if most is not None or best == 0 else "credit.held_unrated"
        ledger.post(
            desk,
            source,
            "held",
            fault(code, source.key, meter=run[0].piece.meter, start=shown(start), end=shown(end)),
            span=(start, end),
            raw=raw,
            corrected=best,
            meter=run[0].piece.meter,
        )
    if waiting:
        desk.bookings[source.key] = [b for b in desk.bookings[source.key] if not b.piece.held]


def runs(bookings: Sequence[Booking]) -> Iterator[list[Booking]]:
    """Bookings of one meter that follow each other."""
    run: list[Booking] = []
    for booking in sorted(bookings, key=lambda b: (b.piece.start, b.piece.end)):
        if run and (run[-1].piece.meter, run[-1].piece.end) != (booking.piece.meter, booking.piece.start):
            yield run
            run = []
        run.append(booking)
    if run:
        yield run


def lost(ledger: Ledger, desk: Desk, source: Source, found: Sequence[Piece], *, closed: bool) -> None:
    """Time in which no register counted: nothing, or rated power for all of it, whichever gives less.

    `closed`: nothing later will come to fill the end of the window.
    """
    gone = [(*hole, None) for hole in holes(found, desk.frame.window(source.item), closed=closed)]
    for start, end, ms, document in (*gone, *_inside(desk, source)):
        most = bound(desk, source, ms)
        now = desk.value[source.key]
        if most is None:
            slope = desk.slopes({})
            if slope is None or slope[source.key][0] < 0:
                desk.miss(source, f"{source.key} {shown(start)} - {shown(end)}")
                return
            most = ZERO
        best = desk.lower(source.key, (now, now + most)) - now
        code = "credit.lost_bound" if best else "credit.lost_zero"
        reason = fault(code, source.key, start=shown(start), end=shown(end), hours=Fraction(ms, HOUR))
        ledger.post(desk, source, "lost", reason, span=(start, end), raw=ZERO, corrected=best, document=document)


def _inside(desk: Desk, source: Source) -> Iterator[tuple[int, int, int, str | None]]:
    """Time that no register saw, after a reset or as a person decided, with the paper of the decision."""
    for booking in desk.bookings.get(source.key, ()):
        if booking.piece.lost:
            yield booking.piece.start, booking.piece.end, booking.piece.lost, booking.piece.document


def holes(found: Iterable[Piece], window: tuple[int, int], *, closed: bool) -> Iterator[tuple[int, int, int]]:
    """Spans of `window` that no piece covers, as (start, end, ms)."""
    at, end = window
    for piece in sorted(found, key=lambda piece: (piece.start, piece.end)):
        if piece.start > at and at < end:
            yield at, min(piece.start, end), min(piece.start, end) - at
        at = max(at, piece.end)
    if closed and at < end:
        yield at, end, end - at


def bound(desk: Desk, source: Source, ms: int) -> Fraction | None:
    """The most that can pass in `ms`, in the source's unit; None where nothing says."""
    kind, hours = source.coherent.dimension, Fraction(ms, HOUR)
    if kind == _HOURS:
        return hours / source.coherent.factor
    point = desk.frame.point(source.point) if source.point else None
    if kind != _POWER_HOURS or point is None or point.rated is None:
        return None
    return point.rated.power.coherent * hours / source.coherent.factor


def cap(ledger: Ledger, desk: Desk, source: Source) -> None:
    """Not more than rated power, or the clock itself, times the hours of the calendar; only where that gives less.

    A quantity that was booked here whole from across a bound brings its own hours with it.
    """
    start, end = desk.frame.window(source.item)
    spans = [booking.piece for booking in desk.bookings.get(source.key, ())]
    start, end = min([start, *(p.start for p in spans)]), max([end, *(p.end for p in spans)])
    limit, now = bound(desk, source, end - start), desk.value[source.key]
    if limit is None or now <= limit:
        return
    best = desk.lower(source.key, (now, limit))
    code = "credit.cap" if best == limit else "credit.beyond_rating"
    reason = fault(code, source.key, limit=limit, unit=source.unit, hours=Fraction(end - start, HOUR))
    ledger.post(desk, source, "cap", reason, span=(start, end), raw=now, corrected=best)
