"""`mrv-meter probe`: everything one meter says, whether it can be true, and whether its wiring can be right."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from drivers import probe, survey, wiring_checks
from drivers.candidate import Candidate
from drivers.commands import makes, meter
from drivers.commands.common import as_json, command, emit, headed, language, show
from drivers.commands.grip import Grip
from drivers.commands.meter import Subject
from drivers.commands.progress import Progress
from drivers.dialogue import folded
from drivers.plausible import Earlier
from drivers.probe import Judged, Taken
from mrv.errors import Fault
from mrv.measurand import Measurand
from mrv.messages import sentence, text, what

#: Seconds between two looks, so that a counter can be held against the power.
_SECONDS = 4.0
_SIGNS = {"good": "ok", "odd": "?", "wrong": "!!"}


def add(commands: Any) -> None:
    example = "mrv-meter probe /dev/ttyUSB0 --baud 9600 --unit 1"
    parser = command(commands, "probe", "read everything one meter says, and judge it", example)
    meter.add(parser)
    parser.add_argument("--raw", action="store_true", help="show the register words too")
    parser.add_argument(
        "--seconds", type=float, default=_SECONDS, help="time between two looks at the counters (default: 4)"
    )
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    tongue, library = language(arguments.lang), meter.library(arguments)
    with Grip(tongue) as grip, Progress() as progress:
        subject = meter.of(arguments, grip, progress, library, tongue)
        judged = _judged(grip, progress, subject, arguments.seconds, tongue)
    if arguments.json:
        emit(document(subject, judged, tongue))
    else:
        _print(subject, judged, tongue, raw=arguments.raw)
    return 1 if judged.suspicious else 0


def _judged(grip: Grip, progress: Progress, subject: Subject, seconds: float, tongue: str) -> Judged:
    """Two looks, `seconds` apart. Raises Refused when two meters answer."""
    candidate = subject.candidate
    bus = grip.bus(subject.line)

    async def looks() -> tuple[Taken, Taken, float]:
        loop = asyncio.get_running_loop()
        first, began = await probe.take(bus, subject.unit, candidate.profile, candidate.settings), loop.time()
        while (gone := loop.time() - began) < seconds:
            progress.show(gone, seconds, text("tool.counters_run", tongue), seconds - gone)
            await asyncio.sleep(min(0.2, seconds - gone))
        return first, await probe.take(bus, subject.unit, candidate.profile, candidate.settings), loop.time() - began

    try:
        first, second, apart = grip.run(looks())
    finally:
        survey.refuse_two(bus, subject.unit)
    return probe.judged(second, Earlier(first.values, apart))


# -- telling -------------------------------------------------------------------------------------------------------


def _print(subject: Subject, judged: Judged, tongue: str, *, raw: bool) -> None:
    profile = subject.candidate.profile
    how = "identified" if subject.candidate.identified else "plausible"
    print(f"{subject.line.end} unit {subject.unit}: {profile.maker} {subject.candidate.model or profile.models[0]}")
    said = text(f"tool.how_{how}", tongue, count=str(len(subject.candidates)))
    status = text(f"tool.status_{profile.status}", tongue)
    print(f"{profile.id} ({status}, {said}){f', {subject.serial}' if subject.serial else ''}")
    table(subject.candidate, judged, tongue, raw=raw)
    for found in notes(judged):
        print(folded(sentence(found, tongue), sys.stdout))
    if judged.wiring:
        print("\n".join(wiring_checks.phasors(judged.taken.values)))
    for name in judged.taken.refused:
        print(text("tool.value_refused", tongue, name=name))
    for needed in makes.needs(profile, tongue) if judged.taken.refused else ():
        print(folded(text("tool.prerequisite", tongue, needed=needed), sys.stdout))
    if not judged.load and judged.taken.values:
        print(text("tool.no_load", tongue))


def table(candidate: Candidate, judged: Judged, tongue: str, *, raw: bool, out: TextIO | None = None) -> None:
    """One row per value, in the order of the enumeration of quantities."""
    columns = ("quantity", "value", "unit", "mark", *(("words",) if raw else ()))
    rows = []
    for measurand in (m for m in Measurand if m in judged.taken.values or m in judged.taken.absent):
        value = judged.taken.values.get(measurand)
        mark = judged.marks.get(measurand)
        sign = _SIGNS[mark.verdict] if mark else probe.why_absent(judged.taken.absent[measurand], tongue)
        row = [measurand.name.lower(), "-" if value is None else f"{value:f}", measurand.unit, sign]
        rows.append([*row, words(candidate, judged.taken, measurand)] if raw else row)
    show(headed(columns, tongue), rows, out)


def words(candidate: Candidate, taken: Taken, measurand: Measurand) -> str:
    """The words a value was made of: `i:72 468f 4e80`."""
    span = candidate.profile.adapted(candidate.settings).span(measurand.name.lower())
    first = span.at + candidate.settings.shift
    mine = [taken.words.get((span.table, at)) for at in range(first, first + span.count)]
    return f"{span.table}:{first} " + " ".join("----" if word is None else f"{word:04x}" for word in mine)


def notes(judged: Judged) -> tuple[Fault, ...]:
    """What is not good, the quantity as its place; the same said of several is said once."""
    places: dict[tuple[str, str], tuple[Fault, list[str]]] = {}
    for measurand, mark in judged.marks.items():
        if mark.why:
            key = (mark.why.code, what(mark.why))
            places.setdefault(key, (mark.why, []))[1].append(measurand.name.lower())
    said = tuple(Fault(found.code, ", ".join(names), found.params) for found, names in places.values())
    return (*said, *judged.wiring)


def document(subject: Subject, judged: Judged, tongue: str) -> dict[str, Any]:
    """All of it for scripts. Values are text, as everywhere; raw words as in a reading leaf."""
    candidate = subject.candidate
    return {
        "line": subject.line.end,
        "unit": subject.unit,
        "profile": candidate.profile.id,
        "model": candidate.model or None,
        "identified": candidate.identified,
        "serial": subject.serial or None,
        "values": {m.name.lower(): _value(m, judged) for m in judged.taken.values},
        "absent": {m.name.lower(): why for m, why in judged.taken.absent.items()},
        "refused": list(judged.taken.refused),
        "wiring": [as_json(found, tongue) for found in judged.wiring],
        "wiring_judged": judged.load,
        "raw": judged.taken.raw,
    }


def _value(measurand: Measurand, judged: Judged) -> Mapping[str, Any]:
    mark = judged.marks[measurand]
    why = mark.why.code if mark.why else None
    return {"value": f"{judged.taken.values[measurand]:f}", "unit": measurand.unit, "mark": mark.verdict, "why": why}
