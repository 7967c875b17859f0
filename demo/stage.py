"""The demo from curtain to curtain: set the site up, show it period by period, end it and judge what is left."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

import msgspec

from demo import layout, view
from demo.ends import Gateway, Ledger, Office, audit, ledger
from demo.errors import DemoError
from demo.interrupt import Interrupt
from demo.layout import ORG, SITE, Layout
from demo.processes import Processes
from demo.view import Period, Standing
from mrv import period as periods
from mrv import plan as plans
from mrv.binding import Binding
from mrv.errors import Fault, fault

#: The plant's day begins at ten in the morning and passes this much faster: forty minutes until its sun sets.
START, SPEED = 10, 12
#: Seconds: for a program to get ready, for the first receipt, between two looks, for the office to catch up at the end.
READY, FIRST, LOOK, CATCH_UP = 20, 60, 1, 20
ENOUGH = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """A site that is running."""

    layout: Layout
    processes: Processes
    interrupt: Interrupt
    gateway: Gateway
    office: Office
    #: Public keys, as an auditor has them from the project's papers.
    vkey: str
    cosigner: str
    terms: Ledger
    timezone: str
    #: Readings due in a whole period, all meters together.
    due: int

    @property
    def zone(self) -> tzinfo:
        return periods.zone(self.timezone)

    def periods(self) -> tuple[Period, ...]:
        return self.office.periods(SITE, self.terms)

    def full(self, found: tuple[Period, ...]) -> int:
        """How many of `found` were admitted and ran from bound to bound with the agent at work."""
        return sum(period.admitted and period.expected == self.due for period in found)


def build(place: Layout, processes: Processes, interrupt: Interrupt, period: int) -> Stage:
    """Start everything, as a technician and an officer would. Raises DemoError, BadInput."""
    gateway, office = Gateway(place.site, place.commands), Office(place.office, place.commands)
    simulator = [sys.executable, "-m", "drivers.simulator", "--start", str(START), "--speed", str(SPEED)]
    plant = processes.first_line(processes.start("simulator", simulator), READY)
    ports = {name: bus["port"] for name, bus in plant["buses"].items()}
    cosigner, broker = office.init(ORG), layout.free_port()
    gateway.init(SITE, ORG)
    (place.site / "site.yaml").write_text(layout.wiring(ports, broker, cosigner))
    plan_file, binding_file = place.site / "plan.yaml", place.root / "binding.json"
    plan_file.write_text(layout.adjusted(plan_file.read_text(), period))
    vkey = gateway.check(binding_file)
    office.enroll(SITE, plan_file, binding_file)
    processes.start("collector", office.serve(broker))
    processes.start("agent", gateway.serve)
    awaited(gateway, processes)
    plan = plans.load(plan_file.read_text(), str(plan_file)).value
    binding = msgspec.json.decode(binding_file.read_bytes(), type=Binding)
    return Stage(
        layout=place,
        processes=processes,
        interrupt=interrupt,
        gateway=gateway,
        office=office,
        vkey=vkey,
        cosigner=cosigner,
        terms=ledger(plan, binding),
        timezone=plan.timezone,
        due=sum(plan.period // meter.every for meter in binding.meters),
    )


def awaited(gateway: Gateway, processes: Processes) -> None:
    """Return once the gateway gives account of itself. Raises DemoError when it does not in time."""
    end = time.monotonic() + READY
    while True:
        processes.check()
        try:
            gateway.standing()
        except DemoError:
            if time.monotonic() > end:
                raise
            time.sleep(LOOK / 4)
        else:
            return


def show(stage: Stage, seconds: int | None) -> int:
    """Print each period once it has its verdict and its receipt, until `seconds` after the first receipt or a signal.

    Gives how many were printed. Raises DemoError when a program ends by itself or the first receipt does not come.
    """
    printed, began = 0, time.monotonic()
    until: float | None = None
    while not stage.interrupt.asked and (until is None or time.monotonic() < until):
        stage.processes.check()
        standing = stage.gateway.standing()
        if until is None and standing.receipt:
            until = time.monotonic() + seconds if seconds else float("inf")
        elif until is None and time.monotonic() - began > FIRST:
            raise DemoError(fault("demo.no_receipt", seconds=FIRST, logs=stage.layout.logs))
        covered = [period for period in stage.periods() if period.index < standing.receipt]
        printed = lines(stage, covered, printed, standing)
        stage.interrupt.wait(LOOK)
    return printed


def lines(stage: Stage, found: Sequence[Period], printed: int, standing: Standing) -> int:
    """Print what is new in `found`; gives how many are printed now."""
    for number in range(printed, len(found)):
        if number and number % view.PAGE == 0:
            print(f"\n{view.head(tuple(stage.terms))}")
        print(view.line(found[number], standing, stage.zone), flush=True)
    return max(printed, len(found))


def end(stage: Stage, printed: int, *, wanted: int) -> tuple[Fault, ...]:
    """Stop the site, print the totals, export, have the auditor's tool look at it; gives what is wrong with it all."""
    faults = stop(stage, "agent")
    standing = stage.gateway.standing()
    deadline = time.monotonic() + CATCH_UP
    while stage.office.held(SITE) < standing.log and time.monotonic() < deadline and not stage.interrupt.hurried:
        stage.interrupt.wait(LOOK)
    found = stage.periods()
    lines(stage, found, printed, standing)
    faults += stop(stage, "collector") + stop(stage, "simulator")
    print(f"\nThe site is stopped. {view.totals(found, stage.full(found))}")
    print(
        f"log {standing.log} leaves, newest receipt over {standing.receipt}, backlog {standing.log - standing.receipt}"
    )
    faults += judged(stage, found, standing, wanted)
    if stage.interrupt.hurried:
        return (*faults, fault("demo.cut_short"))
    return (*faults, *audited(stage))


def stop(stage: Stage, name: str) -> tuple[Fault, ...]:
    code = stage.processes.stop(name)
    log = stage.layout.logs / f"{name}.log"
    return (fault("demo.ended_badly", name, exit=code, log=log),) if code else ()


def judged(stage: Stage, found: tuple[Period, ...], standing: Standing, wanted: int) -> tuple[Fault, ...]:
    """What is wrong with the periods and the backlog."""
    logs, faults = stage.layout.logs, []
    refused = [period for period in found if not period.admitted]
    if refused:
        reasons = "; ".join(sorted({reason for period in refused for reason in period.reasons}))
        faults.append(fault("demo.not_admitted", count=len(refused), reasons=reasons, logs=logs))
    if stage.full(found) < wanted:
        faults.append(fault("demo.few_periods", found=stage.full(found), wanted=wanted, logs=logs))
    if standing.receipt != standing.log:
        faults.append(fault("demo.backlog", leaves=standing.log - standing.receipt, logs=logs))
    return tuple(faults)


def audited(stage: Stage) -> tuple[Fault, ...]:
    """Export what the office holds and let `mrv-verify` judge it."""
    folder = stage.layout.export
    try:
        stage.office.export(SITE, folder)
        said = audit(folder, stage.vkey, stage.cosigner, stage.layout.commands)
        print(f"\nexported to {folder}; the auditor's tool says:\n{said}")
    except DemoError as error:
        problem = "; ".join(f.params.get("problem", f.code) for f in error.faults)
        return (fault("demo.not_clean", str(folder), problem=problem, folder=folder),)
    return ()
