"""The two files a person writes, as one checked value: site.yaml (wiring) and plan.yaml (monitoring plan).

`check` and `run` load through here, so what `check` accepts is what `run` starts with. All faults of both files come at
once; faults between the files come when each can be read on its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from agent import methodologies
from drivers import commission_gate, profiles, wiring
from drivers.wiring import Site
from mrv import leaf, strict
from mrv import plan as plans
from mrv.binding import Binding
from mrv.errors import BadInput, Fault, MrvError, fault, raise_all
from mrv.log.note import COSIGNATURE, VerifyKey
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology
from mrv.plan import MonitoringPlan
from mrv.profile import Profile
from mrv.strict import Document

SITE_FILE = "site.yaml"
PLAN_FILE = "plan.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything a site runs with. `profiles` and `methodologies` are those in use, by id and by name.

    `lines` says where in site.yaml each line stands, by its id.
    """

    site: Site
    plan: MonitoringPlan
    binding: Binding
    cosigners: tuple[VerifyKey, ...]
    profiles: Mapping[str, Profile]
    methodologies: dict[str, Methodology]
    lines: dict[str, str]

    @property
    def plan_digest(self) -> str:
        return leaf.digest(leaf.canonical(self.plan))

    @property
    def binding_digest(self) -> str:
        return leaf.digest(leaf.canonical(self.binding))


def load(folder: Path) -> Setup:
    """Read and check both files of `folder`. Raises BadInput with every fault found."""
    faults: list[Fault] = []
    library, methods = profiles.library(), catalogue.library()
    site = plan = None
    try:
        library = profiles.beside(folder)
    except MrvError as error:
        faults += error.faults
    try:
        site = wiring.load(_text(folder / SITE_FILE), SITE_FILE, library)
    except MrvError as error:
        faults += error.faults
    try:
        methods = methodologies.beside(folder)
    except MrvError as error:
        faults += error.faults
    try:
        plan = plans.load(_text(folder / PLAN_FILE), PLAN_FILE, catalogue.among(methods))
    except MrvError as error:
        faults += error.faults
    if site:
        faults += (*_cosigner_faults(site), *_not_compared(site, folder, library))
    if site is None or plan is None:
        raise BadInput(*faults)
    raise_all([*faults, *_between(site, plan, library)])
    return _setup(site, plan.value, library, methods)


def example_cosigner() -> str:
    """The key in the example site.yaml, which nobody holds: receipts will never come."""
    text = (files("agent") / "examples" / SITE_FILE).read_text(encoding="utf-8")
    return next(line.strip(" -\n") for line in text.splitlines() if line.strip().startswith("- example/"))


def _setup(
    document: Document[Site], plan: MonitoringPlan, library: Mapping[str, Profile], methods: dict[str, Methodology]
) -> Setup:
    site = document.value
    names = {project.methodology for project in plan.projects}
    return Setup(
        site=site,
        plan=plan,
        binding=wiring.binding(site),
        cosigners=tuple(VerifyKey.parse(text) for text in site.collector.cosigners),
        profiles={name: library[name] for name in sorted({meter.profile for meter in site.meters})},
        methodologies={name: methods[name] for name in sorted(names)},
        lines={line.id: document.where("buses", index) for index, line in enumerate(site.buses)},
    )


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadInput(fault("agent.cannot_read", str(path), problem=error.strerror)) from error
    return strict.as_text(data, path.name)


def _cosigner_faults(site: Document[Site]) -> Iterator[Fault]:
    for index, text in enumerate(site.value.collector.cosigners):
        try:
            VerifyKey.parse(text).must_be(COSIGNATURE)
        except MrvError as error:
            where = site.where("collector", "cosigners", index)
            yield from (fault(f.code, where, **f.params) for f in error.faults)


def _not_compared(site: Document[Site], folder: Path, library: Mapping[str, Profile]) -> Iterator[Fault]:
    """Meters with an experimental profile that nobody has compared with their display."""
    for index, meter in enumerate(site.value.meters):
        where = site.where("meters", index, "profile")
        try:
            record = commission_gate.kept(folder, meter.id)
        except MrvError as error:
            yield from (fault(f.code, where, **f.params) for f in error.faults)
            continue
        refused = commission_gate.refusal(meter.id, library[meter.profile], meter.settings, record)
        if refused:
            yield fault(refused.code, where, **refused.params)


def _between(site: Document[Site], plan: Document[MonitoringPlan], library: Mapping[str, Profile]) -> Iterator[Fault]:
    """What one file says that the other cannot keep, at the line of the meter, point or key it is about."""
    lines = {f"meter {meter.id}": site.where("meters", i) for i, meter in enumerate(site.value.meters)}
    lines |= {f"point {point.id}": plan.where("points", i) for i, point in enumerate(plan.value.points)}
    lines["site"] = site.where("site")
    for found in plans.check_against(plan.value, wiring.binding(site.value), library):
        yield fault(found.code, lines.get(found.where, found.where), **found.params)
