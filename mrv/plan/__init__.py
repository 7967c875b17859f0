"""What a project promised to measure, and the fixed values it was validated with: `plan.yaml`, the MRV officer's file.

Apart from the wiring (`site.yaml`, the technician's file): a plan knows points and registers, never addresses. It is
carried in the log as canonical JSON and approved by its digest, `leaf.digest(leaf.canonical(plan))`. It grows by
optional fields only: a field left at its default is not written, so an approved plan keeps its digest.

One file is one version. `from` says the local day from whose midnight it holds; `versions` puts what was approved in
order. `metering` is points, devices and certificates, `parameters` what is monitored and fixed, `project` who and
what is credited, `whole` the file, `against` the wiring it is held to, `lacking` what a verifier will ask for.
"""

from mrv.plan.against import check_against
from mrv.plan.metering import Certified, Device, Point, Quantity, Rated, Share
from mrv.plan.parameters import ExAnte, Item, Term, Terms
from mrv.plan.part import Provenance
from mrv.plan.project import Estimate, GeneratorSet, Participant, Person, Project
from mrv.plan.whole import SITE_ID, MonitoringPlan, load

__all__ = [
    "SITE_ID",
    "Certified",
    "Device",
    "Estimate",
    "ExAnte",
    "GeneratorSet",
    "Item",
    "MonitoringPlan",
    "Participant",
    "Person",
    "Point",
    "Project",
    "Provenance",
    "Quantity",
    "Rated",
    "Share",
    "Term",
    "Terms",
    "check_against",
    "load",
]
