"""What went wrong at a site, played: `tests/cases/<what_went_wrong>/` with three files.

    scenario.yaml   the plant and its faults (docs/simulator.md)
    site.yaml       how an agent is wired to it; $<line> stands for the port or path that line came to listen at
    expected.yaml   what every poll must give: values, or a gap with its reason and the exact message; what a probe
                    finds wrong, and what those who count take strange steps of the counters for

The scenario's lines are real sockets and terminals, the drivers and the polling loop are the agent's own; only time is
turned by hand, so a poll of every slot is there and the counters are to the digit what a constant load makes of them.
"""

from __future__ import annotations

import asyncio
import dataclasses
from contextlib import suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from string import Template

import msgspec
from fakes import NEW_YEAR, FakeClock

from agent.clock import Timekeeper
from agent.poll import BusLoop, Round
from agent.turn import Turn
from drivers import profiles, wiring, wiring_checks
from drivers.bus import ALL, Effort
from drivers.errors import MeterError
from drivers.lines import connect
from drivers.meter import Meter, Sample
from drivers.simulator import scenario
from drivers.simulator.scenario import Scenario
from drivers.simulator.stage import Stage
from mrv import strict
from mrv.counter import Mark, Walk
from mrv.limits import limits
from mrv.profile import MEASURANDS
from mrv.reading import Reading

