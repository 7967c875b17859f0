"""What is known of one source, as pieces: an exact quantity over a span that nobody can look into.

A piece is the difference of a sealed usage, a record, or what the papers of an exchange add. Pieces are never
pro-rated; only a documented reading inside the span of one divides it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Any, Literal

from mrv.crediting.decided import Rulings, installs
from mrv.crediting.sealed import Paper, Sealed
from mrv.crediting.segments import Source
from mrv.identity import BINDING, PARTS
from mrv.limits import HOUR, limits
from mrv.methodology import units
from mrv.period import in_ms as ms
from mrv.records import Exchange, Invoice, Manual, SpotReading
from mrv.redecode import Fix

#: Reasons to hold a meter that say no more than that it is not known who it is: a signed exchange answers them.
WHO = frozenset({BINDING, *PARTS})
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """`amount` in the source's unit, metered or recorded over [start, end]. `lost`: ms in it that no register saw.

    `leaf` is what was sealed of it, where it was decoded again by `fix`; `untold`: it could not be, and is unknown.
    """

    start: int
    end: int
    amount: Fraction
    kind: Literal["usage", "record", "exchange", "decided", "ran_on", "divided"]
    meter: str = ""
    usage: str = ""
    record: str = ""
    document: str | None = None
    held: bool = False
    ended: bool = False
    lost: int = 0
    #: Who decided that it counts, or that it does not.
    who: str = ""
    fix: Fix | None = None
    leaf: Fraction | None = None
    untold: bool = False

    @property
    def raw(self) -> Fraction:
        """What it contributes to the raw value."""
        return self.amount if self.leaf is None else self.leaf

    @property
    def added(self) -> bool:
        """Whether it comes on top of what usages say: it is a line of the ledger, not part of the raw value."""
        return self.kind in ("exchange", "decided", "ran_on")


def pieces(
    source: Source, project: str, sealed: Sequence[Sealed], papers: Sequence[Paper], ruled: Rulings
) -> tuple[Piece, ...]:
    """Everything known of `source`, in order of time; `sealed` are the usages of its point, in that order."""
    if source.terms.manual or source.terms.chosen == "A":
        return tuple(sorted(_manual(source, project, papers), key=_when))
    if source.terms.chosen == "B":
        return tuple(sorted(_invoiced(source, papers), key=_when))
    return metered(source.register, sealed, papers, ruled)


def metered(register: str, sealed: Sequence[Sealed], papers: Sequence[Paper], ruled: Rulings) -> tuple[Piece, ...]:
    """What the meters of one point counted of `register`; `sealed` are its usages in order of time."""
    found = (
        *_metered(register, sealed, papers, ruled),
        *_exchanged(register, sealed, papers),
        *_decided(register, sealed, ruled),
        *_ran_on(register, sealed),
    )
    return tuple(sorted(found, key=_when))


def _when(piece: Piece) -> tuple[int, int, str]:
    return piece.start, piece.end, piece.usage or piece.record


def _metered(register: str, sealed: Sequence[Sealed], papers: Sequence[Paper], ruled: Rulings) -> Iterator[Piece]:
    held = _held(register, sealed, papers, ruled)
    for one in sealed:
        if one.untold(register):
            yield from _untold(register, one)
            continue
        usage, energy = one.usage, one.energy(register)
        if energy is None or usage.opened is None or usage.closed is None:
            continue
        apart = sum(one.span for one in ruled.of(one.digest, register) if not one.counted)
        yield Piece(
            start=usage.opened,
            end=usage.closed,
            amount=energy,
            kind="usage",
            meter=usage.meter,
            usage=one.digest,
            held=one.digest in held,
            ended="ended" in usage.flags,
            lost=usage.lost if one.digest in held else usage.lost - apart,
            **_fixed(register, one),
        )


def _untold(register: str, one: Sealed) -> Iterator[Piece]:
    """A usage that cannot be decoded again, as it was sealed."""
    usage = one.leaf or one.usage
    if usage.opened is not None and usage.closed is not None:
        yield Piece(
            start=usage.opened,
            end=usage.closed,
            amount=one.as_sealed(register) or ZERO,
            kind="usage",
            meter=usage.meter,
            usage=one.digest,
            untold=True,
            **_fixed(register, one),
        )


def _fixed(register: str, one: Sealed) -> dict[str, Any]:
    """What a piece says of the fix by which it was decoded again."""
    return {"fix": one.again.fix, "leaf": one.as_sealed(register) or ZERO} if one.again else {}


def _held(register: str, sealed: Sequence[Sealed], papers: Sequence[Paper], ruled: Rulings) -> set[str]:
    """Usages that nobody signed for: held by the log, or of an instrument that took another's place."""
    unsigned = _unsigned(register, sealed, papers, ruled)
    first: dict[tuple[str, str], int] = {}
    found = set()
    for one in sealed:
        if one.usage.opened is not None:
            first.setdefault(one.identity, one.usage.end)
        known = first.get(one.identity, one.usage.end)
        waits = "held" in one.usage.flags and one.digest not in ruled.released
        if one.identity in unsigned or (waits and not (_from_the_first(one, known) and _signed(one, papers))):
            found.add(one.digest)
    return found


