"""What a plan may leave out while a site is set up, and a verifier will ask for: why its figures cannot be filed yet.

Nothing here keeps a site from being metered; everything here stands in the report as a reason against submission.
"""

from __future__ import annotations

from collections.abc import Iterator

from mrv.errors import Fault, fault
from mrv.plan.metering import Device, Point
from mrv.plan.project import Project
from mrv.plan.whole import MonitoringPlan


def lacking(plan: MonitoringPlan, project: Project) -> tuple[Fault, ...]:
    """Reasons why figures of `project` under `plan` may not be filed, as far as the plan alone says."""
    used = dict.fromkeys(term.point for _, term in project.terms())
    points = [point for point in plan.points if point.id in used]
    return (*_of_project(project), *(found for point in points for found in _of_point(point)))


def _of_project(project: Project) -> Iterator[Fault]:
    where = f"project {project.id}"
    for name, given in (
        ("reference", project.reference),
        ("participants", project.participants),
        ("crediting_start", project.crediting_start),
        ("operation_start", project.operation_start),
        ("boundary", project.boundary),
        ("estimates", project.estimates),
        ("responsible", project.responsible),
    ):
        if not given:
            yield fault("plan.lacks_entry", where, entry=name)
    if project.generators is None:
        yield fault("plan.lacks_generators", where)
    for _, symbol, item, terms in project.parameters():
        if terms.option is None:
            yield fault("plan.lacks_option", where, symbol=f"{symbol}[{item}]" if item else symbol)


def _of_point(point: Point) -> Iterator[Fault]:
    where = f"point {point.id}"
    if point.diagram is None:
        yield fault("plan.lacks_entry", where, entry="diagram")
    if point.evidence == "invoice":
        return
    if point.rated is None:
        yield fault("plan.lacks_entry", where, entry="rated")
    if not any(device.device == "meter" for device in point.devices):
        yield fault("plan.lacks_devices", where)
    for device in point.devices:
        yield from _of_device(where, device)


def _of_device(where: str, device: Device) -> Iterator[Fault]:
    if not device.certificates:
        yield fault("plan.lacks_certificate", where, device=device.device, serial=device.serial)
    for one in device.certificates:
        if one.accreditation is None:
            yield fault("plan.lacks_accreditation", where, certificate=one.number, laboratory=one.laboratory)
