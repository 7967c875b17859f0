"""What the office enters beside the meters' word: judged here, written into the site's journal in one transaction.

A record is refused that says what is said already, corrects what cannot be corrected, or names a point or project that
no approved plan of the site knows: that is how a slip of the pen is caught before it is there for ever. Nothing is
credited here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Annotated

import msgspec

from collector import journal
from collector.archive import Archive
from collector.registry import Registry
from link.writer import Transactions
from mrv import period, redecode, strict
from mrv.errors import BadInput, Fault, fault, raise_all
from mrv.exchange import SITE_ID
from mrv.journal import Entry, standing
from mrv.plan import MonitoringPlan
from mrv.records import AnyRecord, DecoderFix, IntegrityCheck, Invoice, digest, kind

#: Days after a month's end by which its check is to be signed. The rule is monthly; the grace is ours, provisional.
GRACE = timedelta(days=10)


class RecordRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="records"):
    """Records to enter, all or none; `who` is the account that enters them."""

    site: Annotated[str, msgspec.Meta(pattern=SITE_ID)]
    who: Annotated[str, msgspec.Meta(max_length=64)]
    records: Annotated[tuple[AnyRecord, ...], msgspec.Meta(min_length=1, max_length=1000)]


def record(request: RecordRequest, registry: Registry, database: Transactions, at: int) -> tuple[str, ...]:
    """Enter what `request` says at UTC ms `at`; the digests. Raises BadInput, Unavailable; then nothing was entered."""
    if request.site not in registry.sites():
        known = ", ".join(registry.sites()) or "none"
        raise BadInput(fault("collector.unknown_site", request.site, epoch="", known=known))
    plans = _plans(registry, request.site)
    raise_all(found for one in request.records for found in _faults(one, request.site, plans))
    raise_all(_unfollowed(request, database, at))
    journal.enter(database, request.site, request.records, at=at, by=request.who).result()
    return tuple(map(digest, request.records))


def _unfollowed(request: RecordRequest, database: Transactions, at: int) -> tuple[Fault, ...]:
    """Why decoder fixes could not be followed if `request` were entered."""
    if not any(isinstance(one, DecoderFix) for one in request.records):
        return ()
    held = journal.held(database, request.site)
    made = (Entry(record=one, digest=digest(one), number=held.size, at=at, by=request.who) for one in request.records)
    return redecode.fixes(standing((*held.entries, *made)), held.changes)[1]


def _plans(registry: Registry, site: str) -> tuple[MonitoringPlan, ...]:
    return tuple(msgspec.json.decode(body, type=MonitoringPlan) for _, body in registry.approved(site, "plan"))


def _faults(one: AnyRecord, site: str, plans: Sequence[MonitoringPlan]) -> Iterator[Fault]:
    yield from (fault(code, kind(one), **params) for _, code, params in strict.complaints(one))
    if one.site != site:
        yield fault("records.other_site", kind(one), found=one.site, expected=site)
    if not plans:
        return  # nothing to hold it to yet
    points = {point.id for plan in plans for point in plan.points}
    projects = {project.id for plan in plans for project in plan.projects}
    for point in sorted(set(_points(one)) - points):
        yield fault("collector.record_point", kind(one), point=point, known=", ".join(sorted(points)))
    project = getattr(one, "project", None)
    if project is not None and project not in projects:
        yield fault("collector.record_project", kind(one), project=project, known=", ".join(sorted(projects)))


def _points(one: AnyRecord) -> Iterable[str]:
    if isinstance(one, Invoice):
        return one.points
    point: str | None = getattr(one, "point", None)
    return () if point is None else (point,)


def overdue(database: Transactions, registry: Registry, archive: Archive, site: str, now: int) -> tuple[Fault, ...]:
    """The months of `site` whose integrity check nobody signed in time, as one fault; nothing while all is well."""
    first = archive.first_admitted(site)
    if first is None:
        return ()
    plans = _plans(registry, site)
    zone = plans[-1].timezone if plans else "UTC"
    months = unsigned(journal.held(database, site).standing, first, now, zone)
    return (fault("collector.check_overdue", site, months=", ".join(months)),) if months else ()


def unsigned(held: Iterable[Entry], first: int, now: int, zone: str) -> tuple[str, ...]:
    """The local months since the UTC ms `first` that ended more than GRACE before `now` and have no signed check."""
    signed = {one.record.month for one in held if isinstance(one.record, IntegrityCheck)}
    tz = period.zone(zone)
    month = period.instant(first).astimezone(tz).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    limit, late = period.instant(now) - GRACE, []
    while (after := (month + timedelta(days=32)).replace(day=1)) <= limit:
        if f"{month:%Y-%m}" not in signed:
            late.append(f"{month:%Y-%m}")
        month = after
    return tuple(late)
