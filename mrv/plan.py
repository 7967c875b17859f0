"""What a project promised to measure, and the fixed values it was validated with: `plan.yaml`, the MRV officer's file.

Apart from the wiring (`site.yaml`, the technician's file): a plan knows points and registers, never addresses. It is
carried in the log as canonical JSON and approved by its digest, `leaf.digest(leaf.canonical(plan))`. It grows by
optional fields only: a field left at its default is not written, so an approved plan keeps its digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from mrv import strict
from mrv.binding import POINT_ID, Binding, BoundMeter
from mrv.errors import BadInput, Fault, fault
from mrv.measurand import Measurand
from mrv.methodology import catalogue, fit, units
from mrv.number import in_bounds
from mrv.period import zone
from mrv.profile import MEASURANDS, Profile
from mrv.reading import ClockState
from mrv.strict import Complaint, Document

SITE_ID = "^[a-z0-9-]{1,32}$"
Id = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,31}$", examples=["roof-1"])]
PointId = Annotated[str, msgspec.Meta(pattern=POINT_ID, examples=["CH-1"])]
Name = Annotated[str, msgspec.Meta(pattern=catalogue.SYMBOL, max_length=32, examples=["EF_RE"])]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A piece of a plan."""


class Point(_Part, frozen=True, kw_only=True):
    """Where something is measured.

    `evidence` is what the instrument counts for: a `meter` is certified to a metering standard and may be credited;
    a `check` meter or the registers of an `inverter` are only ever compared with it.
    """

    id: PointId
    #: What the point measures, and what else hangs on the same line.
    scope: Text
    evidence: Literal["meter", "check", "inverter"]
    #: Its tag on the single-line diagram.
    diagram: Text | None = None


class Provenance(_Part, frozen=True, kw_only=True):
    """Where a value comes from, so that a verifier finds it: document, its date, page or table or letter number."""

    document: Text
    date: date
    locator: Text


class ExAnte(_Part, frozen=True, kw_only=True):
    """A value fixed at validation. Changing one is a post-registration change."""

    value: Decimal
    unit: str
    provenance: Provenance

    def check(self) -> Iterator[Complaint]:
        if not in_bounds(self.value):
            yield (("value",), "plan.number_too_long", {"found": self.value})
        try:
            units.unit(self.unit)
        except BadInput as error:
            yield from strict.passed_on(("unit",), error)


class Term(_Part, frozen=True, kw_only=True):
    """One cumulative register at one point, by its measurand's name (mrv.measurand)."""

    point: PointId
    register: str

    @property
    def measurand(self) -> Measurand:
        return MEASURANDS[self.register]

    def check(self) -> Iterator[Complaint]:
        known = [name for name, measurand in MEASURANDS.items() if measurand.cumulative]
        if self.register not in known:
            yield (("register",), "plan.register_unknown", {"register": self.register, "known": ", ".join(known)})


class Terms(_Part, frozen=True, kw_only=True):
    """What a monitored parameter is made of: the sum of `plus` less the sum of `minus`."""

    plus: Annotated[tuple[Term, ...], msgspec.Meta(min_length=1)]
    minus: tuple[Term, ...] = ()


class Item(_Part, frozen=True, kw_only=True):
    """One unit of the project's equipment, the `i` of the equations."""

    id: Id
    title: Text | None = None
    ex_ante: dict[Name, ExAnte] = {}
    monitored: dict[Name, Terms] = {}


class Project(_Part, frozen=True, kw_only=True):
    """One JCM project (or one that hopes to be)."""

    id: Id
    title: Text
    #: The reference number, once it is registered.
    reference: Text | None = None
    #: Identity and version in one, as JCM spreadsheets spell it: VN_AM007_ver01.0.
    methodology: str
    crediting_start: date | None = None
    #: Last day of the crediting period.
    crediting_end: date | None = None
    ex_ante: dict[Name, ExAnte] = {}
    monitored: dict[Name, Terms] = {}
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=1000)]

    def check(self) -> Iterator[Complaint]:
        if self.crediting_start and self.crediting_end and self.crediting_end < self.crediting_start:
            yield (("crediting_end",), "plan.crediting_backwards", {"start": self.crediting_start})
        yield from _unique(("items",), [item.id for item in self.items])

    def terms(self) -> Iterator[tuple[strict.Path, Term]]:
        """Every register the project is credited by, with its place in the plan."""
        yield from _terms((), self.monitored)
        for number, item in enumerate(self.items):
            yield from _terms(("items", number), item.monitored)


