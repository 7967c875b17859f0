"""From the archive to a report's material: usages, plans and records in, mrv.crediting asked, evidence beside it.

Reads only; a report made while the daemon receives shows what was admitted when it began.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version

import msgspec

from collector import journal, records
from collector.archive import Archive
from collector.commands.common import Office
from collector.documents import find
from collector.methodologies import methodologies
from collector.registry import SiteKey
from collector.report import sample
from collector.report.material import LogState, Material, PlanVersion, Quarantined
from collector.report.nearest import nearest
from collector.report.sealed import SiteUsages, collect
from collector.verdicts import decode_faults
from mrv import period, redecode
from mrv.crediting.engine import credit
from mrv.crediting.sealed import Evidence, redecoded
from mrv.errors import BadInput, fault, raise_all
from mrv.journal import Entry, Journal
from mrv.log.checkpoint import peek
from mrv.plan import MonitoringPlan
from mrv.plan.versions import ApprovedPlan, Timeline, midnight, timeline
from mrv.records import SpotReading, papers_of

#: Readings in the sample unless asked otherwise.
SAMPLES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a report is to cover: local days, both included."""

    project: str
    first: date
    last: date
    site: str | None = None
    samples: int = SAMPLES


def gather(office: Office, wish: Wish, now: int) -> tuple[Material, SiteUsages]:
    """Everything the report says, and the usages it was made from.

    Raises BadInput (no such project, no admitted usage) and what mrv.crediting raises.
    """
    site, approved = _site(office, wish)
    plans = timeline(approved)
    zone = approved[0].plan.timezone
    start, end = midnight(wish.first, zone), midnight(wish.last + timedelta(days=1), zone)
    keys = office.registry.keys(site)
    usages = collect(office.archive, keys, start, end)
    book = journal.held(office.archive.database, site)
    standing = book.standing
    _decode_again(office.archive, usages, book, end)
    crediting = credit(
        Evidence(
            project=wish.project,
            start=start,
            end=end,
            plans=tuple(approved),
            sealed=redecoded(usages.sealed, usages.again),
            papers=standing,
            methodologies=methodologies(office.registry, site),
            verified=frozenset(book.compared),
        )
    )
    logs = tuple(_log(office.archive, key, usages, start, end) for key in keys)
    points = frozenset(_points(plans, wish.project))
    spans = [span for key in keys if (span := _span(office.archive, key.origin, start, end))]
    seed = sample.seed(wish.project, start, end, [log.root for log in logs])
    papers = {name for one in standing for name in papers_of(one.record)}
    material = Material(
        crediting=crediting,
        versions=tuple(_within(plans, start, end)),
        wired=usages.told(),
        happened=tuple(one for one in usages.happened if start <= one.at < end),
        logs=logs,
        quarantined=tuple(_quarantined(office.archive, keys, start, end)),
        samples=sample.draw(office.archive, spans, points, usages, seed, wish.samples),
        seed=seed,
        entries=standing,
        journal_head=book.head,
        journal_size=book.size,
        logged=dict(_logged(office.archive, standing, usages)),
        kept=frozenset(name for name in papers if find(office.folder.documents, name)),
        overdue=records.unsigned(standing, start, min(now, end + int(records.GRACE.total_seconds()) * 1000), zone),
        software=f"mrv-agent {version('mrv-agent')}",
    )
    return material, usages


def _decode_again(archive: Archive, usages: SiteUsages, book: Journal, until: int) -> None:
    """Add what was read with a profile that turned out wrong. Raises BadInput for a record that nobody can follow."""
    usages.fixes, faults = redecode.fixes(book.standing, book.changes)
    raise_all(faults)
    for origin, configs in usages.configs.items():
        if redecode.concerns(usages.fixes, (digest for one in configs.values() for digest in one.profiles.values())):
            leaves = archive.leaves(origin, 0, archive.head(origin).size)
            usages.again |= redecode.again(leaves, usages.fixes, until)


def _site(office: Office, wish: Wish) -> tuple[str, list[ApprovedPlan]]:
    """The site whose approved plans know the project. Raises BadInput when there is none, or more than one."""
    found = {}
    known: set[str] = set()
    for site in office.registry.sites():
        plans = list(_plans(office, site))
        known |= {project.id for one in plans for project in one.plan.projects}
        if any(project.id == wish.project for one in plans for project in one.plan.projects):
            found[site] = plans
    if wish.site is not None:
        found = {site: plans for site, plans in found.items() if site == wish.site}
    if len(found) != 1:
        code = "collector.project_twice" if found else "collector.project_unknown"
        raise BadInput(fault(code, wish.project, sites=", ".join(found), known=", ".join(sorted(known)) or "none"))
    return next(iter(found.items()))


def _plans(office: Office, site: str) -> Iterator[ApprovedPlan]:
    for digest, at, body in _approvals(office, site):
        yield ApprovedPlan(plan=msgspec.json.decode(body, type=MonitoringPlan), digest=digest, at=at)


def _approvals(office: Office, site: str) -> Iterator[tuple[str, int, bytes]]:
    """(digest, when approved, canonical JSON) of every plan of `site`, as the journal dates them."""
    # The journal, as the auditor has it; what was approved before there was one is dated by the change log.
    dated = office.registry.approved_at(site) | journal.held(office.archive.database, site).approved("plan")
    for digest, body in office.registry.approved(site, "plan"):
        yield digest, dated.get(digest, 0), body


def _within(plans: Timeline, start: int, end: int) -> Iterator[PlanVersion]:
    for one in plans.versions:
        if (one.start is None or one.start < end) and (one.end is None or one.end > start):
            yield PlanVersion(start=one.start, digest=one.digest, plan=one.plan)


def _points(plans: Timeline, name: str) -> Iterator[str]:
    for one in plans.versions:
        for project in one.plan.projects:
            if project.id == name:
                yield from (term.point for _, term in project.terms())


def _logged(archive: Archive, standing: Iterable[Entry], usages: SiteUsages) -> Iterator[tuple[str, dict[str, str]]]:
    """(digest of the record, what the log held then) for each spot reading."""
    for one in standing:
        if isinstance(one.record, SpotReading):
            at = period.in_ms(one.record.at)
            for origin in usages.contents:
                found = nearest(archive, origin, one.record.meter, at)
                if found is not None:
                    reading = sample.decoded_twice(usages, origin, found[1])
                    yield one.digest, {f"leaf {found[0]}": period.shown(found[1].ts)} | reading


def _log(archive: Archive, key: SiteKey, usages: SiteUsages, start: int, end: int) -> LogState:
    head = archive.head(key.origin)
    return LogState(
        origin=key.origin,
        key=key.vkey,
        size=head.size,
        root=peek(head.note).root.hex() if head.note else "",
        receipt=head.note or "",
        received=head.arrived,
        usages=usages.counts.get(key.origin, 0),
        admitted=len(archive.admitted(key.origin, start, end)),
        quarantined=len(archive.quarantined(key.origin, start, end)),
    )


def _span(archive: Archive, origin: str, start: int, end: int) -> tuple[str, int, int] | None:
    """The leaves of `origin` that the period's admitted summaries stand among."""
    rows = archive.admitted(origin, start, end)
    return (origin, 0 if len(rows) < 2 else rows[0].idx, rows[-1].idx) if rows else None


def _quarantined(archive: Archive, keys: Iterable[SiteKey], start: int, end: int) -> Iterator[Quarantined]:
    for key in keys:
        for row in archive.quarantined(key.origin, start, end):
            yield Quarantined(origin=key.origin, start=row.start, end=row.end, reasons=decode_faults(row.reasons))
