"""Usages that were decoded again, by the right text of a profile that was wrong: in the ledger, missing, as an event.

Comes before every other correction: all of them work on what the registers should have been. Sealed values are shown
beside, and never used where the raw words do not say what should stand in their place.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from mrv import number
from mrv.crediting.corrections import runs
from mrv.crediting.pieces import Piece
from mrv.crediting.result import Event
from mrv.crediting.sealed import Sealed
from mrv.crediting.segments import Source
from mrv.crediting.work import Booking, Desk, Ledger
from mrv.errors import Fault, fault
from mrv.measurand import BY_OBIS
from mrv.number import total
from mrv.period import shown
from mrv.redecode import Fix

#: What the event of a fix is called.
FIXED = "credit.decoder_fixed"


def correct(ledger: Ledger, desk: Desk, source: Source) -> None:
    """Post what the raw words of `source` come to, for each run of usages of one meter and one fix."""
    for fix, run in _runs(desk.bookings.get(source.key, ())):
        record, meter = fix.record, run[0].piece.meter
        said = {"meter": meter, "profile": record.profile, "wrong": record.wrong, "right": record.right}
        count = len({booking.piece.usage for booking in run})
        ledger.post(
            desk,
            source,
            "redecoded",
            fault("credit.redecoded", source.key, **said, count=count, record=fix.digest[:16], who=record.who),
            span=(run[0].piece.start, run[-1].piece.end),
            raw=total(booking.piece.raw for booking in run),
            corrected=total(booking.amount for booking in run),
            meter=meter,
            document=record.document,
        )


def untold(source: Source, found: Iterable[Piece]) -> Iterator[tuple[str, Fault]]:
    """(what is missing, a finding) for usages among `found` that cannot be decoded again."""
    unknown = [Booking(piece=piece, amount=piece.amount) for piece in found if piece.untold]
    for fix, run in _runs(unknown):
        first, start, end = run[0].piece, shown(run[0].piece.start), shown(run[-1].piece.end)
        said = {"meter": first.meter, "start": start, "end": end, "record": fix.digest[:16]}
        what = fault("credit.not_redecoded", source.key, **said, usage=first.usage[:16], count=len(run))
        yield f"{source.key} {start} - {end}: decoder_fix {fix.digest[:16]}", what


def _runs(bookings: Iterable[Booking]) -> Iterator[tuple[Fix, list[Booking]]]:
    """Bookings of one meter that were decoded again by one fix and follow each other."""
    fixed: dict[str, tuple[Fix, list[Booking]]] = {}
    for booking in bookings:
        if (fix := booking.piece.fix) is not None:
            fixed.setdefault(fix.digest, (fix, []))[1].append(booking)
    for fix, mine in fixed.values():
        yield from ((fix, run) for run in runs(mine))


def events(sealed: Iterable[Sealed]) -> Iterator[Event]:
    """What was decoded again of each meter, with the energy by both texts; `sealed` in order of time at each point."""
    for _, group in groupby(sealed, key=_fixed):
        mine = list(group)
        again = mine[0].again
        if again is None:
            continue
        record = again.fix.record
        said = {"profile": record.profile, "wrong": record.wrong, "right": record.right, "reason": record.reason}
        said |= {"before": _spelled(mine, again=False), "after": _spelled(mine, again=True)}
        yield Event(
            at=mine[0].usage.start,
            end=mine[-1].usage.end,
            point=mine[0].bound.point,
            meter=mine[0].bound.meter,
            what=fault(FIXED, mine[0].bound.meter, **said, record=again.fix.digest[:16]),
            unit="",
            effect=None,
            document=record.document,
            who=record.who,
        )


def _fixed(one: Sealed) -> tuple[str, ...]:
    return (*one.identity, one.again.fix.digest if one.again else "")


def _spelled(mine: Sequence[Sealed], *, again: bool) -> str:
    """The energy of every register they have, in three decimals (the ledger has it exactly), or that it is unknown."""
    found = []
    for measurand in sorted({BY_OBIS[obis] for one in mine for obis in _codes(one)}, key=lambda one: one.name):
        name = measurand.name.lower()
        amounts = [one.energy(name) if again else one.as_sealed(name) for one in mine]
        known = number.spell(number.rounded(total(one for one in amounts if one is not None), 3), 3)
        unknown = again and any(one.untold(name) for one in mine)
        found.append(f"{name} {'?' if unknown else known} {measurand.unit}")
    return ", ".join(found)


def _codes(one: Sealed) -> set[str]:
    leaf = one.leaf or one.usage
    return BY_OBIS.keys() & (leaf.registers.keys() | one.usage.registers.keys())
