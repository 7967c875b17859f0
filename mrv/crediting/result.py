"""What the crediting of one project says: everything the sheets of a monitoring report need, as values.

A report renders this and computes nothing of its own; an auditor computes it again and compares `canonical` bytes.
Quantities are exact Fractions in the unit named beside them, emissions in kg CO2 equivalent; nothing here is rounded
but `Vintage.tonnes`. Instants are UTC ms, spans half-open. What is missing is None and named, never zero.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from typing import Any, Literal

from mrv.errors import Fault

Option = Literal["A", "B", "C"]
Side = Literal["raises", "lowers", "neither"]
#: Why a ledger line is there (docs/crediting.md says what each does).
Kind = Literal[
    "redecoded",  # rule 4: raw words decoded again, by the right text of a profile that was wrong
    "late_calibration",  # rule 17: error box of a chain whose calibration was late, at its lowest-ER corner
    "lost",  # rule 6: energy that no register kept
    "held",  # rule 22: registers of a chain nobody has signed for
    "exchange",  # rule 22: booked back from final and first readings of a signed exchange
    "decided",  # rules 13, 14: held registers of which a named person said that they are energy, or that they are none
    "ran_on",  # rule 6: one instrument's register between two chains of it, which no usage contains
    "straddle",  # rule 11: a difference that lies across a bound, booked to the lower-ER side or as documented
    "cap",  # rule 5: more than rated input times hours
    "cross_check",  # rule 18: the other option gives less
    "before_start",  # rule 22: before crediting start, operation start or commissioning
]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExAnteRow:
    """One value fixed at validation. `value` in `unit` is as the document prints it, `converted` in `symbol_unit`."""

    symbol: str
    item: str
    description: str
    value: Decimal
    unit: str
    converted: Fraction
    symbol_unit: str
    document: str
    date: date
    locator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TermRow:
    """One register (or one series of office records) that a monitored parameter is made of, within one segment.

    `raw` is the sum of sealed differences scaled by the ratio, `corrected` what is credited; their difference is the
    sum of `Line.delta` of the lines with this segment and `source`. `meters` stood at the point in this order.
    `usages` are the digests of the usage leaves added up, `records` the ids of the office records.
    """

    source: str
    sign: Literal[1, -1]
    point: str
    register: str
    record: str
    unit: str
    raw: Fraction
    corrected: Fraction
    meters: tuple[str, ...]
    usages: tuple[str, ...]
    records: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoredRow:
    """One parameter of one item in one segment: a line of table 1 of a monitoring report sheet.

    Raw and corrected values are in `unit`, the unit of the methodology. `direction` is the sign of dER/dx at the
    monitored values. None: missing, `missing` names what.
    """

    symbol: str
    item: str
    description: str
    unit: str
    option: Option
    direction: Side
    raw: Fraction | None
    corrected: Fraction | None
    terms: tuple[TermRow, ...]
    missing: tuple[str, ...]
    measured_by: str
    procedure: str
    frequency: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputedRow:
    """A symbol that an equation defines, at the corrected values, in the methodology's `unit`."""

    symbol: str
    item: str
    description: str
    unit: str
    equation: str
    value: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarRow:
    """Hours of the calendar in which one item counts: from `start` until `end`, both UTC ms."""

    symbol: str
    item: str
    description: str
    unit: str
    start: int
    end: int
    value: Fraction


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One evaluation of the equations: one vintage under one version of what is credited.

    Emissions in kg: `raw_` before the ledger, the others after it.
    """

    number: int
    year: int
    start: int
    end: int
    plan: str
    methodology: str
    methodology_digest: str
    ex_ante: tuple[ExAnteRow, ...]
    monitored: tuple[MonitoredRow, ...]
    computed: tuple[ComputedRow, ...]
    #: For the symbols that ask for hours of the calendar.
    calendar: tuple[CalendarRow, ...] = ()
    raw_reduction: Fraction | None
    reference: Fraction | None
    project: Fraction | None
    reduction: Fraction | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One entry of the correction ledger: `raw` becomes `corrected` (in `unit`) for `reason`.

    `effect` is what it does to the emission reduction, in kg, with the lines before it already made: raw reduction plus
    all effects is the credited reduction, exactly. `document` is the SHA-256 of the paper that justifies it, if any.
    `reason.params` names the rule, who, and what else a verifier asks.
    """

    number: int
    segment: int
    kind: Kind
    symbol: str
    item: str
    source: str
    meter: str
    start: int
    end: int
    unit: str
    raw: Fraction
    factor: Fraction | None
    corrected: Fraction
    effect: Fraction
    reason: Fault
    document: str | None

    @property
    def delta(self) -> Fraction:
        return self.corrected - self.raw