class MonitoringPlan(_Part, frozen=True, kw_only=True):
    """All that one site monitors.

    `period` is in seconds, its bounds are multiples of it on the UTC epoch, cut at the local new year of `timezone`.
    A summary is admitted when its clock was in one of the states `clock` and at least the share `min_coverage` of
    its expected slots was read.
    """

    site: Annotated[str, msgspec.Meta(pattern=SITE_ID, examples=["long-an-2"])]
    timezone: str
    period: Annotated[int, msgspec.Meta(ge=1, le=3600)]
    clock: Annotated[tuple[ClockState, ...], msgspec.Meta(min_length=1)] = (
        ClockState.SYNCHRONISED,
        ClockState.RELATIVE,
    )
    min_coverage: Decimal = Decimal(0)
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
        yield from _unique(("points",), [point.id for point in self.points])
        yield from _unique(("projects",), [project.id for project in self.projects])
        yield from self._bound_points()

    def _bound_points(self) -> Iterator[Complaint]:
        """Every credited register stands at a declared meter, and is credited once."""
        points = {point.id: point for point in self.points}
        used: dict[tuple[str, str], str] = {}
        for number, project in enumerate(self.projects):
            for below, term in project.terms():
                path: strict.Path = ("projects", number, *below, "point")
                point, key = points.get(term.point), (term.point, term.register)
                if point is None:
                    yield (path, "plan.point_unknown", {"point": term.point, "known": ", ".join(points)})
                elif point.evidence != "meter":
                    yield (path, "plan.point_not_creditable", {"point": point.id, "evidence": point.evidence})
                elif key in used:
                    yield (
                        path,
                        "plan.credited_twice",
                        {"point": term.point, "register": term.register, "by": used[key]},
                    )
                used.setdefault(key, project.id)


def load(text: str, source: str) -> Document[MonitoringPlan]:
    """`plan.yaml`, held to its methodologies as well. Raises BadInput with every fault found."""
    return strict.decode(text, MonitoringPlan, source, {Project: _misfits})


def _misfits(project: Project) -> Iterator[Complaint]:
    try:
        yield from fit.misfits(project, catalogue.find(project.methodology))
    except BadInput as error:
        yield from strict.passed_on(("methodology",), error)


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
        if point.id not in meters:
            yield fault("plan.point_without_meter", f"point {point.id}", point=point.id)
        elif (profile := profiles.get(meters[point.id].profile)) is not None:
            yield from _against_profile(plan, point, meters[point.id], profile)


def _against_profile(plan: MonitoringPlan, point: Point, bound: BoundMeter, profile: Profile) -> Iterator[Fault]:
    where = f"meter {bound.meter}"
    if profile.kind == "inverter" and point.evidence == "meter":
        yield fault("plan.inverter_as_meter", where, point=point.id, profile=profile.id)
    wanted = {term.register for project in plan.projects for _, term in project.terms() if term.point == point.id}
    for register in sorted(wanted - set(profile.read)):
        yield fault("plan.register_not_read", where, register=register, profile=profile.id, point=point.id)


def _timezone(name: str) -> Iterator[Complaint]:
    try:
        zone(name)
    except BadInput as error:
        yield from strict.passed_on((), error)


def _terms(path: strict.Path, monitored: Mapping[str, Terms]) -> Iterator[tuple[strict.Path, Term]]:
    for symbol, terms in monitored.items():
        for side, listed in (("plus", terms.plus), ("minus", terms.minus)):
            yield from (((*path, "monitored", symbol, side, n), term) for n, term in enumerate(listed))


def _unique(path: strict.Path, ids: list[str]) -> Iterator[Complaint]:
    for number, name in enumerate(ids):
        if name in ids[:number]:
            yield ((*path, number, "id"), "plan.id_twice", {"id": name})
