"""Calibrations: what was due when, how late it was done, and how far a chain may have been off meanwhile.

From the due day to the day of the actual calibration a device may be off by its maximum permissible error (MPE), or by
the error it was then found with, if that is more. The error of a chain is the sum of its devices' errors while any of
them is late: stated in the plan, provisional, for no JCM text was read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from itertools import pairwise

from mrv.crediting.result import CalibrationRow
from mrv.crediting.sealed import Paper
from mrv.period import in_ms as ms
from mrv.period import instant, zone
from mrv.plan.metering import Device, Point
from mrv.plan.versions import midnight
from mrv.records import Certificate, Deviation, Exchange

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibrated:
    """One calibration from any source. `found` are errors before adjustment, by register; "" is every register."""

    number: str
    laboratory: str
    accreditation: str
    done: date
    due: date
    found: tuple[tuple[str, Fraction], ...]
    left: Fraction | None
    document: str | None

    def as_found(self, register: str) -> Fraction | None:
        errors = [abs(error) for name, error in self.found if name in ("", register)]
        return max(errors, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """One device of a chain over its life at a point [start, end), with its calibrations in order."""

    point: str
    device: Device
    start: int
    end: int
    done: tuple[Calibrated, ...]
    removal: tuple[tuple[str, Fraction], ...]
    timezone: str

    def late(self) -> Iterator[tuple[int, int, Calibrated | None]]:
        """Spans without a valid calibration, each with the calibration that ended it."""
        at = self.start
        for one in self.done:
            done = midnight(one.done, self.timezone)
            if at < min(done, self.end):
                yield at, min(done, self.end), one
            at = max(at, midnight(one.due, self.timezone))
        if at < self.end:
            yield at, self.end, None

    def error(self, at: int, register: str) -> tuple[Fraction, bool]:
        """How far the device may be off at `at`, and whether its calibration is late then."""
        for start, end, ended in self.late():
            if start <= at < end:
                found = ended.as_found(register) if ended else _worst(self.removal, register)
                return max(self.device.mpe.share, found or ZERO), True
        return self.device.mpe.share, False


def _worst(errors: Iterable[tuple[str, Fraction]], register: str) -> Fraction | None:
    return max((abs(error) for name, error in errors if name in ("", register)), default=None)


def chain(point: Point, timezone: str, papers: Sequence[Paper], last: int) -> tuple[Link, ...]:
    """The devices of `point` with their calibrations from plan and records; a device still there ends at `last`."""
    return tuple(_link(point, device, timezone, papers, last) for device in point.devices)


def _link(point: Point, device: Device, timezone: str, papers: Sequence[Paper], last: int) -> Link:
    known = [
        Calibrated(
            number=one.number,
            laboratory=one.laboratory,
            accreditation=one.accreditation or "",
            done=one.done,
            due=one.due,
            found=(("", one.as_found.share),) if one.as_found else (),
            left=one.as_left.share if one.as_left else None,
            document=one.document,
        )
        for one in device.certificates
    ]
    known += [_recorded(paper.record) for paper in papers if _is_about(paper, point, device)]
    removed, removal = _removal(point, device, papers)
    ends = [midnight(device.removed, timezone)] if device.removed else []
    return Link(
        point=point.id,
        device=device,
        start=midnight(device.installed, timezone) if device.installed else 0,
        end=min([last, *ends, *removed]),
        done=_unique(known),
        removal=removal,
        timezone=timezone,
    )


def _is_about(paper: Paper, point: Point, device: Device) -> bool:
    record = paper.record
    return isinstance(record, Certificate) and (record.point, record.device, record.serial) == (
        point.id,
        device.device,
        device.serial,
    )


def _recorded(record: object) -> Calibrated:
    if not isinstance(record, Certificate):
        raise TypeError(record)
    return Calibrated(
        number=record.number,
        laboratory=record.laboratory,
        accreditation=record.accreditation or "",
        done=record.done,
        due=record.due or record.done,
        found=_errors(record.as_found),
        left=max((abs(error) for _, error in _errors(record.as_left)), default=None),
        document=record.document,
    )


def _errors(found: Iterable[Deviation]) -> tuple[tuple[str, Fraction], ...]:
    return tuple((one.register or "", Fraction(one.error) / 100) for one in found)


def _removal(
    point: Point, device: Device, papers: Sequence[Paper]
) -> tuple[list[int], tuple[tuple[str, Fraction], ...]]:
    """When a signed exchange took the meter out, and the as-found test of it."""
    records = [p.record for p in papers if isinstance(p.record, Exchange) and p.record.point == point.id]
    mine = [one for one in records if device.device == "meter" and one.removed.serial == device.serial]
    return [ms(one.removed.at) for one in mine], tuple(error for one in mine for error in _errors(one.as_found))


def _unique(known: Iterable[Calibrated]) -> tuple[Calibrated, ...]:
    """In order of the day; of one certificate in plan and records the later said counts."""
    found = {(one.done, one.number): one for one in known}
    return tuple(found[key] for key in sorted(found))


def late_spans(links: Sequence[Link], register: str) -> tuple[tuple[int, int, Fraction], ...]:
    """Spans in which some calibration of the chain is late, with the error of the whole chain in each."""
    lates = [(start, end) for link in links for start, end, _ in link.late()]
    marks = {at for span in lates for at in span} | {at for link in links for at in (link.start, link.end)}
    found = []
    for start, end in pairwise(sorted(marks)):
        errors = [link.error(start, register) for link in links if link.start <= start < link.end]
        if any(late for _, late in errors):
            found.append((start, end, sum((error for error, _ in errors), ZERO)))
    return tuple(found)


def certain_error(links: Sequence[Link], at: int) -> Fraction:
    """The error of the chain as the plan states it, while all its calibrations are valid."""
    return sum((link.device.mpe.share for link in links if link.start <= at < link.end), ZERO)


def rows(links: Iterable[Link], register: str, end: int) -> Iterator[CalibrationRow]:
    """Every calibration of every device, with how late the next one was by `end`, where the report ends."""
    for link in links:
        for one, after in pairwise((*link.done, None)):
            yield _row(link, one, after, register, end)
        if not link.done:
            yield _row(link, None, None, register, end)


def _row(link: Link, one: Calibrated | None, after: Calibrated | None, register: str, end: int) -> CalibrationRow:
    due = one.due if one else _day(link.start, link.timezone)
    until = min([link.end, end, *([midnight(after.done, link.timezone)] if after else [])])
    days = max(0, (_day(until, link.timezone) - due) // timedelta(days=1))
    found = after.as_found(register) if after else _worst(link.removal, register)
    return CalibrationRow(
        point=link.point,
        meter="",
        link=link.device.device,
        serial=link.device.serial,
        certificate=one.number if one else "",
        laboratory=one.laboratory if one else "",
        accreditation=one.accreditation if one else "",
        done=one.done if one else None,
        due=due,
        next_done=after.done if after else None,
        days_late=days,
        mpe=link.device.mpe.share,
        as_found=found,
        as_left=one.left if one else None,
        used=max(link.device.mpe.share, found or ZERO) if days else link.device.mpe.share,
        document=one.document if one else None,
    )


def _day(at: int, timezone: str) -> date:
    return instant(at).astimezone(zone(timezone)).date()
