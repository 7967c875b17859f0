"""One meter under watch: what it said, how fast its counters run, how long it takes, how often it fails; and as text.

It reads through a bus that somebody else holds, and prints nothing itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from drivers import identify, plausible, probe, survey
from drivers.bus import Bus
from drivers.commands.meter import Subject
from drivers.errors import MeterError
from drivers.plausible import Mark
from drivers.probe import Taken
from mrv.errors import Fault, Refused
from mrv.measurand import Measurand
from mrv.messages import text, what

#: Looks over which a counter's pace is taken.
_PACE = 60
_SIGNS = {"good": "", "odd": "?", "wrong": "!!"}
Row = tuple[str, ...]


@dataclass(slots=True)
class Watched:
    """A meter and everything seen of it so far. Latency in ms."""

    subject: Subject
    taken: Taken | None = None
    looks: int = 0
    errors: int = 0
    latency: float = 0.0
    slowest: float = 0.0
    fault: Fault | None = None
    past: deque[tuple[float, Mapping[Measurand, Decimal]]] = field(default_factory=lambda: deque(maxlen=_PACE))

    @property
    def name(self) -> str:
        return self.subject.name or f"unit {self.subject.unit}"

    @property
    def names(self) -> tuple[str, ...]:
        """What it is asked for: what the agent would read, and what tells whether that makes sense."""
        profile = self.subject.candidate.profile
        telling = (name for name in identify.TELLING if name in profile.values)
        return tuple(dict.fromkeys((*profile.read, *telling)))

    async def look(self, bus: Bus, now: Callable[[], float]) -> None:
        """One look. A failure is counted and shown, never raised."""
        candidate, began = self.subject.candidate, now()
        self.looks += 1
        try:
            self.taken = await probe.take(bus, self.subject.unit, candidate.profile, candidate.settings, self.names)
            survey.refuse_two(bus, self.subject.unit)
        except (MeterError, Refused) as error:
            self.errors, self.fault, self.taken = self.errors + 1, error.faults[0], None
            return
        self.fault, self.latency = None, (now() - began) * 1000
        self.slowest = max(self.slowest, self.latency)
        self.past.append((now(), self.taken.values))

    def marks(self) -> Mapping[Measurand, Mark]:
        return plausible.marks(self.taken.values) if self.taken else {}

    def pace(self, measurand: Measurand) -> float | None:
        """How fast a counter runs, in its unit per hour; None while it cannot be told."""
        known = [(at, values[measurand]) for at, values in self.past if measurand in values]
        if len(known) < 2 or known[-1][0] <= known[0][0]:
            return None
        return float(known[-1][1] - known[0][1]) * 3600 / (known[-1][0] - known[0][0])


def one(watched: Watched, tongue: str) -> tuple[Sequence[str], list[Row]]:
    """Columns and rows of a single meter: a row per quantity."""
    columns = ("quantity", "value", "unit", "pace", "mark")
    rows: list[Row] = []
    taken, marks = watched.taken, watched.marks()
    if taken is None:
        return columns, []
    for measurand in (m for m in Measurand if m in taken.values or m in taken.absent):
        value = taken.values.get(measurand)
        sign = _SIGNS[marks[measurand].verdict] if value is not None else _absent(taken, measurand, tongue)
        shown = "-" if value is None else f"{value:f}"
        rows.append((measurand.name.lower(), shown, measurand.unit, _paced(watched, measurand), sign))
    return columns, rows


def _absent(taken: Taken, measurand: Measurand, tongue: str) -> str:
    return probe.why_absent(taken.absent[measurand], tongue)


def _paced(watched: Watched, measurand: Measurand) -> str:
    pace = watched.pace(measurand) if measurand.cumulative else None
    return "" if pace is None else f"{pace:.3f}/h"


def all_of(seen: Sequence[Watched]) -> tuple[Sequence[str], list[Row]]:
    """Columns and rows of several meters: a row per meter."""
    rows: list[Row] = [
        (one.name, _power(one), *_energy(one), f"{one.latency:.0f}", f"{one.errors}/{one.looks}") for one in seen
    ]
    return ("meter", "power", "energy", "pace", "latency", "errors"), rows


def _power(watched: Watched) -> str:
    value = watched.taken.values.get(Measurand.ACTIVE_POWER) if watched.taken else None
    return "-" if value is None else f"{value:f} W"


def _energy(watched: Watched) -> tuple[str, str]:
    """The counter that runs, else the first one."""
    values = watched.taken.values if watched.taken else {}
    counters = [m for m in Measurand if m.cumulative and m in values]
    running = [m for m in counters if watched.pace(m)]
    chosen = (running or counters)[:1]
    return (f"{values[chosen[0]]:f} {chosen[0].unit}", _paced(watched, chosen[0])) if chosen else ("-", "")


def notes(watched: Watched, tongue: str) -> list[str]:
    """What stands under the table."""
    said = text(
        "tool.watch_note",
        tongue,
        meter=watched.name,
        looks=str(watched.looks),
        errors=str(watched.errors),
        latency=f"{watched.latency:.0f}",
        slowest=f"{watched.slowest:.0f}",
    )
    return [said, *([f"{watched.name}: {what(watched.fault, tongue)}"] if watched.fault else [])]


def line(watched: Watched, tongue: str) -> str:
    """A look as one line of text: name, values, latency, errors."""
    if watched.fault:
        return f"{watched.name}\t{what(watched.fault, tongue)}\terrors={watched.errors}/{watched.looks}"
    values = watched.taken.values if watched.taken else {}
    shown = [f"{m.name.lower()}={values[m]:f}" for m in Measurand if m in values]
    return "\t".join((watched.name, *shown, f"ms={watched.latency:.0f}", f"errors={watched.errors}/{watched.looks}"))


def document(watched: Watched, at: int) -> dict[str, Any]:
    """A look for scripts. `at`: UTC ms."""
    taken = watched.taken
    return {
        "at": at,
        "meter": watched.name,
        "values": {m.name.lower(): f"{value:f}" for m, value in taken.values.items()} if taken else {},
        "absent": {m.name.lower(): why for m, why in taken.absent.items()} if taken else {},
        "pace": {
            m.name.lower(): pace for m in (taken.values if taken else ()) if m.cumulative and (pace := watched.pace(m))
        },
        "ms": round(watched.latency),
        "looks": watched.looks,
        "errors": watched.errors,
        "fault": watched.fault.code if watched.fault else None,
    }
