"""Late calibration in the ledger: one error box over all registers it touches, at its lowest corner.

The error belongs to each register on its own (import and export apart), over the quantity counted while the chain was
late; a piece that reaches into the late span counts whole, because attribution goes to the lower side.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from itertools import groupby

from mrv.crediting.box import lowest_corner
from mrv.crediting.calibration import Link, late_spans
from mrv.crediting.segments import Source
from mrv.crediting.work import ZERO, Booking, Desk, Ledger
from mrv.errors import fault
from mrv.number import total
from mrv.period import shown

Run = tuple[int, int, Fraction, Fraction]  # start, end, quantity, error


def correct(ledger: Ledger, desk: Desk, chains: Callable[[Source], tuple[Link, ...]]) -> None:
    """Post what late calibration takes away in `desk`. Raises BadInput (credit.box_too_large), Undefined."""
    late = {source.key: _late(desk, source, chains(source)) for source in desk.frame.sources if not source.paper}
    errors = {key: sum((abs(amount) * error for _, _, amount, error in runs), ZERO) for key, runs in late.items()}
    errors = {key: error for key, error in errors.items() if error}
    if not errors:
        return
    start = dict(desk.value)
    shifts = lowest_corner(errors, desk.slopes(errors), lambda off: desk.reduction(_shifted(start, off)))
    for source in desk.frame.sources:
        if source.key in shifts:
            _post(ledger, desk, source, late[source.key], 1 if shifts[source.key] > 0 else -1)


def _shifted(value: Mapping[str, Fraction], shifts: Mapping[str, Fraction]) -> dict[str, Fraction]:
    return {key: amount + shifts.get(key, ZERO) for key, amount in value.items()}


def _late(desk: Desk, source: Source, links: tuple[Link, ...]) -> list[Run]:
    """Runs of pieces with one error each, over the late spans of the chain."""
    spans = late_spans(links, source.register)
    bookings = sorted(desk.bookings.get(source.key, ()), key=lambda b: (b.piece.start, b.piece.end))
    marked = [(booking, _error(booking, spans)) for booking in bookings] if spans else []
    return [_run(group, error) for error, group in groupby(marked, key=lambda pair: pair[1]) if error]


def _error(booking: Booking, spans: Iterable[tuple[int, int, Fraction]]) -> Fraction:
    """The worst error at any instant of the booking's piece."""
    start, end = booking.piece.start, max(booking.piece.end, booking.piece.start + 1)
    return max((error for late, until, error in spans if late < end and start < until), default=ZERO)


def _run(group: Iterable[tuple[Booking, Fraction]], error: Fraction) -> Run:
    bookings = [booking for booking, _ in group]
    amount = total(booking.amount for booking in bookings)
    return bookings[0].piece.start, bookings[-1].piece.end, amount, error


def _post(ledger: Ledger, desk: Desk, source: Source, runs: Iterable[Run], direction: int) -> None:
    for start, end, amount, error in runs:
        factor = 1 + direction * error * (1 if amount >= 0 else -1)
        reason = fault(
            "credit.late_calibration", source.key, start=shown(start), end=shown(end), error=error, rule="sum"
        )
        ledger.post(
            desk,
            source,
            "late_calibration",
            reason,
            span=(start, end),
            raw=amount,
            corrected=amount * factor,
            factor=factor,
        )
