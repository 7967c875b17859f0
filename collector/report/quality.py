"""What a verifier asks after the figures: calibration, events, completeness, checks by people, cross-checks.

Every row shows what mrv.crediting or an office record says; nothing is judged here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import msgspec

from collector.report.cells import Cell, Column, Page, Value
from collector.report.frame import Frame, said
from collector.report.material import Material
from mrv.crediting.result import CalibrationRow, Completeness, Crediting, Event, Line
from mrv.errors import Fault
from mrv.journal import Entry
from mrv.messages import text
from mrv.plan.versions import midnight
from mrv.records import Explanation, IntegrityCheck, kind, papers_of

CALIBRATION, EVENTS, COMPLETENESS, QUALITY, CROSS = "calibration", "events", "completeness", "QA-QC", "cross-check"
CALIBRATION_COLUMNS = (
    Column(label="point", width=12),
    Column(label="meter", width=14),
    Column(label="device", width=9),
    Column(label="serial", width=14, confidential=True),
    Column(label="certificate", width=16, style="wrap"),
    Column(label="laboratory", width=24, style="wrap"),
    Column(label="accreditation", width=18, style="wrap"),
    Column(label="done", width=12, style="date"),
    Column(label="due", width=12, style="date"),
    Column(label="next_done", width=12, style="date"),
    Column(label="days_late", width=10, style="integer"),
    Column(label="mpe", width=11, style="share"),
    Column(label="as_found", width=11, style="share"),
    Column(label="as_left", width=11, style="share"),
    Column(label="mpe_used", width=11, style="share"),
    Column(label="effect_kwh", width=16, style="fine"),
    Column(label="document_sha", width=20, style="wrap"),
)
EVENT_COLUMNS = (
    Column(label="at", width=22),
    Column(label="until", width=22),
    Column(label="point", width=12),
    Column(label="meter", width=14),
    Column(label="what", width=60, style="wrap"),
    Column(label="unit", width=8),
    Column(label="effect", width=16, style="fine"),
    Column(label="treatment", width=34, style="wrap"),
    Column(label="who", width=22, style="wrap", confidential=True),
    Column(label="document_sha", width=20, style="wrap"),
)
COMPLETE_COLUMNS = (
    Column(label="vintage", width=12, style="year"),
    Column(label="point", width=12),
    Column(label="register", width=22),
    Column(label="expected", width=12, style="integer"),
    Column(label="read", width=12, style="integer"),
    Column(label="gap", width=12, style="integer"),
    Column(label="asleep", width=12, style="integer"),
    Column(label="share_read", width=12, style="share"),
    Column(label="unit", width=8),
    Column(label="energy", width=17, style="fine"),
    Column(label="across_gaps", width=17, style="fine"),
    Column(label="share_across", width=13, style="share"),
    Column(label="unknown_hours", width=15, style="fine"),
)
CHECK_COLUMNS = (
    Column(label="month", width=22, style="label"),
    Column(label="who", width=24, style="wrap", confidential=True),
    Column(label="signed_on", width=22, style="wrap"),
    Column(label="sound", width=14, style="verdict"),
    Column(label="findings", width=40, style="wrap"),
    Column(label="entered", width=22),
    Column(label="record", width=20, style="wrap"),
    Column(label="kept", width=12),
)
#: Events whose words name serial numbers.
_SERIALS = ("credit.exchange_signed", "credit.binding_changed")
RECORD_COLUMNS = ("kind", "who", "entered", "sound", "what", "source", "record", "kept")
QUARANTINE_COLUMNS = ("from", "to", "log", "number", "reason")
CROSS_COLUMNS = (
    Column(label="kind", width=14),
    Column(label="parameter", width=16),
    Column(label="subject", width=30, style="wrap"),
    Column(label="from", width=22),
    Column(label="to", width=22),
    Column(label="unit", width=8),
    Column(label="metered", width=16, style="fine"),
    Column(label="other", width=16, style="fine"),
    Column(label="difference", width=16, style="fine"),
    Column(label="allowed", width=16, style="fine"),
    Column(label="agrees", width=10, style="verdict"),
    Column(label="credited", width=12),
    Column(label="explanation", width=40, style="wrap"),
)


def calibration(frame: Frame, material: Material) -> Page:
    """Every certificate that reaches into the period, of removed devices too."""
    page = frame.page(CALIBRATION)
    page.add([Cell(value=text("report.error_rule_statement"), style="note")])
    page.table(CALIBRATION_COLUMNS, frame.languages)
    wired = {(one.point, one.serial): one.meter for one in material.wired}
    for row in frame.crediting.calibrations:
        meter = row.meter or wired.get((row.point, row.serial), "")
        page.line(CALIBRATION_COLUMNS, _calibration(frame.crediting, row, meter))
    return page


def _calibration(crediting: Crediting, row: CalibrationRow, meter: str) -> list[Value | Cell]:
    late = [one for one in crediting.ledger if one.kind == "late_calibration" and _late(row, one, crediting.timezone)]
    effect = sum((one.delta for one in late), Fraction(0)) if row.days_late else Fraction(0)
    return [
        row.point,
        meter,
        row.link,
        row.serial,
        row.certificate,
        row.laboratory,
        row.accreditation,
        row.done,
        row.due,
        row.next_done,
        row.days_late,
        row.mpe,
        row.as_found,
        row.as_left,
        row.used,
        effect,
        row.document or "",
    ]


def _late(row: CalibrationRow, line: Line, zone: str) -> bool:
    """Whether a correction is about this device's span without a valid calibration."""
    until = midnight(row.next_done, zone) if row.next_done else line.end
    return line.source.startswith(f"{row.point}:") and line.start < until and line.end > midnight(row.due, zone)


