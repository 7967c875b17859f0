"""`plan.yaml` as a whole: one version of what a site monitors, with the rules between its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from mrv import strict
from mrv.errors import BadInput
from mrv.methodology import catalogue, fit
from mrv.methodology.catalogue import Methodology
from mrv.number import in_bounds
from mrv.period import zone
from mrv.plan import plausible
from mrv.plan.metering import Point
from mrv.plan.parameters import Terms
from mrv.plan.part import Part, Text, unique
from mrv.plan.project import Project
from mrv.reading import ClockState
from mrv.strict import Complaint, Document

SITE_ID = "^[a-z0-9-]{1,32}$"


class Amendment(Part, frozen=True, kw_only=True):
    """Why this version replaces the one before it, and the letter by which the change was approved."""

    what: Text
    approval: Text | None = None


class MonitoringPlan(Part, frozen=True, kw_only=True):
    """All that one site monitors, from one day on.

    `period` is in seconds, its bounds are multiples of it on the UTC epoch, cut at the local new year of `timezone`.
    A summary is admitted when its clock was in one of the states `clock` and at least the share `min_coverage` of
    its expected slots was read, nights of inverters apart. The version holds from the start of the local day `from`,
    without one from the beginning, until a version with a later day.
    """

    site: Annotated[str, msgspec.Meta(pattern=SITE_ID, examples=["long-an-2"])]
    timezone: str
    period: Annotated[int, msgspec.Meta(ge=1, le=3600)]
    clock: Annotated[tuple[ClockState, ...], msgspec.Meta(min_length=1)] = (
        ClockState.SYNCHRONISED,
        ClockState.RELATIVE,
    )
    min_coverage: Decimal = Decimal(0)
    starts: date | None = msgspec.field(name="from", default=None)
    amends: Amendment | None = None
    points: Annotated[tuple[Point, ...], msgspec.Meta(min_length=1)]
    projects: Annotated[tuple[Project, ...], msgspec.Meta(min_length=1)]

    @staticmethod
    def check_field(name: str, value: object) -> Iterator[Complaint]:
        match name, value:
            case "period", int() if 3600 % value:
                yield ((), "plan.period", {"found": value})
            case "clock", tuple() if ClockState.UNKNOWN in value:
                yield ((), "plan.clock_unknown", {})
            case "min_coverage", Decimal() if not in_bounds(value) or not 0 <= value <= 1:
                yield ((), "plan.share", {"found": value})
            case "timezone", str():
                yield from _timezone(value)

    def check(self) -> Iterator[Complaint]:
        yield from unique(("points",), [point.id for point in self.points])
        yield from unique(("projects",), [project.id for project in self.projects])
        if self.starts is None and self.amends is not None:
            yield (("amends",), "plan.amends_nothing", {})
        yield from self._bound_points()
        yield from self._checked_points()
        yield from plausible.estimates(self.points, self.projects)

    def point(self, name: str) -> Point | None:
        """The point called `name`."""
        return next((point for point in self.points if point.id == name), None)

    def _bound_points(self) -> Iterator[Complaint]:
        """Every credited register stands at a declared meter, and is credited once."""
        points = {point.id: point for point in self.points}
        used: dict[tuple[str, str], str] = {}
        for number, project in enumerate(self.projects):
            options = {below: terms for below, _, _, terms in project.parameters()}
            for below, term in project.terms():
                path: strict.Path = ("projects", number, *below, "point")
                point, key = points.get(term.point), (term.point, term.register)
                if point is None:
                    yield (path, "plan.point_unknown", {"point": term.point, "known": ", ".join(points)})
                elif not _counts(point, options[below[:-2]]):
                    yield (path, "plan.point_not_creditable", {"point": point.id, "evidence": point.evidence})
                elif key in used:
                    yield (
                        path,
                        "plan.credited_twice",
                        {"point": term.point, "register": term.register, "by": used[key]},
                    )
                used.setdefault(key, project.id)

    def _checked_points(self) -> Iterator[Complaint]:
        names = [point.id for point in self.points]
        for number, point in enumerate(self.points):
            if point.checks is not None and (point.checks not in names or point.checks == point.id):
                path = ("points", number, "checks")
                yield (path, "plan.point_unknown", {"point": point.checks, "known": ", ".join(names)})


def _counts(point: Point, terms: Terms) -> bool:
    """Whether what is known of `point` may be credited by the registered option: bills, or own measurement."""
    return point.creditable or (terms.chosen == "B" and point.evidence == "invoice")


def load(text: str, source: str, find: Callable[[str], Methodology] = catalogue.find) -> Document[MonitoringPlan]:
    """`plan.yaml`, held to its methodologies as well. Raises BadInput with every fault found.

    `find` knows the methodologies by name; it raises BadInput for a name it does not know.
    """

    def misfits(project: Project) -> Iterator[Complaint]:
        try:
            yield from fit.misfits(project, find(project.methodology))
        except BadInput as error:
            yield from strict.passed_on(("methodology",), error)

    return strict.decode(text, MonitoringPlan, source, {Project: misfits})


def _timezone(name: str) -> Iterator[Complaint]:
    try:
        zone(name)
    except BadInput as error:
        yield from strict.passed_on((), error)
