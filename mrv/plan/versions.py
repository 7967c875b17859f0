"""Which version of a site's plan holds at an instant: what the office approved, put in order.

One file is one version and is approved by its digest as ever. It holds from the start of its local day `from` until the
day of the next. Of two with the same day the one approved later holds from then on in its stead, for the whole span:
a slip in a plan is corrected by approving the corrected file again, and both stay on record.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise

from mrv.errors import BadInput, fault
from mrv.period import in_ms, zone
from mrv.plan.whole import MonitoringPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovedPlan:
    """A plan, the digest it was approved by, and when (UTC ms)."""

    plan: MonitoringPlan
    digest: str
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A plan that holds in [start, end); None: from the beginning, until further notice."""

    plan: MonitoringPlan
    digest: str
    start: int | None
    end: int | None

    def holds(self, ms: int) -> bool:
        return (self.start is None or self.start <= ms) and (self.end is None or ms < self.end)


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeline:
    """All versions that ever hold, in order; `superseded` are the digests that no instant is left to."""

    versions: tuple[Version, ...]
    superseded: tuple[str, ...]

    def at(self, ms: int) -> Version | None:
        """The version that holds at `ms`; None before the first."""
        return next((version for version in self.versions if version.holds(ms)), None)


def midnight(day: date, timezone: str) -> int:
    """The instant (UTC ms) at which `day` begins in `timezone`."""
    return in_ms(datetime(day.year, day.month, day.day, tzinfo=zone(timezone)))


def timeline(approved: Iterable[ApprovedPlan]) -> Timeline:
    """Raises BadInput where versions contradict each other: other site, zone, or two equal in day and approval."""
    found = sorted(approved, key=lambda one: (one.plan.starts or date.min, one.at, one.digest))
    faults = []
    for one, other in pairwise(found):
        if (one.plan.site, one.plan.timezone) != (other.plan.site, other.plan.timezone):
            faults.append(fault("plan.versions_differ", other.digest[:16], site=one.plan.site, zone=one.plan.timezone))
        same = (one.plan.starts, one.at) == (other.plan.starts, other.at)
        if same and one.digest != other.digest:
            faults.append(fault("plan.versions_equal", other.digest[:16], other=one.digest[:16]))
    if faults:
        raise BadInput(*faults)
    last = {one.plan.starts: one for one in found}
    starts = [None if day is None else midnight(day, one.plan.timezone) for day, one in last.items()]
    held = tuple(
        Version(plan=one.plan, digest=one.digest, start=start, end=end)
        for one, start, end in zip(last.values(), starts, [*starts[1:], None], strict=True)
    )
    kept = {version.digest for version in held}
    return Timeline(versions=held, superseded=tuple(one.digest for one in found if one.digest not in kept))
