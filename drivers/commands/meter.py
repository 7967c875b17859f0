"""Which meter a command means, and how it is read: from site.yaml, by a profile that was named, or by asking it.

--meter chiller-1 --dir D        as site.yaml says
LINE --unit 3 --profile P        as the profile says, with --base and --word-order if it needs them
LINE --unit 3                    whoever it says it is, else the most plausible profile
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from drivers import commission_site, identify, lines, profiles, scan_plan, survey
from drivers.bus import Bus
from drivers.candidate import Candidate
from drivers.commands import makes, where
from drivers.commands.grip import Grip
from drivers.commands.progress import Progress
from drivers.commands.where import Where
from drivers.dialogue import folded
from drivers.errors import MeterError
from drivers.identify import Interview
from drivers.scan import Found, Scan
from drivers.scan_plan import Speed
from drivers.wiring import Line
from mrv.binding import Settings
from mrv.errors import BadInput, Unavailable, fault
from mrv.messages import text
from mrv.profile import Profile

_LATE = 20
#: How long an answer may take where nothing is known of the meter, in ms.
_PATIENCE = 1000


@dataclass(frozen=True, slots=True)
class Subject:
    """A meter on a line; `candidates` best first, one where the command line or site.yaml said which."""

    line: Line
    unit: int
    candidates: tuple[Candidate, ...]
    serial: str = ""
    name: str = ""

    @property
    def candidate(self) -> Candidate:
        return self.candidates[0]


def add(parser: Any) -> None:
    """The arguments that say which meter."""
    where.add(parser, optional=True)
    parser.add_argument("--meter", metavar="ID", help="a meter of site.yaml")
    parser.add_argument("--unit", type=int, default=1, help="id of the meter on the line (default: 1)")
    parser.add_argument("--profile", metavar="P", help="read it as this profile (default: ask the meter)")
    parser.add_argument("--base", type=int, metavar="A", help="address of the SunSpec model (default: looked for)")
    parser.add_argument("--word-order", choices=("big", "little"), help="order of the registers of a number")


def of(
    arguments: argparse.Namespace,
    grip: Grip,
    progress: Progress,
    library: Mapping[str, Profile],
    tongue: str,
    *,
    silent: bool = False,
) -> Subject:
    """The meter meant, found on its line. Raises BadInput, MeterError when it does not answer, Refused when two do.

    `silent`: a meter whose profile is named may be silent for now.
    """
    if arguments.meter:
        return _wired(arguments, library)
    if not arguments.line:
        raise BadInput(fault("tool.no_meter_named"))
    place = where.of(arguments)
    line = _line(place, arguments.unit, grip, progress, library, tongue)
    if arguments.profile:
        if not silent:
            _answers(arguments, grip, line, library, tongue)
        return Subject(line, arguments.unit, (_named(arguments, grip, line, library),))
    progress.show(0, 1, text("tool.meeting", tongue, place=f"unit {arguments.unit}"))
    met = grip.run(_met(grip.bus(line), arguments.unit, library))
    if not met.candidates:
        raise BadInput(fault("tool.nothing_fits", f"{line.end} unit {arguments.unit}"))
    return Subject(line, arguments.unit, met.candidates, met.serial)


def several(
    arguments: argparse.Namespace, grip: Grip, progress: Progress, library: Mapping[str, Profile], tongue: str
) -> tuple[Subject, ...]:
    """The meter meant, or all of site.yaml where none is named."""
    if arguments.meter or arguments.line:
        return (of(arguments, grip, progress, library, tongue, silent=True),)
    names = [str(entry.get("id")) for entry in commission_site.load(arguments.dir).meters]
    if not names:
        raise BadInput(fault("tool.no_meter_named"))
    return tuple(_wired(argparse.Namespace(**vars(arguments) | {"meter": name}), library) for name in names)


def _answers(
    arguments: argparse.Namespace, grip: Grip, line: Line, library: Mapping[str, Profile], tongue: str
) -> None:
    """Raises MeterError when nobody is there, after telling what this model needs before it answers at all.

    Raises Refused when two meters are.
    """
    try:
        grip.run(Interview(grip.bus(line), arguments.unit).there())
        survey.refuse_two(grip.bus(line), arguments.unit)
    except MeterError:
        for needed in makes.needs(_profile(arguments.profile, library), tongue):
            print(folded(text("tool.prerequisite", tongue, needed=needed), sys.stderr), file=sys.stderr)
        raise


def _wired(arguments: argparse.Namespace, library: Mapping[str, Profile]) -> Subject:
    site = commission_site.load(arguments.dir)
    entry = site.meter(arguments.meter)
    if entry is None:
        known = ", ".join(str(one.get("id")) for one in site.meters) or "-"
        raise BadInput(fault("tool.no_such_meter", arguments.meter, known=known))
    arguments.line = str(entry.get("bus"))
    settings = {name: entry[name] for name in Settings.__struct_fields__ if name in entry}
    candidate = Candidate(
        profile=_profile(str(entry.get("profile")), library), settings=msgspec.convert(settings, Settings)
    )
    return Subject(where.of(arguments).line, int(entry.get("unit", 1)), (candidate,), name=arguments.meter)


def _profile(name: str, library: Mapping[str, Profile]) -> Profile:
    if name not in library:
        raise BadInput(fault("meter.unknown_profile", name=name, known=", ".join(sorted(library))))
    return library[name]


def _named(arguments: argparse.Namespace, grip: Grip, line: Line, library: Mapping[str, Profile]) -> Candidate:
    """The profile that was named; a SunSpec model is looked for on the chain unless its base is given."""
    profile = _profile(arguments.profile, library)
    if profile.relative and arguments.base is None:
        found = grip.run(identify.recognised(Interview(grip.bus(line), arguments.unit), profile, library))
        if found is None:
            raise BadInput(fault("meter.base_missing", "--base", profile=profile.id))
        return found
    return Candidate(profile=profile, settings=Settings(base=arguments.base, word_order=arguments.word_order))


async def _met(bus: Bus, unit: int, library: Mapping[str, Profile]) -> survey.Met:
    """Who `unit` is. Raises MeterError when it is not there, Refused when two are."""
    interview = Interview(bus, unit)
    await interview.there()
    survey.refuse_two(bus, unit)
    candidates = await identify.candidates(interview, [p for p in library.values() if p.status != "documented"])
    serial = await identify.serial(interview, candidates[0]) if candidates else ""
    return survey.Met(Found(None, unit), candidates, serial)


def _line(place: Where, unit: int, grip: Grip, progress: Progress, library: Mapping[str, Profile], tongue: str) -> Line:
    """The line at the speed at which `unit` answers: as told, as wired, or the first likely one."""
    if place.speed_known:
        return place.line
    factory = place.settings(scan_plan.likely(survey.settings_of(library.values())))
    asks = [ask for ask in scan_plan.serial(factory) if ask.unit == unit]

    def opened(speed: Speed | None, patience: int) -> Bus:
        return lines.wary(place.at(speed, timeout=patience, retries=0, late=_LATE))

    def told(now: Any) -> None:
        progress.show(now.done, len(asks), text("tool.scanning", tongue, place=now.heard.place, found="0"), now.seconds)

    grip.borrow(place.line)
    result = grip.run(Scan(opened, told).run(asks, expect=1))
    if not result.found:
        raise Unavailable(fault("tool.nobody_there", place.line.end, unit=unit))
    return place.at(result.found[0].speed, timeout=max(_PATIENCE, place.line.timeout))


def library(arguments: argparse.Namespace) -> Mapping[str, Profile]:
    """The profiles of the package, and those beside the site's files."""
    return profiles.beside(arguments.dir)
