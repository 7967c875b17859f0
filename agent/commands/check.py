"""`mrv-agent check`: what `run` would start with, or everything that keeps it from starting."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from dataclasses import asdict
from fractions import Fraction
from pathlib import Path
from typing import Any

from agent import config, keys, methodologies
from agent.commands.common import add_json, command, state_of
from agent.config import Setup
from drivers import budget, ports, profiles
from drivers.budget import Forecast
from drivers.commands.common import as_json, emit, headed, language, show
from drivers.dialogue import folded
from drivers.wiring import RtuLine
from mrv import known, leaf, limits
from mrv.errors import Fault, Refused, fault, raise_all
from mrv.measurand import MEASURANDS
from mrv.messages import sentence
from mrv.plan.plausible import LEAP_YEAR
from mrv.reading import ClockState

#: A step of a register above this share of a period's energy is worth a note.
COARSE = Fraction(1, 20)


def add(commands: Any) -> None:
    example = "mrv-agent check --dir /etc/mrv-agent --binding-out binding.json"
    parser = command(commands, "check", "check both files and the key, all faults at once, and print digests", example)
    parser.add_argument("--binding-out", type=Path, metavar="FILE", help="write the binding the office has to approve")
    add_json(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    setup = config.load(arguments.dir)
    key = keys.load(state_of(arguments), keys.origin(setup.site.org, setup.site.site))
    if arguments.binding_out:
        _write(arguments.binding_out, leaf.canonical(setup.binding))
    tongue = language(arguments.lang)
    found: dict[str, Any] = {
        "site": setup.site.site,
        "origin": key.name,
        "vkey": key.vkey,
        "plan": setup.plan_digest,
        "binding": setup.binding_digest,
    }
    notes = list(_notes(setup))
    lines, overbooked = _lines(setup)
    raise_all(overbooked)
    if arguments.json:
        emit(found | {"lines": [asdict(line) for line in lines], "notes": [as_json(note, tongue) for note in notes]})
        return 0
    for name, value in found.items():
        print(f"{name:8} {value}")
    print()
    rows = [(line.line, line.meters, line.cycle, line.worst, line.interval) for line in lines]
    show(headed(("line", "meters", "cycle", "worst", "interval"), tongue), rows)
    for note in notes:
        print(folded(sentence(note, tongue), sys.stdout))
    return 0


def _lines(setup: Setup) -> tuple[list[Forecast], list[Fault]]:
    """How long a round over each line takes (drivers.budget), and which lines cannot keep their interval."""
    forecasts, overbooked = [], []
    for line in setup.site.buses:
        loads = budget.loads(setup.site, line.id, setup.profiles)
        if loads:
            forecasts.append(budget.forecast(line, loads))
            overbooked.append(budget.refusal(line, loads, setup.lines[line.id]))
    return forecasts, [refused for refused in overbooked if refused]


def _notes(setup: Setup) -> list[Fault]:
    """What is allowed and probably not meant."""
    found = []
    if config.example_cosigner() in setup.site.collector.cosigners:
        found.append(fault("agent.example_cosigner", config.SITE_FILE))
    if setup.site.clock.sync == "assumed" and ClockState.INFORMATIVE not in setup.plan.clock:
        found.append(fault("agent.clock_never_accepted", config.SITE_FILE, accepted=", ".join(setup.plan.clock)))
    return [*found, *_ports(setup), *_own(setup), *_coarse(setup)]


def _own(setup: Setup) -> Iterator[Fault]:
    """What the office has to see before anything counts: profiles and methodologies nobody released."""
    for name, profile in setup.profiles.items():
        if not known.profile(name, digest := leaf.digest(leaf.canonical(profile))):
            yield fault("agent.own_profile", profile=name, digest=digest, file=f"{profiles.OWN}/{name}.yaml")
    for name, method in setup.methodologies.items():
        if not known.methodology(name, digest := leaf.digest(leaf.canonical(method))):
            yield fault("agent.own_methodology", methodology=name, digest=digest, folder=methodologies.OWN)


def _ports(setup: Setup) -> Iterator[Fault]:
    """Serial ports under a name that will not last, that somebody else takes, or that two lines share."""
    serial = [line for line in setup.site.buses if isinstance(line, RtuLine)]
    told = [(line, about) for line in serial for about in ports.advice(line)]
    for line, about in (*told, *ports.shared(serial)):
        yield fault(about.code, f"{setup.lines[line.id]}: {line.port}", **about.params)


def _coarse(setup: Setup) -> Iterator[Fault]:
    """Registers that hardly move in a period: the sum is right, the single figure says little."""
    rated = {point.id: point.rated for point in setup.plan.points if point.rated}
    wanted = {(term.point, term.register) for project in setup.plan.projects for _, term in project.terms()}
    for bound in setup.binding.meters:
        profile, point = setup.profiles[bound.profile], rated.get(bound.point)
        own = limits.limits(profile, bound.settings, bound.every)
        for register in sorted(name for place, name in wanted if place == bound.point and point):
            hours = point.hours if point and point.hours else LEAP_YEAR
            power = point.power.coherent if point else Fraction(0)
            share = limits.coarseness(own, MEASURANDS[register].obis, power, setup.plan.period, hours)
            if share > COARSE:
                where = f"meter {bound.meter}"
                yield fault("agent.coarse_register", where, register=register, percent=round(share * 100))


def _write(path: Path, data: bytes) -> None:
    try:
        path.write_bytes(data)
    except OSError as error:
        raise Refused(fault("agent.cannot_write", str(path), problem=error.strerror)) from error