def events(frame: Frame, material: Material) -> Page:
    """Exchanges, resets, gaps over an hour, clock and plan changes, with their effect and treatment."""
    page = frame.page(EVENTS)
    page.table(EVENT_COLUMNS, frame.languages)
    found = [(one.at, one.end, one.point, _event(frame, one)) for one in frame.crediting.events]
    found += [(one.at, one.at, "", [one.meter, said(one.what), "", None, "", "", ""]) for one in material.happened]
    for at, end, point, values in sorted(found, key=lambda row: row[:3]):
        until = frame.instant(end) if end > at else ""
        page.line(EVENT_COLUMNS, [frame.instant(at), until, point, *values])
    return page


def _event(frame: Frame, one: Event) -> list[Value | Cell]:
    what = Cell(value=said(one.what), style="wrap", confidential=one.what.code in _SERIALS)
    return [one.meter, what, one.unit, one.effect, _treatment(frame, one), one.who, one.document or ""]


def _treatment(frame: Frame, one: Event) -> str:
    """The ledger lines that answer an event, each with what it did."""
    lines = {line.number: line for line in frame.crediting.ledger}
    return "\n".join(
        f"{number}: {frame.first(f'kind_{lines[number].kind}')}, {lines[number].source}" for number in one.lines
    )


def completeness(frame: Frame) -> Page:
    """Twice: readings against slots, and the share of the energy that no slot saw."""
    page = frame.page(COMPLETENESS)
    page.table(COMPLETE_COLUMNS, frame.languages)
    for one in _whole(frame.crediting.completeness):
        row = len(page.rows) + 1
        awake = one.expected - one.asleep
        read = Fraction(one.read, awake) if awake else None
        across = one.across_gaps / one.energy if one.energy else None
        values: list[Value | Cell] = [one.year, one.point, one.register, one.expected, one.read, one.gap, one.asleep]
        values += [_ratio(read, f"E{row}/(D{row}-G{row})"), one.unit, one.energy, one.across_gaps]
        values += [_ratio(across, f"K{row}/J{row}"), Fraction(one.unknown_ms, 3_600_000)]
        page.line(COMPLETE_COLUMNS, values)
    return page


def _whole(parts: Iterable[Completeness]) -> Iterable[Completeness]:
    """Each point and register of a vintage once: a vintage has a segment for every version of the plan and the like."""
    found: dict[tuple[int, str, str, str], Completeness] = {}
    for one in parts:
        key = one.year, one.point, one.register, one.unit
        found[key] = _sum(found[key], one) if key in found else one
    return found.values()


def _sum(one: Completeness, other: Completeness) -> Completeness:
    added = ("expected", "read", "gap", "asleep", "energy", "across_gaps", "unknown_ms")
    return replace(one, **{name: getattr(one, name) + getattr(other, name) for name in added})


def _ratio(value: Fraction | None, formula: str) -> Cell:
    return Cell(value=value, formula=formula if value is not None else None, style="share")


def quality(frame: Frame, material: Material) -> Page:
    """The monthly checks and who signed them, what nobody signed, the records cited, the periods not admitted."""
    page = frame.page(QUALITY)
    page.add([Cell(value=frame.inline("monthly_checks"), style="label")])
    page.table(CHECK_COLUMNS, frame.languages)
    for one in material.entries:
        if isinstance(one.record, IntegrityCheck):
            page.line(CHECK_COLUMNS, _check(frame, material, one, one.record))
    for month in material.overdue:
        page.line(CHECK_COLUMNS, [month, "", "", frame.first("overdue"), "", "", "", ""])
    page.add()
    _records(frame, page, material)
    _quarantined(frame, page, material)
    return page


