"""Whether what a plan expects can be at all: no parameter exceeds rated capacity times the hours of a year.

A filed sheet once printed 42,826,880 under an MWh heading for the grid import of a factory: kilowatt-hours. With the
rating of the point in the plan such a slip is refused before anything is measured.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction

from mrv.methodology import units
from mrv.plan.metering import Point, Rated
from mrv.plan.parameters import Terms
from mrv.plan.project import Project
from mrv.strict import Complaint

LEAP_YEAR = 8784


def estimates(points: Sequence[Point], projects: Sequence[Project]) -> Iterator[Complaint]:
    """Expected values of a year that the points they come from could not measure."""
    rated = {point.id: point.rated for point in points if point.rated is not None}
    for number, project in enumerate(projects):
        for path, symbol, _, terms in project.parameters():
            limit = bound(terms, rated)
            if terms.estimate is None or limit is None:
                continue
            if units.unit(terms.estimate.unit).dimension == units.unit("kWh").dimension:
                yield from _beyond(("projects", number, *path, "estimate", "value"), symbol, terms, limit)


def _beyond(path: tuple[str | int, ...], symbol: str, terms: Terms, limit: Fraction) -> Iterator[Complaint]:
    if terms.estimate is not None and terms.estimate.coherent > limit:
        found = f"{terms.estimate.value} {terms.estimate.unit}"
        yield (path, "plan.beyond_rating", {"symbol": symbol, "found": found, "most": f"{limit / 1000} MWh"})


def bound(terms: Terms, rated: dict[str, Rated], hours: Fraction | None = None) -> Fraction | None:
    """The most (kWh) that the points of `terms.plus` pass in `hours`, or in a year; None where one has no rating."""
    if not terms.plus or any(term.point not in rated for term in terms.plus):
        return None
    known = [rated[point] for point in dict.fromkeys(term.point for term in terms.plus)]
    return sum((one.power.coherent * (hours or one.hours or LEAP_YEAR) for one in known), Fraction(0))