ROOT = Path(__file__).parent / "cases"
LIBRARY = profiles.library()


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A section of expected.yaml."""


class Poll(Part, frozen=True, kw_only=True):
    """One slot of one meter, `at` seconds of the scenario: values `read` (those that matter), or a `gap`."""

    at: int
    read: dict[str, str] = msgspec.field(default_factory=dict)
    gap: str | None = None
    #: The code of the message a technician reads.
    code: str | None = None


class Verdict(Part, frozen=True, kw_only=True):
    """What whoever counts takes a step of the counters for; `at` is the first reading on its far side."""

    at: int
    verdict: str
    #: How many readings were not believed, or counted from.
    reads: int
    why: str = ""


class Expected(Part, frozen=True, kw_only=True):
    """By meter: every poll, in order; and what is found wrong with the wiring when all values are read at the end."""

    polls: dict[str, tuple[Poll, ...]]
    found: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    #: Every step of the counters that was not taken for energy (mrv.counter).
    decided: dict[str, tuple[Verdict, ...]] = msgspec.field(default_factory=dict)
    #: Seconds until which polling goes on, where that is later than the last poll listed.
    until: int = 0
    #: Real milliseconds that pass after each second, for lines that rest before they try again.
    rest: int = 0


@dataclass
class Case:
    """The three files."""

    name: str
    scenario: Scenario
    site: str
    expected: Expected

    @property
    def until(self) -> int:
        """The last poll, in seconds."""
        return max(self.expected.until, *(polls[-1].at for polls in self.expected.polls.values()))


def names() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("*/scenario.yaml"))


def load(name: str) -> Case:
    folder = ROOT / name
    texts = {file: (folder / f"{file}.yaml").read_text(encoding="utf-8") for file in ("scenario", "site", "expected")}
    return Case(
        name=name,
        scenario=scenario.load(texts["scenario"], f"{name}/scenario.yaml", LIBRARY).value,
        site=texts["site"],
        expected=strict.decode(texts["expected"], Expected, f"{name}/expected.yaml").value,
    )


@dataclass
class Told:
    """What came of a case: by meter its polls with all values, and what is wrong with its wiring."""

    polls: dict[str, list[Poll]] = field(default_factory=dict)
    found: dict[str, tuple[str, ...]] = field(default_factory=dict)
    decided: dict[str, tuple[Verdict, ...]] = field(default_factory=dict)
    readings: list[Reading] = field(default_factory=list)
    events: list[dict[str, object]] = field(default_factory=list)


async def run(case: Case, folder: Path) -> Told:
    """Play the case and poll it."""
    told, clock = Told(), FakeClock()
    begun = clock.boottime
    stage = Stage(
        case.scenario,
        LIBRARY,
        folder=folder,
        tell=told.events.append,
        now=lambda: (clock.boottime - begun) / 1000,
    )
    where = await stage.start()
    places = {name: str(place.port if place.port is not None else place.path) for name, place in where.items()}
    site = wiring.load(Template(case.site).substitute(places), f"{case.name}/site.yaml", LIBRARY).value
    buses = {line.id: connect(line) for line in site.buses}
    try:
        await _poll(case, site, buses, stage, clock, told)
        if case.expected.found:
            told.found = {name: await _accused(name, site, buses) for name in case.expected.found}
        told.decided = {m.id: found for m in site.meters if (found := _decided(m, told.readings, case.until))}
    finally:
        for bus in buses.values():
            await bus.close()
        await stage.stop()
    return told


async def _poll(case: Case, site: wiring.Site, buses: dict, stage: Stage, clock: FakeClock, told: Told) -> None:
    """The agent's own loops, one per line, from slot to slot."""
    begun = clock.realtime
    keeper = Timekeeper(clock, boot=1, source="kernel", announce=lambda _: None)
    sources = {
        bound.meter: Watched(Meter(bound, LIBRARY[bound.profile], buses[meter.bus], meter.unit))
        for bound in wiring.binding(site).meters
        for meter in site.meters
        if meter.id == bound.meter
    }

    def emit(leaves: Round) -> None:
        for leaf in leaves:
            slot = leaf.slot if isinstance(leaf, Reading) else leaf.start
            poll = sources[leaf.meter].poll(leaf, at=((slot or 0) - begun) // 1000)
            if isinstance(leaf, Reading):
                told.readings.append(leaf)
            told.polls.setdefault(leaf.meter, []).append(poll)

    loops = []
    for line in site.buses:
        turns = [Turn(meter=m.id, every=m.every, source=sources[m.id]) for m in site.meters if m.bus == line.id]
        loops.append(BusLoop(turns, keeper, config=1, emit=emit, frontier=lambda _: 0))

    async def settle() -> None:
        await stage.advance()
        while clock.sleeping < len(loops):
            for task in tasks:
                if task.done():
                    task.result()  # a loop ends by an error only
            await asyncio.sleep(0.002)
        await asyncio.sleep(case.expected.rest / 1000)

    tasks = [asyncio.ensure_future(loop.run()) for loop in loops]
    try:
        await clock.run(case.until * 1000, settle)
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _accused(name: str, site: wiring.Site, buses: dict) -> tuple[str, ...]:
    """What the checks of a technician's probe say to all values of the meter."""
    meter = next(meter for meter in site.meters if meter.id == name)
    bound = next(bound for bound in wiring.binding(site).meters if bound.meter == name)
    whole = msgspec.structs.replace(LIBRARY[meter.profile], read=tuple(LIBRARY[meter.profile].values))
    sample = await Meter(bound, whole, buses[meter.bus], meter.unit).read()
    return tuple(found.code for found in wiring_checks.findings(sample.values))


def _decided(meter: wiring.Meter, readings: list[Reading], until: int) -> tuple[Verdict, ...]:
    """What agent, office and auditor take the steps of its counters for."""
    # Here a meter is only read, never asked who it is: what it could say for itself is not waited for.
    bounds = dataclasses.replace(limits(LIBRARY[meter.profile], meter.settings, meter.every), identifiable=False)
    walk = Walk(bounds, None)
    for reading in (reading for reading in readings if reading.meter == meter.id and reading.slot is not None):
        walk.see(Mark(reading.slot or 0, reading.registers, reading.boot, reading.boottime, reading.clock))
    walk.finish(NEW_YEAR + until * 1000, ended=False)
    return tuple(
        Verdict(at=(d.after.slot - NEW_YEAR) // 1000, verdict=d.verdict, reads=d.reads, why=d.why)
        for d in walk.decisions
    )


class Watched:
    """A meter whose last outcome is kept: leaves carry reasons and registers, but neither messages nor values."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._sample: Sample | None = None
        self._code: str | None = None

    async def read(self, effort: Effort = ALL) -> Sample:
        self._sample, self._code = None, None
        try:
            self._sample = await self._meter.read(effort)
        except MeterError as error:
            self._code = error.faults[0].code
            raise
        return self._sample

    def poll(self, leaf: object, at: int) -> Poll:
        if isinstance(leaf, Reading) and self._sample:
            values: dict[object, Decimal] = dict(self._sample.values)
            return Poll(at=at, read={name: str(values[m]) for name, m in MEASURANDS.items() if m in values})
        return Poll(at=at, gap=str(getattr(leaf, "why", "")), code=self._code)