def _from_the_first(one: Sealed, known: int) -> bool:
    """Whether `one` is held only for who the meter is, and from its first period on, which ended at `known`."""
    reasons = one.usage.holds
    return bool(reasons or one.usage.end <= known) and all(
        why in WHO and since < known for why, since in reasons.items()
    )


def _unsigned(register: str, sealed: Sequence[Sealed], papers: Sequence[Paper], ruled: Rulings) -> set[tuple[str, str]]:
    """Instruments that took another's place without a signed exchange or decision: what they count is held."""
    between = {(one.record.meter, one.end) for one in ruled.of("", register)}
    return {
        after.identity
        for before, after in pairwise(sealed)
        if before.identity != after.identity
        and not _signed(after, papers)
        and (after.bound.meter, after.usage.opened) not in between
    }


def _signed(one: Sealed, papers: Sequence[Paper]) -> bool:
    return any(installs(paper, one) for paper in papers)


def _decided(register: str, sealed: Sequence[Sealed], ruled: Rulings) -> Iterator[Piece]:
    """What a person decided of held registers: a step that counts, or one that is lost."""
    for one in (*ruled.of("", register), *(one for s in sealed for one in ruled.of(s.digest, register))):
        if one.usage and one.usage not in ruled.released:
            continue  # something else keeps that usage held
        yield Piece(
            start=one.start,
            end=one.end,
            amount=one.amount(register),
            kind="decided",
            meter=one.record.meter,
            record=one.digest,
            document=one.record.document,
            lost=one.span if one.record.decision == "lost" else 0,
            who=one.record.who,
        )


def _exchanged(register: str, sealed: Sequence[Sealed], papers: Sequence[Paper]) -> Iterator[Piece]:
    """What a signed exchange adds: up to the final reading of the old meter, and from the first of the new one."""
    for before, after in pairwise(sealed):
        if before.identity == after.identity:
            continue
        signed = [paper for paper in papers if installs(paper, after)]
        old, new = before.stands(register), after.stands(register)
        if not signed or old is None or new is None or before.usage.closed is None or after.usage.opened is None:
            continue
        record = signed[-1].record
        if not isinstance(record, Exchange) or register not in record.removed.registers:
            continue
        final, first = Fraction(record.removed.registers[register]), Fraction(record.installed.registers[register])
        removed, installed = ms(record.removed.at), ms(record.installed.at)
        for start, end, counts, one in (
            (before.usage.closed, removed, final - old[1], before),
            (installed, after.usage.opened, new[0] - first, after),
        ):
            # A reading that lies behind the registers proves nothing: what it would add stays lost.
            if counts >= 0 and start <= end:
                yield Piece(
                    start=start,
                    end=end,
                    amount=counts * one.bound.settings.factor,
                    kind="exchange",
                    meter=one.bound.meter,
                    record=signed[-1].digest,
                    document=record.document,
                )


