"""Everything a report says, gathered: the crediting, the plan it came from, the wiring, the logs and the records.

Values only; `collector.report.gather` reads them from the archive, tests make them by hand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from mrv.crediting.result import Crediting
from mrv.errors import Fault
from mrv.journal import Entry
from mrv.plan import MonitoringPlan, Point, Project


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanVersion:
    """A version of the plan in force from `start` (UTC ms; None: from the beginning) within the report's period."""

    start: int | None
    digest: str
    plan: MonitoringPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wired:
    """A meter as it was bound from `since` on, and what it said it is (serial number, firmware), where it can.

    `registers`: (measurand's name, OBIS code, decimals, modulus).
    """

    origin: str
    since: int
    meter: str
    point: str
    serial: str
    profile: str
    maker: str
    models: str
    every: int
    ratio: str
    registers: tuple[tuple[str, str, int, int | None], ...]
    said: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something in a log at `at` (UTC ms) that no usage tells: a clock that was set or lost, a meter that changed."""

    origin: str
    at: int
    meter: str
    what: Fault


@dataclass(frozen=True, slots=True, kw_only=True)
class LogState:
    """One log behind its newest receipt; `usages` were counted, `admitted` and `quarantined` are periods in reach."""

    origin: str
    key: str
    size: int
    root: str
    receipt: str
    received: int
    usages: int
    admitted: int
    quarantined: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantined:
    """A period that does not count, and why."""

    origin: str
    start: int
    end: int
    reasons: tuple[Fault, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One reading for the verifier: where it stands, what was on the wire, what it decodes to, how it is proven."""

    origin: str
    index: int
    meter: str
    slot: int | None
    words: dict[str, str]
    decoded: dict[str, str]
    leaf_hash: str
    proof: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """One report's content. `entries` are the standing records of the site, `kept` the papers the office holds."""

    crediting: Crediting
    versions: tuple[PlanVersion, ...]
    wired: tuple[Wired, ...]
    logs: tuple[LogState, ...]
    quarantined: tuple[Quarantined, ...]
    samples: tuple[Sample, ...]
    seed: str
    entries: tuple[Entry, ...]
    journal_head: str
    journal_size: int
    kept: frozenset[str]
    #: Per spot reading (digest of its record): what the log held for that meter at that time.
    logged: Mapping[str, dict[str, str]]
    overdue: tuple[str, ...]
    software: str
    happened: tuple[Happened, ...] = ()

    def projects(self) -> tuple[tuple[PlanVersion, Project], ...]:
        """The project as each version of the plan has it."""
        return tuple(
            (version, project)
            for version in self.versions
            for project in version.plan.projects
            if project.id == self.crediting.project
        )

    def relevant(self) -> tuple[Entry, ...]:
        """The standing records that say something of this project: those of other projects' points are left out."""
        points = {point.id for point in self.points()}
        found = []
        for one in self.entries:
            project = getattr(one.record, "project", None)
            named = {getattr(one.record, "point", None), *getattr(one.record, "points", ())} - {None}
            if project in (None, self.crediting.project) and (not named or named & points):
                found.append(one)
        return tuple(found)

    def points(self) -> tuple[Point, ...]:
        """The points that matter to the project in the newest version that has them: credited ones and their checks."""
        found: dict[str, Point] = {}
        for version, project in self.projects():
            credited = {term.point for _, term in project.terms()}
            for point in version.plan.points:
                if point.id in credited or getattr(point, "checks", None) in credited:
                    found[point.id] = point
        return tuple(found.values())
