"""The folder of a site as commissioning sees it: what is wired already, what the plan wants read, and the edit.

The plan is only looked at: which point has no meter yet, which registers of it are credited. A site whose plan is not
written yet can be wired all the same. Whatever is written was read back by the schema of `site.yaml` first.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from drivers import lease, site_edit, wiring
from drivers.commission_gate import RECORDS
from drivers.wiring import Line, Meter
from mrv import plan as plans
from mrv.commissioning import Record, encode
from mrv.errors import BadInput, Fault, MrvError, Refused, fault
from mrv.plan import MonitoringPlan
from mrv.profile import Profile

SITE_FILE, PLAN_FILE = "site.yaml", "plan.yaml"
#: Interval in seconds where no other meter of the site has one.
USUAL_INTERVAL = 15


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """`text` of site.yaml, and what can be read of it and of plan.yaml."""

    folder: Path
    text: str
    plan: MonitoringPlan | None

    @property
    def meters(self) -> list[dict[str, Any]]:
        return site_edit.entries(self.text, "meters", SITE_FILE)

    @property
    def lines(self) -> list[dict[str, Any]]:
        return site_edit.entries(self.text, "buses", SITE_FILE)

    @property
    def interval(self) -> int:
        """What most meters of this site are read at."""
        given = [entry["every"] for entry in self.meters if isinstance(entry.get("every"), int)]
        return max(given, key=given.count) if given else USUAL_INTERVAL

    def meter(self, name: str) -> dict[str, Any] | None:
        return next((entry for entry in self.meters if entry.get("id") == name), None)

    def points(self) -> list[str]:
        """Points of the plan without a meter."""
        taken = {entry.get("point") for entry in self.meters}
        return [point.id for point in self.plan.points if point.id not in taken] if self.plan else []

    def credited(self, point: str) -> tuple[str, ...]:
        """Names of the registers of `point` that projects are credited by; empty when the plan does not tell."""
        projects = self.plan.projects if self.plan else ()
        found = (term.register for project in projects for _, term in project.terms() if term.point == point)
        return tuple(dict.fromkeys(found))

    def twice(self, meter: Mapping[str, Any], line: Line) -> Iterator[Fault]:
        """What `meter` would say a second time: its id, its point, its place on the wire, its serial number."""
        names = {line.id} | {e.get("id") for e in self.lines if _same(e, line)}
        for other in self.meters:
            for field in ("id", "point", "serial"):
                if meter.get(field) and meter[field] == other.get(field):
                    yield _twice(f"{field} {meter[field]}", other)
            if meter.get("unit") is not None and (other.get("bus"), other.get("unit", 1)) in {
                (n, meter["unit"]) for n in names
            }:
                yield _twice(f"unit {meter['unit']} ({other.get('bus')})", other)


def _twice(what: str, other: Mapping[str, Any]) -> Fault:
    return fault("tool.meter_twice", "", what=what, other=other.get("id"))


def _same(entry: Mapping[str, Any], line: Line) -> bool:
    """Whether an entry of `buses` is this line, under whatever name of its end."""
    try:
        return lease.same(msgspec.convert(entry, Line), line)
    except msgspec.ValidationError:
        return False


def load(folder: Path) -> SiteFolder:
    """The folder's files. Raises BadInput when there is no readable site.yaml."""
    path = folder / SITE_FILE
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(fault("tool.no_site_file", str(path), problem=error)) from error
    site_edit.entries(text, "meters", SITE_FILE)
    return SiteFolder(folder, text, _plan(folder / PLAN_FILE))


def _plan(path: Path) -> MonitoringPlan | None:
    try:
        return plans.load(path.read_text(encoding="utf-8"), PLAN_FILE).value
    except (OSError, UnicodeDecodeError, MrvError):
        return None


def entry(meter: Meter) -> dict[str, Any]:
    """A meter as site.yaml has it."""
    found: dict[str, Any] = msgspec.to_builtins(meter, str_keys=True)
    return {"id": found.pop("id"), "point": found.pop("point"), "bus": found.pop("bus"), "unit": meter.unit, **found}


def edited(site: SiteFolder, meter: Meter, line: Line, profiles: Mapping[str, Profile]) -> str:
    """site.yaml with the meter, and with its line unless that is there. Raises BadInput: the result would be wrong."""
    text = site.text
    if all(found.get("id") != line.id for found in site.lines):
        shown: dict[str, Any] = msgspec.to_builtins(line)
        text = site_edit.add(text, "buses", shown, SITE_FILE)
    text = site_edit.add(text, "meters", entry(meter), SITE_FILE)
    wiring.load(text, SITE_FILE, profiles)
    return text


def write(site: SiteFolder, text: str) -> None:
    """Put the edited site.yaml in place. Raises Refused: it cannot be written, or was edited by another meanwhile."""
    path = site.folder / SITE_FILE
    if path.read_text(encoding="utf-8") != site.text:
        raise Refused(fault("tool.site_file_changed", str(path)))
    site_edit.replace(path, text)


def keep(site: SiteFolder, record: Record) -> Path:
    """A copy of the record beside site.yaml. Raises Refused."""
    folder = site.folder / RECORDS
    path = folder / f"{record.meter}.json"
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise BadInput(fault("tool.cannot_write", str(folder), problem=error.strerror or error)) from error
    site_edit.replace(path, encode(record).decode())
    return path