def _ran_on(register: str, sealed: Sequence[Sealed]) -> Iterator[Piece]:
    """Between two chains of one instrument (a new key, another polling interval) its register ran on, if it can have.

    It has to be known by its serial number, read by one profile under one ratio, and held on neither side.
    """
    for before, after in pairwise(sealed):
        closed, opened = before.usage.closed, after.usage.opened
        same = before.identity == after.identity and before.bound.serial is not None
        same = same and (before.bound.profile, before.bound.settings) == (after.bound.profile, after.bound.settings)
        if not same or closed is None or opened is None or closed >= opened:
            continue
        old, new = before.stands(register), after.stands(register)
        if old is None or new is None or any("held" in one.usage.flags for one in (before, after)):
            continue
        amount = (new[0] - old[1]) * after.bound.settings.factor
        power = limits(None, after.bound.settings, after.bound.every).power
        if 0 <= amount <= power * (opened - closed + after.bound.every * 1000) / HOUR:
            yield Piece(start=closed, end=opened, amount=amount, kind="ran_on", meter=after.bound.meter)


def _manual(source: Source, project: str, papers: Sequence[Paper]) -> Iterator[Piece]:
    for paper in papers:
        record = paper.record
        if isinstance(record, Manual) and (record.project, record.symbol, record.item or "") == (
            project,
            source.symbol,
            source.item,
        ):
            yield _recorded(source, paper.digest, record)


def _invoiced(source: Source, papers: Sequence[Paper]) -> Iterator[Piece]:
    for paper in papers:
        record = paper.record
        if isinstance(record, Invoice) and (record.points, record.register) == ((source.point,), source.register):
            yield _recorded(source, paper.digest, record)


def _recorded(source: Source, digest: str, record: Manual | Invoice) -> Piece:
    amount = units.convert(record.value, units.unit(record.unit), source.coherent)
    return Piece(
        start=ms(record.start),
        end=ms(record.end),
        amount=amount,
        kind="record",
        record=digest,
        document=record.document,
    )


def divided(piece: Piece, source: Source, sealed: Iterable[Sealed], papers: Iterable[Paper]) -> tuple[Piece, ...]:
    """`piece` cut at every spot reading inside it that fits between its registers; itself where there is none."""
    one = next((one for one in sealed if one.digest == piece.usage), None) if piece.kind == "usage" else None
    stands = one.stands(source.register) if one else None
    if one is None or stands is None or (stands[1] - stands[0]) * one.bound.settings.factor != piece.amount:
        return (piece,)
    marks = []
    for paper in papers:
        record = paper.record
        if isinstance(record, SpotReading) and (record.point, record.meter) == (source.point, one.bound.meter):
            value = record.registers.get(source.register)
            if value is not None and piece.start < ms(record.at) < piece.end:
                marks.append((ms(record.at), Fraction(value), paper.digest, record.photo))
    marks = sorted(mark for mark in marks if stands[0] <= mark[1] <= stands[1])
    if not marks or any(before[1] > after[1] for before, after in pairwise(marks)):
        return (piece,)
    _, _, record_digest, photo = marks[-1]
    ends = [(piece.start, stands[0]), *((at, value) for at, value, _, _ in marks), (piece.end, stands[1])]
    return tuple(
        Piece(
            start=start,
            end=end,
            amount=(after - before) * one.bound.settings.factor,
            kind="divided",
            meter=piece.meter,
            usage=piece.usage,
            record=record_digest,
            document=photo,
            held=piece.held,
            fix=piece.fix,
            # What was sealed knows nothing of the readings inside it: it stands, whole, with the first part.
            leaf=None if piece.leaf is None else piece.leaf if start == piece.start else ZERO,
        )
        for (start, before), (end, after) in pairwise(ends)
    )
