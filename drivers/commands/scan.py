"""`mrv-meter scan`: who is on this line? Listens first, asks what is likely first, says what silence means."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from drivers import lines, listening, one_by_one, ports, profiles, scan_plan, scan_verdict, survey
from drivers.bus import Bus
from drivers.commands import guide, makes, where
from drivers.commands.common import as_json, command, emit, headed, language, show
from drivers.commands.grip import Grip
from drivers.commands.progress import Progress, spelled
from drivers.commands.where import Where
from drivers.dialogue import Dialogue, folded
from drivers.errors import Unreachable
from drivers.listening import Overheard
from drivers.scan import Progress as Told
from drivers.scan import Result, Scan
from drivers.scan_plan import Ask, Speed
from drivers.survey import Met
from drivers.wiring import RtuLine
from mrv.errors import Fault, Refused
from mrv.messages import sentence, text
from mrv.profile import Profile

#: Seconds of listening before anything is sent on a serial line, and at each further speed when noise was heard.
LISTEN, LISTEN_MORE = 10.0, 2.0
#: Speeds that are listened at when the first one gives noise.
_EARS = 5
#: How late an answer may still come while ids are asked one after the other, in ms: the next id tells it by its number.
_LATE = 20
_COLUMNS = ("speed", "id", "model", "serial", "profile", "how")
#: How long a meter that was found may take to say who it is, in ms.
_INTERVIEW = 1000


def add(commands: Any) -> None:
    example = "mrv-meter scan /dev/ttyUSB0 --expect 5"
    parser = command(commands, "scan", "find the meters on a line and say which they are", example)
    where.add(parser)
    parser.add_argument(
        "--listen", type=float, default=LISTEN, metavar="S", help="seconds to listen first (default: 10)"
    )
    parser.add_argument("--expect", type=int, metavar="N", help="stop when N meters are found")
    parser.add_argument("--make", metavar="M", help="maker or model: its settings first, what it needs if it is silent")
    parser.add_argument("--all", action="store_true", help="ask every id at every speed")
    parser.add_argument("--one-by-one", action="store_true", help="guide through giving each meter its own id")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    place, tongue = where.of(arguments), language(arguments.lang)
    library = profiles.beside(arguments.dir)
    made = makes.chosen(library, arguments.make) if arguments.make else ()
    try:
        with Grip(tongue) as grip, Progress() as progress:
            grip.borrow(place.line)
            noise = _listened(grip, progress, place, library, arguments.listen, tongue) if place.serial else None
            if arguments.one_by_one:
                return _guided(grip, progress, place, library, arguments, tongue)
            result = _scanned(grip, progress, place, library, arguments, tongue, made)
            met = () if result.cut else _met(grip, progress, place, library, result, tongue)
    except Unreachable:
        _needs(made, tongue)
        _about_port(place, tongue)
        raise
    faults = (*((noise,) if noise else ()), *scan_verdict.verdict(result.heard, place.line.end), *survey.findings(met))
    if arguments.json:
        emit(_document(place, result, met, faults, tongue))
    else:
        _print(place, result, met, faults, tongue)
    if not result.found and not result.cut:
        _needs(made, tongue)
    _about_port(place, tongue)
    return 130 if result.cut else 1 if faults or not result.found else 0


# -- listening -----------------------------------------------------------------------------------------------------


def _listened(
    grip: Grip, progress: Progress, place: Where, library: Mapping[str, Profile], seconds: float, tongue: str
) -> Fault | None:
    """Raises Refused when somebody else speaks; gives a warning for noise."""
    speeds = _speeds(place, library)
    first = _heard(grip, progress, place, speeds[0], seconds, tongue)
    heard = first
    for speed in speeds[1:_EARS] if first.count and not first.somebody else ():
        heard = _heard(grip, progress, place, speed, min(seconds, LISTEN_MORE), tongue)
        if heard.somebody:
            break
    return listening.doubt(place.line.end, first) if not heard.somebody else None


def _heard(grip: Grip, progress: Progress, place: Where, speed: Speed, seconds: float, tongue: str) -> Overheard:
    what = text("tool.listening", tongue, line=place.line.end, speed=str(speed))

    async def listened() -> lines.Heard:
        heard = asyncio.ensure_future(lines.listen(place.at(speed), seconds))
        began = asyncio.get_running_loop().time()
        while not (await asyncio.wait([heard], timeout=0.2))[0]:
            gone = asyncio.get_running_loop().time() - began
            progress.show(gone, seconds, what, max(0.0, seconds - gone))
        return heard.result()

    got = grip.run(listened())
    found = listening.overheard(bytes(got.data), got.frames, seconds)
    refusal = listening.refusal(place.line.end, found, str(speed))
    if refusal:
        raise Refused(refusal)
    return found


def _speeds(place: Where, library: Mapping[str, Profile]) -> tuple[Speed, ...]:
    if place.speed is not None:
        return (place.speed,)
    likely = scan_plan.likely(survey.settings_of(library.values()))
    return tuple(dict.fromkeys(setting.speed for setting in likely if setting.speed)) or (Speed(9600),)


# -- asking --------------------------------------------------------------------------------------------------------


def _asks(
    place: Where, library: Mapping[str, Profile], patience: int | None, made: Sequence[Profile] = ()
) -> tuple[Ask, ...]:
    """All questions in order; those of the make that was named come first."""
    if not place.serial:
        first, usual = survey.units_of(made), survey.units_of(library.values())
        return scan_plan.network((*scan_plan.likely(first), *scan_plan.likely(usual)), patience)
    first, usual = survey.factory_of(made), survey.settings_of(library.values())
    factory = place.settings((*scan_plan.likely(first), *scan_plan.likely(usual)))
    return scan_plan.serial(factory, place.speed, patience)


def _scanned(
    grip: Grip,
    progress: Progress,
    place: Where,
    library: Mapping[str, Profile],
    arguments: argparse.Namespace,
    tongue: str,
    made: Sequence[Profile],
) -> Result:
    asks = _asks(place, library, arguments.timeout, made)
    planned = asks if arguments.all or arguments.expect else scan_plan.likely_part(asks)
    progress.clear()
    if not arguments.json:
        _say("scan_begins", tongue, questions=len(planned), time=spelled(scan_plan.eta(planned)))
    return _asked(grip, progress, place, asks, planned, arguments, tongue)


def _asked(
    grip: Grip,
    progress: Progress,
    place: Where,
    asks: Sequence[Ask],
    planned: Sequence[Ask],
    arguments: argparse.Namespace,
    tongue: str,
) -> Result:
    """Ask; Ctrl-C ends it with what was found."""
    grip.close(place.line)

    def told(now: Told) -> None:
        left = planned[now.done :]
        what = text("tool.scanning", tongue, place=now.heard.place, found=str(len(scan.result.found)))
        progress.show(now.done, max(len(planned), now.done + 1), what, scan_plan.eta(left))

    def opened(speed: Speed | None, patience: int) -> Bus:
        further = {"late": _LATE} if place.serial else {}
        return lines.wary(place.at(speed, timeout=patience, retries=0, **further))

    scan = Scan(opened, told)
    try:
        return grip.run(scan.run(asks, expect=arguments.expect, everything=arguments.all))
    except KeyboardInterrupt:
        scan.result.cut = True
        return scan.result


def _met(
    grip: Grip, progress: Progress, place: Where, library: Mapping[str, Profile], result: Result, tongue: str
) -> tuple[Met, ...]:
    """Who each of those found is; Ctrl-C leaves the others unnamed."""
    met: list[Met] = []
    try:
        for number, found in enumerate(result.found):
            here = scan_verdict.Heard(found.speed, found.unit, "answered").place
            progress.show(number, len(result.found), text("tool.meeting", tongue, place=here))
            line = place.at(found.speed, timeout=max(_INTERVIEW, place.line.timeout), retries=1)
            met.append(grip.run(survey.meet(grip.bus(line), found, library)))
    except KeyboardInterrupt:
        result.cut = True
    return (*met, *(Met(found, ()) for found in result.found[len(met) :]))


def _guided(
    grip: Grip,
    progress: Progress,
    place: Where,
    library: Mapping[str, Profile],
    arguments: argparse.Namespace,
    tongue: str,
) -> int:
    """One meter after the other; the speed of the line is the one given, or what most meters understand."""
    target = (place.speed or Speed(9600)) if place.serial else None
    anywhere = dataclasses.replace(place, speed_known=not place.serial)

    usual = scan_plan.likely_part(_asks(anywhere, library, arguments.timeout))
    first = sum(ask.stage == "factory" for ask in usual)

    def look(taken: Sequence[int]) -> tuple[Met, ...]:
        for asks in (one_by_one.asks(usual[:first], taken, target), usual[first:]):
            result = _asked(grip, progress, anywhere, asks, asks, arguments, tongue)
            if result.cut:
                raise KeyboardInterrupt
            if result.found:
                break
        met = _met(grip, progress, anywhere, library, result, tongue)
        progress.clear()
        return met

    done = guide.guided(Dialogue({}, tongue), look, target)
    if arguments.json:
        emit({"line": place.line.end, "found": [_found(one) for one in done]})
    elif done:
        show(headed(_COLUMNS, tongue), [_row(one, tongue) for one in done])
    return 0 if done else 1


# -- telling -------------------------------------------------------------------------------------------------------


def _say(message: str, tongue: str, **params: object) -> None:
    said = text(f"tool.{message}", tongue, **{k: str(v) for k, v in params.items()})
    print(folded(said, sys.stderr), file=sys.stderr)


def _print(place: Where, result: Result, met: Sequence[Met], faults: Sequence[Fault], tongue: str) -> None:
    told = sorted(met or [Met(found, ()) for found in result.found], key=lambda one: one.found)
    if told:
        show(headed(_COLUMNS, tongue), [_row(one, tongue) for one in told])
    for found in faults:
        print(folded(sentence(found, tongue), sys.stdout))
    for one in told:
        if one.doubt and survey.keypad(one):
            print(text("tool.keypad", tongue, model=one.name))
            print("\n".join(f"    {line}" for line in survey.keypad(one)))
    if result.stopped_early:
        _say(
            "scan_stopped",
            tongue,
            questions=len(result.stopped_early),
            time=spelled(scan_plan.eta(result.stopped_early)),
        )
    if told:
        end, options = place.line.end, _options(told[0], place)
        print(text("tool.scan_next", tongue, line=end, options=options), file=sys.stderr)  # whole, to be copied


def _needs(made: Sequence[Profile], tongue: str) -> None:
    """What the make that was named needs, where nobody answered."""
    if made:
        _say("needs_asked", tongue)
    for line in makes.told(made, tongue):
        print(folded(line, sys.stderr), file=sys.stderr)


def _about_port(place: Where, tongue: str) -> None:
    """Who takes the port away, and by which name it is better written down."""
    for found in ports.advice(place.line) if isinstance(place.line, RtuLine) else ():
        print(folded(sentence(found, tongue), sys.stderr), file=sys.stderr)


def _options(one: Met, place: Where) -> str:
    speed = one.found.speed
    serial = f" --baud {speed.baud} --parity {speed.parity} --stop {speed.stop}" if speed and not place.in_site else ""
    return f"{serial} --unit {one.found.unit}".strip()


def _row(one: Met, tongue: str) -> tuple[object, ...]:
    best = one.best
    how = "unknown" if best is None else "identified" if best.identified else "plausible"
    said = text(f"tool.how_{how}", tongue, count=str(len(one.candidates)))
    speed = str(one.found.speed) if one.found.speed else "-"
    return speed, one.found.unit, one.name or "?", one.serial or "-", best.profile.id if best else "-", said


def _document(place: Where, result: Result, met: Sequence[Met], faults: Sequence[Fault], tongue: str) -> dict[str, Any]:
    told = met or [Met(found, ()) for found in result.found]
    return {
        "line": place.line.end,
        "found": [_found(one) for one in told],
        "asked": len(result.heard),
        "not_asked": len(result.stopped_early),
        "interrupted": result.cut,
        "faults": [as_json(found, tongue) for found in faults],
    }


def _found(one: Met) -> dict[str, Any]:
    speed = one.found.speed
    return {
        "unit": one.found.unit,
        "baud": speed.baud if speed else None,
        "parity": speed.parity if speed else None,
        "stop": speed.stop if speed else None,
        "ms": round(one.found.took),
        "serial": one.serial or None,
        "doubt": one.doubt or None,
        "candidates": [
            {
                "profile": c.profile.id,
                "model": c.model,
                "identified": c.identified,
                "score": c.score,
                "base": c.settings.base,
            }
            for c in one.candidates[:5]
        ],
    }
