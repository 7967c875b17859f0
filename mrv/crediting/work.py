"""The figures while corrections are made: what is booked where, what the equations give, and one ledger.

Every change of a quantity goes through `post`, which evaluates before and after: raw reduction plus all effects is
the credited reduction, exactly, by construction.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction

from mrv.crediting.pieces import Piece
from mrv.crediting.result import Kind, Line
from mrv.crediting.segments import Frame, Source
from mrv.crediting.slope import Interval, Undetermined, slopes
from mrv.errors import Fault
from mrv.methodology import supply, units
from mrv.methodology.emissions import Undefined, Values, fixed, solve
from mrv.methodology.expression import Equation

HOUR = 3_600_000
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """A piece, and how much of the source's quantity it stands for here."""

    piece: Piece
    amount: Fraction


@dataclass(slots=True)
class Desk:
    """One segment: its fixed values, what is booked of each source, and what is missing."""

    frame: Frame
    equations: tuple[Equation, ...] = field(init=False)
    given: Values = field(init=False)
    bookings: dict[str, list[Booking]] = field(default_factory=dict)
    #: What is booked as it was sealed, to be summed once.
    counted: dict[str, list[Fraction]] = field(default_factory=dict)
    raw: dict[str, Fraction] = field(default_factory=dict)
    value: dict[str, Fraction] = field(default_factory=dict)
    missing: dict[tuple[str, str], list[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        frame = self.frame
        self.equations = supply.equations(frame.project, frame.methodology)
        self.given = fixed(frame.project)
        for name in frame.methodology.of("calendar", "project"):
            self.given[name, ""] = self.hours("")
        for name in frame.methodology.of("calendar", "item"):
            self.given.update({(name, item): self.hours(item) for item in frame.items})

    def hours(self, item: str) -> Fraction:
        """Hours of the calendar in which `item` counts here."""
        start, end = self.frame.window(item)
        return Fraction(end - start, HOUR)

    @property
    def whole(self) -> bool:
        """Whether every monitored parameter has a value."""
        return not self.missing

    def miss(self, source: Source, what: str) -> None:
        names = self.missing.setdefault((source.symbol, source.item), [])
        if what not in names:
            names.append(what)

    def source(self, key: str) -> Source:
        return next(source for source in self.frame.sources if source.key == key)

    def parameters(self, value: Mapping[str, Fraction]) -> Values:
        """The monitored parameters in coherent units when its sources have `value`."""
        found: Values = {}
        for source in self.frame.sources:
            key = source.symbol, source.item
            found[key] = found.get(key, ZERO) + source.sign * value[source.key] * source.coherent.factor
        return found

    def solve(self, value: Mapping[str, Fraction] | None = None) -> Values:
        """Every symbol at `value`, or at what is booked now. Raises Undefined."""
        return solve(
            self.equations, self.given | self.parameters(self.value if value is None else value), self.frame.items
        )

    def reduction(self, value: Mapping[str, Fraction] | None = None) -> Fraction:
        """ER_p in kg. Raises Undefined."""
        return self.solve(value)["ER_p", ""]

    def with_(self, key: str, amount: Fraction) -> Fraction:
        """ER_p if the source `key` had `amount`, all else as now."""
        return self.reduction(self.value | {key: amount})

    def lower(self, key: str, choices: Iterable[Fraction]) -> Fraction:
        """Of the values that the source `key` may have, the one with the lowest reduction; of equals the first."""
        return min(choices, key=lambda amount: self.with_(key, amount))

    def slopes(self, errors: Mapping[str, Fraction]) -> dict[str, Interval] | None:
        """Bounds of d(ER_p)/d(source) while each source in `errors` is off by up to that much; None: undetermined."""
        box: dict[tuple[str, str], Interval] = {key: (value, value) for key, value in self.given.items()}
        for source in self.frame.sources:
            key, off = (source.symbol, source.item), errors.get(source.key, ZERO) * source.coherent.factor
            middle = source.sign * self.value[source.key] * source.coherent.factor
            low, high = box.get(key, (ZERO, ZERO))
            box[key] = (low + middle - off, high + middle + off)
        try:
            found = slopes(self.equations, box, self.frame.items)
        except Undetermined:
            return None
        return {source.key: _signed(found[source.symbol, source.item], source.sign) for source in self.frame.sources}


def _signed(interval: Interval, sign: int) -> Interval:
    return interval if sign > 0 else (-interval[1], -interval[0])


class Ledger:
    """Itemised corrections over all segments of one project."""

    def __init__(self, desks: tuple[Desk, ...]) -> None:
        self.desks = desks
        self.lines: list[Line] = []

    def post(
        self,
        desk: Desk,
        source: Source,
        kind: Kind,
        reason: Fault,
        *,
        span: tuple[int, int],
        raw: Fraction,
        corrected: Fraction,
        factor: Fraction | None = None,
        meter: str = "",
        document: str | None = None,
    ) -> None:
        """Write a line, also where it changes nothing, and make the change. Raises Undefined."""
        before = desk.reduction()
        desk.value[source.key] += corrected - raw
        self.lines.append(
            Line(
                number=len(self.lines) + 1,
                segment=desk.frame.number,
                kind=kind,
                symbol=source.symbol,
                item=source.item,
                source=source.key,
                meter=meter,
                start=span[0],
                end=span[1],
                unit=source.unit,
                raw=raw,
                factor=factor,
                corrected=corrected,
                effect=desk.reduction() - before,
                reason=reason,
                document=document,
            )
        )


def dimensionless(source: Source) -> bool:
    """A share or ratio: two records of it are two opinions, not two amounts to add."""
    return source.coherent.dimension == units.NONE


__all__ = ["HOUR", "ZERO", "Booking", "Desk", "Ledger", "Undefined", "dimensionless"]