@dataclass(frozen=True, slots=True, kw_only=True)
class Vintage:
    """One calendar year of one project, local time. `tonnes` is the floor (toward minus infinity) of `reduction`.

    `near_integer`: within 1e-6 t of a whole tonne, where a spreadsheet's doubles may fall on the other side.
    """

    year: int
    start: int
    end: int
    hours: Fraction
    reference: Fraction | None
    project: Fraction | None
    reduction: Fraction | None
    tonnes: int | None
    near_integer: bool
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CalibrationRow:
    """One calibration interval of one link (meter, CT, VT) of a point, from before the window to after it.

    Late from `due` to `end`, for `days_late` days; `mpe` and `as_found` are shares, `used` the greater of them.
    """

    point: str
    meter: str
    link: str
    serial: str
    certificate: str
    laboratory: str
    accreditation: str
    done: date | None
    due: date
    next_done: date | None
    days_late: int
    mpe: Fraction
    as_found: Fraction | None
    as_left: Fraction | None
    used: Fraction
    document: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossCheck:
    """Two ways to know one quantity. `allowed` is their combined accuracy in `unit`; `credited` says which counted."""

    kind: Literal["invoice", "meter", "check", "inverter", "rated", "estimate", "full_load_hours"]
    symbol: str
    item: str
    subject: str
    start: int
    end: int
    unit: str
    metered: Fraction | None
    other: Fraction
    allowed: Fraction
    agrees: bool
    credited: str
    reason: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class Completeness:
    """One point in one vintage. Slots, and the energy that was booked across gaps instead of seen slot by slot.

    `asleep` is how many of `gap` an inverter slept through: no gaps, as far as the shares are concerned.
    """

    year: int
    point: str
    register: str
    expected: int
    read: int
    gap: int
    asleep: int
    unit: str
    energy: Fraction
    across_gaps: Fraction
    unknown_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something a verifier asks about: at `at` (until `end`), what, and who says so.

    `lines` are the numbers of the ledger lines that treat it, `effect` what these do to the quantity in `unit`.
    """

    at: int
    end: int
    point: str
    meter: str
    what: Fault
    unit: str
    effect: Fraction | None
    document: str | None
    who: str = ""
    lines: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Crediting:
    """One project from `start` to `end`. `tonnes` is the sum of the floors; None when a vintage misses something.

    `not_for_submission` says why these figures may not be filed; `findings` what else a person must look at.
    """

    site: str
    project: str
    title: str
    reference: str
    timezone: str
    tzdata: str
    start: int
    end: int
    plans: tuple[tuple[int, str], ...]
    segments: tuple[Segment, ...]
    ledger: tuple[Line, ...]
    vintages: tuple[Vintage, ...]
    tonnes: int | None
    calibrations: tuple[CalibrationRow, ...]
    cross_checks: tuple[CrossCheck, ...]
    completeness: tuple[Completeness, ...]
    events: tuple[Event, ...]
    not_for_submission: tuple[Fault, ...]
    findings: tuple[Fault, ...]


def canonical(value: object) -> bytes:
    """One spelling of a Crediting (or any part), for comparing two computations byte by byte.

    Fractions as `numerator/denominator`, decimals and dates as text, keys sorted; ASCII JSON.
    """
    return json.dumps(_plain(value), sort_keys=True, separators=(",", ":")).encode()


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if isinstance(value, Fraction):
        return f"{value.numerator}/{value.denominator}"
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, (Decimal, date)) else value