def _check(frame: Frame, material: Material, one: Entry, check: IntegrityCheck) -> list[Value | Cell]:
    result = frame.first("sound_yes" if check.sound else "sound_no")
    kept = _kept(frame, material, one)
    entered = frame.instant(one.at)
    return [check.month, check.who, f"{check.done}", result, check.findings or "", entered, one.digest, kept]


def _records(frame: Frame, page: Page, material: Material) -> None:
    others = [one for one in material.relevant() if not isinstance(one.record, IntegrityCheck)]
    page.add([Cell(value=frame.inline("other_records"), style="label")])
    if not others:
        page.add([Cell(value=frame.first("no_records"), style="note")])
        return
    page.add(Cell(value=frame.label(name), style="head") for name in RECORD_COLUMNS)
    for one in others:
        values: list[Value | Cell] = [
            Cell(value=kind(one.record), style="text"),
            Cell(value=one.record.who, style="wrap", confidential=True),
            Cell(value=frame.instant(one.at)),
            Cell(value=""),
            Cell(value=spoken(one), style="wrap"),
            Cell(value=one.by, confidential=True),
            Cell(value=one.digest, style="wrap"),
            Cell(value=_kept(frame, material, one)),
        ]
        page.add(value for value in values if isinstance(value, Cell))


def spoken(one: Entry) -> str:
    """A record in one line, without the names that every record has."""
    plain = msgspec.to_builtins(one.record)
    left = {name: value for name, value in plain.items() if name not in ("kind", "site", "who", "document")}
    return "; ".join(f"{name}: {_short(value)}" for name, value in left.items())


def _short(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{name}={_short(below)}" for name, below in value.items())
    return ", ".join(map(_short, value)) if isinstance(value, list | tuple) else str(value)


def _kept(frame: Frame, material: Material, one: Entry) -> str:
    named = papers_of(one.record)
    return frame.first("yes" if named and set(named) <= material.kept else "no") if named else ""


def _quarantined(frame: Frame, page: Page, material: Material) -> None:
    page.add()
    page.add([Cell(value=frame.inline("quarantined_periods"), style="label")])
    if not material.quarantined:
        page.add([Cell(value=frame.first("no_quarantine"), style="note")])
        return
    page.add(Cell(value=frame.label(name), style="head") for name in QUARANTINE_COLUMNS)
    for number, one in enumerate(material.quarantined, 1):
        cells = [Cell(value=frame.instant(one.start)), Cell(value=frame.instant(one.end))]
        cells += [Cell(value=one.origin, style="wrap"), Cell(value=number, style="integer")]
        page.add([*cells, Cell(value=_reasons(one.reasons), style="wrap")])


def _reasons(reasons: Iterable[Fault]) -> str:
    """Why a period does not count: what is wrong with every one of its readings is said once, with how often."""
    times = Counter(map(said, reasons))
    return "; ".join(f"{text} (x {count})" if count > 1 else text for text, count in times.items())


def cross_checks(frame: Frame, material: Material) -> Page:
    """Two ways to know one quantity, and what a person said about those that differ."""
    page = frame.page(CROSS)
    page.table(CROSS_COLUMNS, frame.languages)
    if not frame.crediting.cross_checks:
        page.add([Cell(value=frame.first("no_cross_checks"), style="note")])
    words = {one.record.about: one.record.text for one in material.entries if isinstance(one.record, Explanation)}
    for one in frame.crediting.cross_checks:
        row = len(page.rows) + 1
        known = one.metered is not None
        difference = one.metered - one.other if one.metered is not None else None
        values: list[Value | Cell] = [
            one.kind,
            f"{one.symbol}[{one.item}]" if one.item else one.symbol,
            one.subject,
            frame.instant(one.start),
            frame.instant(one.end),
            one.unit,
            one.metered if known else frame.first("missing"),
            one.other,
            Cell(value=difference, formula=f"G{row}-H{row}" if known else None, style="fine"),
            one.allowed,
            frame.first("yes" if one.agrees else "no"),
            one.credited,
            "; ".join(filter(None, [said(one.reason), words.get(one.subject, "")])),
        ]
        page.line(CROSS_COLUMNS, values)
    return page
