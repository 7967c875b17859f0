"""The two ends, asked through their console scripts: what they are told, and what their --json says.

Nothing here opens a database or a key: a figure that the scripts do not give is not in the demo.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from demo.processes import ask, run, script
from demo.view import Period, Share, Standing
from mrv.binding import Binding
from mrv.plan import MonitoringPlan

#: For each project the registers its energy is made of: meter, OBIS code, and 1 or -1.
Ledger = dict[str, tuple[tuple[str, str, int], ...]]
AGENT, COLLECTOR, VERIFY = "mrv-agent", "mrv-collector", "mrv-verify"


@dataclass(frozen=True, slots=True)
class Gateway:
    """The site's end: its folder, and the log of commands."""

    folder: Path
    log: Path

    def init(self, site: str, org: str) -> None:
        """A key and two example files."""
        run([script(AGENT), "init", "--dir", str(self.folder), "--site", site, "--org", org], self.log)

    @property
    def serve(self) -> list[str]:
        """The command that runs the agent."""
        return [script(AGENT), "run", "--dir", str(self.folder)]

    def check(self, binding: Path) -> str:
        """Check both files and write the binding for the office; gives the site's public key."""
        found = ask([script(AGENT), "check", "--dir", str(self.folder), "--binding-out", str(binding)], self.log)
        return str(found["vkey"])

    def standing(self) -> Standing:
        """How far log and receipt reach."""
        found = ask([script(AGENT), "backlog", "--dir", str(self.folder)], self.log)
        return Standing(log=found["size"], receipt=found["received"])


@dataclass(frozen=True, slots=True)
class Office:
    """The collector's end: its folder, and the log of commands."""

    folder: Path
    log: Path

    def init(self, org: str) -> str:
        """Make the office; gives the public key its receipts are signed with."""
        found = ask([script(COLLECTOR), "init", "--dir", str(self.folder), "--org", org], self.log)
        return str(found["cosigner"])

    def enroll(self, site: str, plan: Path, binding: Path, vkey: str | None = None) -> None:
        """Make a site known, with its plan and binding; without `vkey` its key is taken on trust at first use."""
        papers = ["--plan", str(plan), "--binding", str(binding), *(["--key", vkey] if vkey else ["--tofu"])]
        run([script(COLLECTOR), "enroll", site, "--dir", str(self.folder), *papers], self.log)

    def serve(self, port: int) -> list[str]:
        """The command that runs the collector with a broker of its own on loopback `port`."""
        embedded = ["--embedded-broker", "--listen", f"127.0.0.1:{port}"]
        return [script(COLLECTOR), "run", "--dir", str(self.folder), *embedded]

    def periods(self, site: str, terms: Ledger) -> tuple[Period, ...]:
        """Every period of `site` that the office has judged, oldest first."""
        found = ask([script(COLLECTOR), "summaries", "--dir", str(self.folder), "--site", site], self.log)
        return tuple(period_of(entry, terms) for entry in found)

    def held(self, site: str) -> int:
        """How many leaves of `site` the office holds: the size of its newest receipt."""
        found = ask([script(COLLECTOR), "sites", "--dir", str(self.folder)], self.log)
        return int(next((entry["size"] for entry in found if entry["site"] == site), 0))

    def export(self, site: str, folder: Path) -> None:
        """Write what an auditor takes away."""
        run([script(COLLECTOR), "export", site, "--dir", str(self.folder), "--out", str(folder)], self.log)


def audit(folder: Path, vkey: str, cosigner: str, log: Path) -> str:
    """What the auditor's tool says of an export that is clean, given the keys of site and office from elsewhere.

    Raises DemoError when it is not clean.
    """
    return run([script(VERIFY), str(folder), "--key", vkey, "--cosigner", cosigner], log).strip()


def ledger(plan: MonitoringPlan, binding: Binding) -> Ledger:
    """What each project's energy is made of, as its plan says."""
    meters = {bound.point: bound.meter for bound in binding.meters}
    found: Ledger = {}
    for project in plan.projects:
        terms = [item.monitored for item in project.items] + [project.monitored]
        found[project.id] = tuple(
            (meters[term.point], term.measurand.obis, sign)
            for monitored in terms
            for listed in monitored.values()
            for sign, side in ((1, listed.plus), (-1, listed.minus))
            for term in side
        )
    return found


def period_of(entry: dict[str, Any], terms: Ledger) -> Period:
    """One entry of `mrv-collector summaries --json`."""
    used = {
        (usage["meter"], obis): Decimal(register["used"])
        for usage in entry["usages"]
        for obis, register in usage["registers"].items()
    }
    return Period(
        index=entry["index"],
        start=entry["from"],
        end=entry["to"],
        shares=tuple(
            Share(
                project=project["project"],
                energy=_energy(used, terms[project["project"]]),
                reduction=None if project["reduction"] is None else Decimal(project["reduction"]),
            )
            for project in entry["projects"]
        ),
        expected=entry["expected"],
        read=entry["read"],
        verdict=entry["verdict"],
        reasons=tuple(reason["what"] for reason in entry["reasons"]),
    )


def _energy(used: dict[tuple[str, str], Decimal], terms: tuple[tuple[str, str, int], ...]) -> Decimal | None:
    """kWh of one project; None when one of its registers was never read, which is not zero."""
    if any((meter, obis) not in used for meter, obis, _ in terms):
        return None
    return sum((sign * used[meter, obis] for meter, obis, sign in terms), Decimal(0))
