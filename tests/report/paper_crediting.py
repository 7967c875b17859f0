"""A Crediting made by hand, with every kind of thing a report has to show; its figures are exact and worked out here.

A PV plant with two systems over a year end: 2026 has a late calibration of one register (two segments' worth of rules
in one file), 2027 lacks nothing. Numbers are chosen so that no sum is round.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from mrv.crediting.result import (
    CalibrationRow,
    Completeness,
    ComputedRow,
    Crediting,
    CrossCheck,
    Event,
    ExAnteRow,
    Line,
    MonitoredRow,
    Segment,
    TermRow,
    Vintage,
)
from mrv.errors import fault
from mrv.methodology.emissions import evaluate
from mrv.methodology.expression import parse

EQUATIONS = {
    "RE_p": ("tCO2", "Reference emissions", "RE_p = sum_i(EG[i] * EF_RE[i])"),
    "PE_p": ("tCO2", "Project emissions", "PE_p = 0"),
    "ER_p": ("tCO2", "Emission reduction", "ER_p = RE_p - PE_p"),
}
SHA = "ab" * 32


def utc(*parts: int) -> int:
    return int(datetime(*parts, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc,arg-type]


START, NEW_YEAR, END = utc(2026, 2, 28, 17), utc(2026, 12, 31, 17), utc(2027, 2, 28, 17)


def ex_ante(item: str, value: str, unit: str = "tCO2/MWh") -> ExAnteRow:
    converted = Fraction(value) / (1 if unit == "tCO2/MWh" else 1000)
    return ExAnteRow(
        symbol="EF_RE",
        item=item,
        description=f"Reference emission factor of PV system {item}",
        value=Decimal(value),
        unit=unit,
        converted=converted,
        symbol_unit="tCO2/MWh",
        document="Project design document",
        date=date(2025, 6, 1),
        locator="page 12, table 3",
    )


def term(register: str, sign: Any, raw: str, corrected: str | None = None, point: str = "PV-AC") -> TermRow:
    return TermRow(
        source=f"{point}:{register}",
        sign=sign,
        point=point,
        register=register,
        record="",
        unit="kWh",
        raw=Fraction(raw),
        corrected=Fraction(corrected or raw),
        meters=("pv-main",),
        usages=(SHA,),
        records=(),
    )


def monitored(item: str, *terms: TermRow) -> MonitoredRow:
    raw = sum((t.sign * t.raw for t in terms), Fraction(0)) / 1000
    corrected = sum((t.sign * t.corrected for t in terms), Fraction(0)) / 1000
    return MonitoredRow(
        symbol="EG",
        item=item,
        description=f"Electricity of PV system {item} consumed on site or sold",
        unit="MWh",
        option="C",
        direction="raises",
        raw=raw,
        corrected=corrected,
        terms=terms,
        missing=(),
        measured_by="electricity meter",
        procedure="Class 0.5 S meter, read every minute",
        frequency="continuous",
    )


def computed(
    items: tuple[str, ...],
    values: Mapping[tuple[str, str], Fraction],
    equations: Mapping[str, tuple[str, str, str]] = EQUATIONS,
) -> tuple[ComputedRow, ...]:
    """The equations evaluated in the units of the cells, which here are coherent with each other."""
    known, rows = dict(values), []
    for symbol, (unit, description, text) in equations.items():
        known[symbol, ""] = evaluate(parse(text).body, known, items)
        row = ComputedRow(
            symbol=symbol, item="", description=description, unit=unit, equation=text, value=known[symbol, ""]
        )
        rows.append(row)
    return tuple(rows)


def segment(
    number: int, year: int, start: int, end: int, fixed: tuple[ExAnteRow, ...], rows: tuple[MonitoredRow, ...]
) -> Segment:
    values: dict[tuple[str, str], Fraction] = {("EF_RE", f.item): f.converted for f in fixed}
    items = tuple(r.item for r in rows)
    done = computed(items, values | {("EG", r.item): r.corrected or Fraction(0) for r in rows})
    before = computed(items, values | {("EG", r.item): r.raw or Fraction(0) for r in rows})
    kg = {row.symbol: 1000 * row.value for row in done if row.value is not None}
    return Segment(
        number=number,
        year=year,
        start=start,
        end=end,
        plan=SHA,
        methodology="VN_AM007_ver01.0",
        methodology_digest=SHA,
        ex_ante=fixed,
        monitored=rows,
        computed=done,
        raw_reduction=1000 * (before[-1].value or Fraction(0)),
        reference=kg["RE_p"],
        project=kg["PE_p"],
        reduction=kg["ER_p"],
    )


def vintage(year: int, start: int, end: int, *segments: Segment) -> Vintage:
    reduction = sum((s.reduction or Fraction(0) for s in segments), Fraction(0))
    tonnes = reduction / 1000
    nearest = Fraction(round(tonnes))
    return Vintage(
        year=year,
        start=start,
        end=end,
        hours=Fraction(end - start, 3_600_000),
        reference=sum((s.reference or Fraction(0) for s in segments), Fraction(0)),
        project=sum((s.project or Fraction(0) for s in segments), Fraction(0)),
        reduction=reduction,
        tonnes=tonnes.numerator // tonnes.denominator,
        near_integer=abs(tonnes - nearest) <= Fraction(1, 10**6),
        missing=(),
    )


def late(number: int, source: str, raw: str, factor: str, sign: int) -> Line:
    corrected = Fraction(raw) * Fraction(factor)
    return Line(
        number=number,
        segment=1,
        kind="late_calibration",
        symbol="EG",
        item="roof",
        source=source,
        meter="pv-main",
        start=START,
        end=utc(2026, 5, 1),
        unit="kWh",
        raw=Fraction(raw),
        factor=Fraction(factor),
        corrected=corrected,
        effect=sign * (corrected - Fraction(raw)) * Fraction("0.333"),
        reason=fault("plan.period", "PV-AC", found=7),
        document=SHA,
    )


EXPORT, IMPORT = "48797.160", "424.320"
LATE = (
    late(1, "PV-AC:active_energy_export", "12345.678", "0.998", 1),
    late(2, "PV-AC:active_energy_import", "100.1", "1.002", -1),
)


def segments() -> tuple[Segment, ...]:
    fixed = (ex_ante("roof", "0.333"), ex_ante("carport", "333", "kgCO2/MWh"))
    export = str(Decimal(EXPORT) + Decimal("12345.678") * Decimal("0.998") - Decimal("12345.678"))
    imported = str(Decimal(IMPORT) + Decimal("100.1") * Decimal("1.002") - Decimal("100.1"))
    first = (
        monitored(
            "roof",
            term("active_energy_export", 1, EXPORT, export),
            term("active_energy_import", -1, IMPORT, imported),
        ),
        monitored("carport", term("active_energy_export", 1, "1234.567", point="PV-2")),
    )
    second = (
        monitored("roof", term("active_energy_export", 1, "7000.125"), term("active_energy_import", -1, "77.001")),
        monitored("carport", term("active_energy_export", 1, "333.333", point="PV-2")),
    )
    return (
        segment(1, 2026, START, NEW_YEAR, fixed, first),
        segment(2, 2027, NEW_YEAR, END, fixed, second),
    )


def crediting(**changes: Any) -> Crediting:
    """The whole of it; `changes` are fields."""
    made = segments()
    years = (vintage(2026, START, NEW_YEAR, made[0]), vintage(2027, NEW_YEAR, END, made[1]))
    fields: dict[str, Any] = {
        "site": "demo-factory",
        "project": "pv",
        "title": "Rooftop PV & carport",
        "reference": "VN000",
        "timezone": "Asia/Ho_Chi_Minh",
        "tzdata": "2026a",
        "start": START,
        "end": END,
        "plans": ((START, SHA),),
        "segments": made,
        "ledger": LATE,
        "vintages": years,
        "tonnes": sum(y.tonnes or 0 for y in years),
        "calibrations": (CALIBRATION,),
        "cross_checks": (CHECK,),
        "completeness": (COMPLETE,),
        "events": (EVENT,),
        "not_for_submission": (fault("plan.period", "VN_AM007_ver01.0", found=7),),
        "findings": (),
    }
    return Crediting(**fields | changes)


CALIBRATION = CalibrationRow(
    point="PV-AC",
    meter="pv-main",
    link="meter",
    serial="12345678",
    certificate="KD-77",
    laboratory="Metrology centre",
    accreditation="VILAS 001",
    done=date(2024, 3, 1),
    due=date(2026, 3, 1),
    next_done=date(2026, 5, 1),
    days_late=61,
    mpe=Fraction("0.002"),
    as_found=Fraction("0.001"),
    as_left=None,
    used=Fraction("0.002"),
    document=SHA,
)
CHECK = CrossCheck(
    kind="invoice",
    symbol="EG",
    item="roof",
    subject="PV-AC against invoices",
    start=START,
    end=NEW_YEAR,
    unit="kWh",
    metered=Fraction("48797.16"),
    other=Fraction("48804.719"),
    allowed=Fraction("97.6"),
    agrees=True,
    credited="meter",
    reason=fault("plan.period", "", found=7),
)
COMPLETE = Completeness(
    year=2026,
    point="PV-AC",
    register="active_energy_export",
    expected=440640,
    read=440000,
    gap=640,
    asleep=0,
    unit="kWh",
    energy=Fraction(EXPORT),
    across_gaps=Fraction("12.5"),
    unknown_ms=0,
)
EVENT = Event(
    at=utc(2026, 5, 3, 1),
    end=utc(2026, 5, 3, 3),
    point="PV-AC",
    meter="pv-main",
    what=fault("plan.period", "", found=7),
    unit="kWh",
    effect=Fraction("12.5"),
    document=None,
)
