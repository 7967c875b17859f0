"""Where the equations are evaluated: one vintage under one version of what is credited, and each item's share of it.

Formulas are defined for a period as a whole and are not linear, so a period is cut only where it must be: at local new
years, because vintages are calendar years, and where a plan version changes something that is computed with.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from msgspec.structs import replace

from mrv import leaf, period
from mrv.crediting.sealed import Evidence, Sealed
from mrv.errors import BadInput, fault
from mrv.methodology import units
from mrv.methodology.catalogue import Methodology
from mrv.plan.metering import Point
from mrv.plan.parameters import Terms
from mrv.plan.project import Project
from mrv.plan.versions import Timeline, Version, midnight


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One register, or one series of records, that a monitored parameter is made of. `key` names it in the ledger."""

    key: str
    symbol: str
    item: str
    sign: Literal[1, -1]
    point: str
    register: str
    terms: Terms
    unit: str

    @property
    def coherent(self) -> units.Unit:
        return units.unit(self.unit)

    @property
    def paper(self) -> bool:
        """Known from papers, not from a meter of ours."""
        return self.terms.manual or self.terms.chosen != "C"


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """What one segment is evaluated with. `since` is where each item begins to count within it."""

    number: int
    year: int
    start: int
    end: int
    version: Version
    project: Project
    methodology: Methodology
    sources: tuple[Source, ...]
    since: dict[str, int]

    @property
    def items(self) -> tuple[str, ...]:
        return tuple(item.id for item in self.project.items)

    def window(self, item: str) -> tuple[int, int]:
        """Where `item` counts; empty when it starts later. The empty item is the project."""
        return min(self.since.get(item, self.start), self.end), self.end

    def point(self, name: str) -> Point | None:
        return self.version.plan.point(name)


def frames(evidence: Evidence, versions: Timeline) -> tuple[Frame, ...]:
    """The segments of `evidence`, in order. Raises BadInput (plan.methodology_unknown)."""
    found: list[Frame] = []
    for start, end, version in _cut(evidence, versions):
        project = _project(version, evidence.project)
        methodology = evidence.methodologies.get(project.methodology)
        if methodology is None:
            known = ", ".join(evidence.methodologies)
            raise BadInput(fault("plan.methodology_unknown", methodology=project.methodology, known=known))
        year = period.instant(start).astimezone(period.zone(version.plan.timezone)).year
        found.append(
            Frame(
                number=len(found),
                year=year,
                start=start,
                end=end,
                version=version,
                project=project,
                methodology=methodology,
                sources=tuple(_sources(project, methodology)),
                since=_since(project, version, evidence.sealed, start),
            )
        )
    return tuple(found)


def _cut(evidence: Evidence, versions: Timeline) -> Iterator[tuple[int, int, Version]]:
    """Pieces of the window in which `evidence.project` is credited, with the version that holds in each."""
    merged: list[tuple[int, int, Version]] = []
    for version in versions.versions:
        project = next((one for one in version.plan.projects if one.id == evidence.project), None)
        if project is None:
            continue
        first, last = bounds(project, version.plan.timezone)
        start = max(evidence.start, *(at for at in (version.start, first) if at is not None), 0)
        end = min(evidence.end, *(at for at in (version.end, last) if at is not None), period.LAST)
        if start < end:
            before = merged[-1] if merged else None
            if (
                before
                and before[1] == start
                and _computed_with(before[2], project.id) == _computed_with(version, project.id)
            ):
                merged[-1] = (before[0], end, version)
            else:
                merged.append((start, end, version))
    for start, end, version in merged:
        tz = period.zone(version.plan.timezone)
        while start < end:
            stop = min(end, period.new_year_after(start, tz))
            yield start, stop, version
            start = stop


def bounds(project: Project, timezone: str) -> tuple[int | None, int | None]:
    """From when until when `project` may be credited at all, as far as its plan says."""
    days = [day for day in (project.crediting_start, project.operation_start) if day is not None]
    last = project.crediting_end
    end = None if last is None else midnight(last + timedelta(days=1), timezone)
    return midnight(max(days), timezone) if days else None, end


def _project(version: Version, name: str) -> Project:
    return next(one for one in version.plan.projects if one.id == name)


def _computed_with(version: Version, name: str) -> bytes:
    """What of a plan the equations see: two versions that agree in it are one segment."""
    project = _project(version, name)
    plain = replace(project, title="-", reference=None, participants=(), boundary=None, estimates=(), responsible=())
    used = {term.point for _, term in project.terms()}
    ratings = [(p.id, p.commissioned, p.rated) for p in version.plan.points if p.id in used]
    return leaf.canonical((plain, ratings))


def _sources(project: Project, methodology: Methodology) -> Iterator[Source]:
    for _, symbol, item, terms in project.parameters():
        if terms.manual:
            unit = methodology.symbols[symbol].unit
            key = f"record:{symbol}:{item}" if item else f"record:{symbol}"
            yield Source(key=key, symbol=symbol, item=item, sign=1, point="", register="", terms=terms, unit=unit)
        for sign, listed in ((1, terms.plus), (-1, terms.minus)):
            for term in listed:
                yield Source(
                    key=f"{term.point}:{term.register}",
                    symbol=symbol,
                    item=item,
                    sign=1 if sign > 0 else -1,
                    point=term.point,
                    register=term.register,
                    terms=terms,
                    unit=term.measurand.unit,
                )


def _since(project: Project, version: Version, sealed: Sequence[Sealed], start: int) -> dict[str, int]:
    """From when each item counts: its own operation, and the commissioning of every meter it needs (rule 22)."""
    zone = version.plan.timezone
    common = max([start, *_commissioned(project.monitored, version, sealed)])
    found = {"": common}
    for item in project.items:
        own = [midnight(item.operation_start, zone)] if item.operation_start else []
        found[item.id] = max([common, *own, *_commissioned(item.monitored, version, sealed)])
    return found


def _commissioned(monitored: dict[str, Terms], version: Version, sealed: Sequence[Sealed]) -> Iterable[int]:
    for terms in monitored.values():
        for term in (*terms.plus, *terms.minus) if terms.chosen == "C" else ():
            point = version.plan.point(term.point)
            if point is not None and point.commissioned is not None:
                yield midnight(point.commissioned, version.plan.timezone)
            mine = [one for one in sealed if one.bound.point == term.point and one.usage.opened is not None]
            first = min(mine, key=lambda one: one.usage.start, default=None)
            if point is not None and point.commissioned is None and first and "first" in first.usage.flags:
                yield first.usage.opened or 0
