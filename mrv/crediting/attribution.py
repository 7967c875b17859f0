"""Which segment a quantity belongs to: exact where it lies within one, on the lower-ER side where it crosses a bound.

A difference over a gap that runs across a year end, the crediting start or a change of factors is exact as a sum and
unknown in its parts. It is neither pro-rated nor silently booked to the later side: it goes, whole, where the
reduction is lowest, unless a reading documented inside the gap divides it. Each such decision is a ledger line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import floor

from mrv.crediting.pieces import Piece, divided
from mrv.crediting.sealed import Evidence, Sealed
from mrv.crediting.segments import Source
from mrv.crediting.work import ZERO, Booking, Desk, Ledger, dimensionless
from mrv.errors import fault

TONNE = 1000


@dataclass(frozen=True, slots=True)
class Crossing:
    """A piece that more than one side could claim. `home` is where its end lies, None outside; so for `sides`."""

    source: Source
    piece: Piece
    home: Desk | None
    sides: tuple[Desk | None, ...]


def book(
    desks: Sequence[Desk], source: Source, found: Sequence[Piece], sealed: Sequence[Sealed], evidence: Evidence
) -> Iterator[Crossing]:
    """Book the pieces of `source` in every desk that has it; gives those that cross a bound, booked by their end."""
    mine = [desk for desk in desks if any(other.key == source.key for other in desk.frame.sources)]
    windows = [(desk, *desk.frame.window(source.item)) for desk in mine]
    for piece in found:
        home, since = next(((desk, start) for desk, start, end in windows if start < piece.end <= end), (None, 0))
        if home is not None and since <= piece.start:
            _add(home, source, piece, raw=not piece.added)
            continue
        parts = divided(piece, source, sealed, evidence.papers)
        if len(parts) == 1:
            crossing = _crossing(mine, source, piece, home, evidence)
            if crossing is not None:
                _add(crossing.home, source, piece, raw=not piece.added)
                yield crossing
            continue
        for part in parts:
            yield from _documented(mine, source, piece, part, evidence)


def _documented(
    mine: Sequence[Desk], source: Source, piece: Piece, part: Piece, evidence: Evidence
) -> Iterator[Crossing]:
    """A part of a piece that a documented reading divided: raw stays where the sealed usage was booked."""
    whole, home = _home(mine, source, piece), _home(mine, source, part)
    sides: tuple[Desk | None, ...] = (home,) if _within(home, source, part) else ()
    if not sides:
        crossing = _crossing(mine, source, part, home, evidence)
        sides = crossing.sides if crossing else (None,)
    _add(whole, source, part, raw=True)
    yield Crossing(source, part, whole, sides)


def _home(mine: Sequence[Desk], source: Source, piece: Piece) -> Desk | None:
    """The desk in whose window the piece ends."""
    for desk in mine:
        start, end = desk.frame.window(source.item)
        if start < piece.end <= end:
            return desk
    return None


def _within(home: Desk | None, source: Source, piece: Piece) -> bool:
    return home is not None and home.frame.window(source.item)[0] <= piece.start


def _add(home: Desk | None, source: Source, piece: Piece, *, raw: bool) -> None:
    if home is None:
        return
    home.bookings.setdefault(source.key, []).append(Booking(piece=piece, amount=piece.amount))
    if raw:
        home.counted.setdefault(source.key, []).append(piece.raw)


def _crossing(
    mine: Sequence[Desk], source: Source, piece: Piece, home: Desk | None, evidence: Evidence
) -> Crossing | None:
    """Who could claim `piece`; None for one that no side of this report can claim."""
    windows = [(desk, *desk.frame.window(source.item)) for desk in mine]
    sides: list[Desk | None] = [desk for desk, start, end in windows if piece.start < end and piece.end > start]
    if not sides:
        return None
    first = min(start for _, start, end in windows if start < end)
    last = max(end for _, start, end in windows if start < end)
    # At an edge of the report that is no bound of crediting, the neighbouring report counts the other pieces: what
    # ends after an edge belongs to the report after it, here and there.
    if piece.end > last == evidence.end:
        return None
    if (piece.start < first and first != evidence.start) or piece.end > last or home is None:
        sides.append(None)
    return Crossing(source, piece, home, tuple(sides))


def settle(ledger: Ledger, crossings: Sequence[Crossing]) -> None:
    """Book every crossing piece where the reduction is lowest. Needs desks that are whole."""
    for crossing in crossings:
        if not crossing.piece.amount:
            continue
        sides = [side for side in crossing.sides if side is None or side.whole]
        if crossing.home is not None and not crossing.home.whole:
            continue
        best = min(sides, key=lambda side: _total(ledger, crossing, side), default=crossing.home)
        _move(ledger, crossing, best)


def _total(ledger: Ledger, crossing: Crossing, side: Desk | None) -> tuple[Fraction, int]:
    """Reduction of all segments if `side` had the piece; of equal ones the fewer whole tonnes."""
    years: dict[int, Fraction] = {}
    for desk in ledger.desks:
        if desk.whole:
            amount = desk.value.get(crossing.source.key, ZERO)
            amount += crossing.piece.amount * ((desk is side) - (desk is crossing.home))
            touched = desk is side or desk is crossing.home
            found = desk.with_(crossing.source.key, amount) if touched else desk.reduction()
            years[desk.frame.year] = years.get(desk.frame.year, ZERO) + found
    return sum(years.values(), ZERO), sum(floor(one / TONNE) for one in years.values())


def _move(ledger: Ledger, crossing: Crossing, best: Desk | None) -> None:
    piece, source = crossing.piece, crossing.source
    documented = piece.kind == "divided" and len(crossing.sides) == 1
    code = "credit.straddle_documented" if documented else "credit.straddle"
    names = [_named(side) for side in (crossing.home, best)]
    reason = fault(code, source.key, booked=names[1], usage=names[0], start=piece.start, end=piece.end)
    span = (piece.start, piece.end)
    if crossing.home is not None:
        stays = crossing.home is best
        ledger.post(
            crossing.home,
            crossing.home.source(source.key),
            "before_start" if best is None else "straddle",
            reason,
            span=span,
            raw=piece.amount,
            corrected=piece.amount if stays else ZERO,
            meter=piece.meter,
            document=piece.document,
        )
        if not stays:
            crossing.home.bookings[source.key] = [b for b in crossing.home.bookings[source.key] if b.piece is not piece]
    if best is not None and best is not crossing.home:
        own = best.source(source.key)
        ledger.post(
            best,
            own,
            "straddle",
            reason,
            span=span,
            raw=ZERO,
            corrected=piece.amount,
            meter=piece.meter,
            document=piece.document,
        )
        best.bookings.setdefault(source.key, []).append(Booking(piece=piece, amount=piece.amount))


def _named(desk: Desk | None) -> str:
    return "not credited" if desk is None else f"segment {desk.frame.number} ({desk.frame.year})"


def opinion(desk: Desk, source: Source, found: Sequence[Piece]) -> bool:
    """Book the one value of a share or ratio: of several records that cover the window the one that gives least."""
    start, end = desk.frame.window(source.item)
    fitting = [piece for piece in found if piece.start < end and piece.end > start]
    if not dimensionless(source) or not fitting:
        return False
    desk.bookings[source.key] = [Booking(piece=piece, amount=piece.amount) for piece in fitting]
    return True
