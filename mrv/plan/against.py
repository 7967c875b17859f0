"""A plan held against the wiring: which meters cannot measure what it promises."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from mrv.binding import Binding, BoundMeter
from mrv.errors import Fault, fault
from mrv.measurand import MEASURANDS
from mrv.plan.metering import Point
from mrv.plan.whole import MonitoringPlan
from mrv.profile import Profile


def check_against(
    plan: MonitoringPlan, binding: Binding, profiles: Mapping[str, Profile] | None = None
) -> tuple[Fault, ...]:
    """What keeps the meters of `binding` from measuring what `plan` promises; `profiles` by id, where at hand."""
    return tuple(_against(plan, binding, profiles or {}))


def _against(plan: MonitoringPlan, binding: Binding, profiles: Mapping[str, Profile]) -> Iterator[Fault]:
    if plan.site != binding.site:
        yield fault("plan.other_site", "site", plan=plan.site, wiring=binding.site)
    points = {point.id: point for point in plan.points}
    meters: dict[str, BoundMeter] = {}
    for bound in binding.meters:
        where = f"meter {bound.meter}"
        if bound.point not in points:
            yield fault("plan.meter_without_point", where, point=bound.point, known=", ".join(points))
        elif bound.point in meters:
            yield fault("plan.point_with_two_meters", where, point=bound.point, other=meters[bound.point].meter)
        if plan.period % bound.every:
            yield fault("plan.every_and_period", where, every=bound.every, period=plan.period)
        meters.setdefault(bound.point, bound)
    for point in plan.points:
        if point.evidence == "invoice":
            continue
        if point.id not in meters:
            yield fault("plan.point_without_meter", f"point {point.id}", point=point.id)
        elif (profile := profiles.get(meters[point.id].profile)) is not None:
            yield from _against_profile(plan, point, meters[point.id], profile)


def _against_profile(plan: MonitoringPlan, point: Point, bound: BoundMeter, profile: Profile) -> Iterator[Fault]:
    where = f"meter {bound.meter}"
    if profile.kind == "inverter" and point.evidence == "meter" and point.accepted is None:
        yield fault("plan.inverter_as_meter", where, point=point.id, profile=profile.id)
    wanted = {term.register for project in plan.projects for _, term in project.terms() if term.point == point.id}
    for register in sorted(wanted - set(profile.read)):
        yield fault("plan.register_not_read", where, register=register, profile=profile.id, point=point.id)
    absolute = "absolute" in (profile.summation, bound.settings.summation)
    for register in sorted(wanted & MEASURANDS.keys()):
        # A meter that adds both directions is right where energy flows one way: it must not be asked for the other.
        if MEASURANDS[register].both_ways or (absolute and "export" in register):
            yield fault("plan.register_both_ways", where, register=register, profile=profile.id, point=point.id)
