"""`mrv-meter commission`: compare a meter with its display and a clamp, write it into site.yaml, record it for the log.

Everything that is asked can be answered beforehand: `--answer key=value`, or a YAML file of such pairs.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from drivers import (
    commission,
    commission_bench,
    commission_gate,
    commission_place,
    commission_site,
    commission_variants,
    identify,
    ports,
    probe,
    spool,
)
from drivers.candidate import Candidate
from drivers.commands import meter
from drivers.commands import probe as probing
from drivers.commands.common import as_json, command, emit, headed, language, show
from drivers.commands.grip import Grip
from drivers.commands.meter import Subject
from drivers.commands.progress import Progress
from drivers.commission import Done, Place
from drivers.commission_bench import Bench
from drivers.commission_site import SiteFolder
from drivers.dialogue import Dialogue, folded
from drivers.identify import TELLING, Interview
from drivers.wiring import Line, RtuLine
from mrv import strict
from mrv.binding import METER_ID
from mrv.errors import BadInput, fault
from mrv.measurand import Measurand
from mrv.messages import sentence, text
from mrv.profile import Profile

#: Flags that are answers.
_FLAGS = ("who", "point", "name", "every", "nameplate", "direction")
_SHOWN = (Measurand.VOLTAGE_L1, Measurand.FREQUENCY, Measurand.CURRENT_L1, Measurand.ACTIVE_POWER)


def add(commands: Any) -> None:
    example = "mrv-meter commission /dev/ttyUSB0 --baud 9600 --unit 1 --dir /etc/mrv-agent"
    parser = command(commands, "commission", "compare a meter with its display and write it into site.yaml", example)
    meter.add(parser)
    parser.add_argument("--again", metavar="ID", help="compare a meter of site.yaml once more (20 counts later)")
    parser.add_argument("--who", help="who compares (stands in the record)")
    parser.add_argument("--point", help="measuring point in plan.yaml")
    parser.add_argument("--name", metavar="ID", help="what the meter is called in site.yaml")
    parser.add_argument("--every", help="seconds between readings")
    parser.add_argument("--nameplate", help="of the CTs: 400/5, or direct")
    parser.add_argument("--direction", help="import or export, as you know it")
    parser.add_argument(
        "--answer", action="append", default=[], metavar="KEY=VALUE", help="answer a question beforehand"
    )
    parser.add_argument("--answers", type=Path, metavar="FILE", help="YAML file of such answers")
    parser.add_argument("--dry-run", action="store_true", help="write nothing; show what would be written")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    tongue, library = language(arguments.lang), meter.library(arguments)
    dialogue = Dialogue(_answers(arguments), tongue)
    site = commission_site.load(arguments.dir)
    if arguments.again:
        arguments.meter = arguments.again
    with Grip(tongue) as grip, Progress() as progress:
        subject = meter.of(arguments, grip, progress, library, tongue)
        progress.clear()
        bench = _bench(grip, progress, dialogue, subject, library, site)
        done = _again(bench, subject, arguments.again) if arguments.again else _new(bench, subject, arguments)
    return _concluded(arguments, site, dialogue, done)


def _bench(
    grip: Grip,
    progress: Progress,
    dialogue: Dialogue,
    subject: Subject,
    library: Mapping[str, Profile],
    site: SiteFolder,
) -> Bench:
    def waiting(counts: float, seconds: float | None) -> None:
        what = text("tool.waiting_counts", dialogue.tongue, counts=f"{counts:.0f}")
        progress.show(counts, 20, what, seconds)

    def pause(seconds: float) -> None:
        grip.let_go()  # the agent may read meanwhile
        time.sleep(seconds)

    return Bench(
        dialogue=dialogue,
        line=subject.line,
        unit=subject.unit,
        bus=lambda: grip.bus(subject.line),
        run=grip.run,
        library=library,
        site=site,
        now=lambda: time.time_ns() // 1_000_000,
        pause=pause,
        waiting=waiting,
        quiet=progress.clear,
    )


# -- a new meter ---------------------------------------------------------------------------------------------------


def _new(bench: Bench, subject: Subject, arguments: argparse.Namespace) -> Done:
    bench = _named_line(bench, subject)
    name, point = commission_place.name_and_point(bench.dialogue, bench.site, bench.line, bench.unit)
    candidate = _chosen(bench, subject, named=bool(arguments.profile))
    candidate = candidate.replaced(commission_place.settings(bench.dialogue, candidate, _under(bench, candidate)))
    _tell(bench, candidate)
    place = Place(
        who=commission_place.person(bench.dialogue),
        meter=name,
        point=point,
        every=commission_place.interval(bench.dialogue, bench.site.interval),
    )
    return commission.commissioned(bench, candidate, place, subject.serial)


def _under(bench: Bench, candidate: Candidate) -> commission_place.Look:
    """What the meter says under other settings."""
    return lambda settings: commission_bench.take(bench, candidate.replaced(settings), TELLING).values


def _named_line(bench: Bench, subject: Subject) -> Bench:
    """A line that is not in site.yaml yet gets a name of its own, and the best name of its port."""
    known = {entry.get("id") for entry in bench.site.lines}
    if subject.line.id in known:
        return bench

    def free(answer: str) -> str:
        commission_place.matching(METER_ID, "tool.bad_meter_id")(answer)
        if answer in known:
            raise BadInput(fault("tool.line_named_twice", "", answer=answer))
        return answer

    suggested = next(name for name in ("line-1", *(f"line-{n}" for n in range(2, 99))) if name not in known)
    chosen = bench.dialogue.ask("line", free, default=suggested)
    return dataclasses.replace(bench, line=msgspec.structs.replace(_best_port(bench, subject.line), id=chosen))


def _best_port(bench: Bench, line: Line) -> Line:
    """The line as it is to be written. Only its entry is: what is open stays open under the name it was opened by."""
    found = ports.better(line) if isinstance(line, RtuLine) else None
    if found is None or not isinstance(line, RtuLine):
        return line
    given = line.port
    bench.dialogue.warn(found.why)

    def one_of_both(answer: str) -> str:
        if answer not in (given, found.name):
            raise BadInput(fault("tool.bad_port", "", answer=answer[:100], given=given, better=found.name))
        return answer

    return msgspec.structs.replace(line, port=bench.dialogue.ask("port", one_of_both, default=found.name))


def _chosen(bench: Bench, subject: Subject, *, named: bool) -> Candidate:
    """The profile and variant: the one that is clearly best, else the one a person picks from the best few."""
    interview = Interview(bench.bus(), bench.unit)
    found = bench.run(commission_variants.tried(interview, subject.candidates))
    if not found:
        if named:
            return subject.candidate
        raise BadInput(fault("tool.nothing_fits", f"{bench.line.end} unit {bench.unit}"))
    bench.quiet()
    best = commission_variants.distinct(found)[: commission_variants.BEST]
    if len(best) == 1:
        return best[0]
    _offer(bench, best)
    if commission_variants.clear(best):
        return best[0]

    def number(answer: str) -> Candidate:
        if not answer.isdecimal() or not 1 <= int(answer) <= len(best):
            raise BadInput(fault("tool.bad_choice", "", answer=answer[:40], most=len(best)))
        return best[int(answer) - 1]

    return bench.dialogue.ask("candidate", number)


def _offer(bench: Bench, best: Sequence[Candidate]) -> None:
    tongue = bench.dialogue.tongue
    rows = [(str(n), one.profile.id, _variant(one), *_values(one), one.score) for n, one in enumerate(best, start=1)]
    show(
        headed(("number", "profile", "variant", "volts", "hertz", "amperes", "watts", "score"), tongue),
        rows,
        sys.stderr,
    )


def _variant(candidate: Candidate) -> str:
    """What differs from the profile: `input +1 little`."""
    settings = candidate.settings
    parts = (settings.table, f"{settings.offset:+d}" if settings.offset else None, settings.word_order)
    return " ".join(part for part in parts if part) or "-"


def _values(candidate: Candidate) -> tuple[str, ...]:
    return tuple(f"{candidate.values[m]:f}" if m in candidate.values else "-" for m in _SHOWN)


def _tell(bench: Bench, candidate: Candidate) -> None:
    """Everything the meter says under the choice, with its marks, before anybody compares."""
    judged = probe.judged(commission_bench.take(bench, candidate, (*candidate.profile.read, *TELLING)))
    bench.dialogue.warn(*bench.run(identify.unmet(Interview(bench.bus(), bench.unit), candidate)))
    status = text(f"tool.status_{candidate.profile.status}", bench.dialogue.tongue)
    bench.dialogue.say("reads_as", profile=candidate.profile.id, status=status)
    probing.table(candidate, judged, bench.dialogue.tongue, raw=False, out=sys.stderr)
    for found in probing.notes(judged):
        bench.dialogue.warn(found)
    if candidate.profile.caveats:
        bench.dialogue.say("caveats_elsewhere", count=len(candidate.profile.caveats), profile=candidate.profile.id)


# -- once more -----------------------------------------------------------------------------------------------------


def _again(bench: Bench, subject: Subject, name: str) -> Done:
    kept = commission_gate.kept(bench.site.folder, name)
    return commission.once_more(bench, subject.candidate, name, kept)


# -- the end -------------------------------------------------------------------------------------------------------


def _concluded(arguments: argparse.Namespace, site: SiteFolder, dialogue: Dialogue, done: Done) -> int:
    """Write what is to be written: the record first, so that an entry without one never stands alone."""
    written = not arguments.dry_run and (done.text is None or commission_place.yes(dialogue, "write", default=True))
    if written:
        kept = commission_site.keep(site, done.record)
        handed = spool.put(site.folder, done.record)
        if done.text is not None:
            commission_site.write(site, done.text)
        dialogue.say("recorded", record=handed, copy=kept)
    for key in dialogue.unused():
        dialogue.warn(fault("tool.answer_unused", "", key=key))
    if arguments.json:
        emit(_document(done, dialogue.tongue, written=written))
    else:
        _summary(done, dialogue.tongue)
    return 1 if done.found.provisional else 0


def _summary(done: Done, tongue: str) -> None:
    found = done.found
    print(text("tool.entry", tongue, meter=found.meter))
    for key, value in commission_site.entry(done.meter).items():
        print(f"    {key}: {value}")
    for one in found.compared:
        print(f"  {one.measurand.name.lower()}: {text(f'tool.grade_{one.grade}', tongue)}")
    said = text("tool.provisional" if found.provisional else "tool.proved", tongue, meter=found.meter)
    print(folded(said, sys.stdout))
    for reason in (*found.reasons, *found.wiring):
        print(folded(sentence(reason, tongue), sys.stdout))


def _document(done: Done, tongue: str, *, written: bool) -> dict[str, Any]:
    return {
        "meter": done.found.meter,
        "written": written,
        "decode": done.found.decoded,
        "provisional": done.found.provisional,
        "entry": commission_site.entry(done.meter),
        "reasons": [as_json(found, tongue) for found in done.found.reasons],
        "wiring": [as_json(found, tongue) for found in done.found.wiring],
        "record": msgspec.to_builtins(done.record),
    }


def _answers(arguments: argparse.Namespace) -> dict[str, str]:
    """Answers of the file, then of --answer, then of the flags; later ones win."""
    given: dict[str, str] = {}
    if arguments.answers:
        try:
            written = arguments.answers.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BadInput(fault("tool.cannot_read", str(arguments.answers), problem=error)) from error
        given |= strict.decode(written, dict[str, str], str(arguments.answers)).value
    for pair in arguments.answer:
        key, sign, value = pair.partition("=")
        if not sign:
            raise BadInput(fault("tool.answer_malformed", "--answer", pair=pair))
        given[key] = value
    flags = {name: getattr(arguments, name) for name in _FLAGS if getattr(arguments, name) is not None}
    return given | {"meter" if name == "name" else name: value for name, value in flags.items()}
