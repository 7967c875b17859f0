"""Commissioning one meter: from an id on a line to an entry in site.yaml and a record in the log.

    place      its name, its point in the plan; anything said twice is refused before work is put into it
    candidate  the profile and variant under which the meter makes sense, chosen by a person where two do
    decode     each credited register against the display, and again after 20 counts
    install    clamp amperes, nameplate, direction, load
    conclude   site.yaml, the record for the spool, a copy beside site.yaml

A person is asked between questions to the meter, so nothing here is asynchronous; `Bench.run` drives the line. Ctrl-C
while waiting for 20 counts means "another day", not "throw it away".
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Protocol

import msgspec

from drivers import commission_place, commission_record, commission_site, plausible, probe
from drivers import commission_proof as proof
from drivers.bus import Bus
from drivers.candidate import Candidate
from drivers.commission_proof import Bracket, Comparison, Installation, Seen
from drivers.commission_record import Commissioned, Compared
from drivers.commission_site import SiteFolder
from drivers.dialogue import Dialogue
from drivers.probe import Taken
from drivers.wiring import Line, Meter
from mrv.binding import Settings
from mrv.commissioning import Record
from mrv.errors import Fault, Refused, fault
from mrv.measurand import MEASURANDS, Measurand
from mrv.profile import Profile

#: A first look at the register more often than this gains nothing; in seconds.
LEAST_PAUSE = 2.0
#: A wait longer than this is offered as "another day"; in seconds.
LONG = 900.0


class Waiting(Protocol):
    """Shows a wait: called with counts so far and seconds left (None: nothing flows)."""

    def __call__(self, counts: float, seconds: float | None) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """What the work is done with. `now`: UTC ms. `pause` sleeps for seconds, with the line let go of."""

    dialogue: Dialogue
    line: Line
    unit: int
    bus: Callable[[], Bus]
    run: Callable[[Coroutine[Any, Any, Any]], Any]
    library: Mapping[str, Profile]
    site: SiteFolder
    now: Callable[[], int]
    pause: Callable[[float], None]
    waiting: Waiting
    #: Takes a line of progress away before something is said.
    quiet: Callable[[], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Who did it, and what the meter is to be called."""

    who: str
    meter: str
    point: str
    every: int


def take(bench: Bench, candidate: Candidate, names: Sequence[str] | None = None) -> Taken:
    """Read the meter as `candidate` says, now."""
    taken: Taken = bench.run(probe.take(bench.bus(), bench.unit, candidate.profile, candidate.settings, names))
    return taken


# -- decode --------------------------------------------------------------------------------------------------------


def registers(bench: Bench, candidate: Candidate, point: str) -> tuple[str, ...]:
    """The registers to compare: those the plan credits at `point`, else what the profile reads."""
    credited = bench.site.credited(point)
    missing = [name for name in credited if name not in candidate.profile.values]
    if missing:
        lacking = ", ".join(missing)
        raise Refused(fault("tool.register_not_in_profile", candidate.profile.id, registers=lacking, point=point))
    return credited or tuple(name for name in candidate.profile.read if MEASURANDS[name].cumulative)


def compared(
    bench: Bench, candidate: Candidate, names: Sequence[str], key: str = "display"
) -> dict[str, Comparison | None]:
    """Each register against the display, now; None where the display does not show it."""
    return {name: _one(bench, candidate, name, key) for name in names}


def _one(bench: Bench, candidate: Candidate, name: str, key: str) -> Comparison | None:
    measurand = MEASURANDS[name]
    before = take(bench, candidate, [name])

    def check(answer: str) -> Comparison | None:
        if answer == "-":
            return None
        meant = proof.shown(answer)
        bracket = _bracket(candidate, measurand, before, take(bench, candidate, [name]))
        return proof.compare(meant, bracket, applied=candidate.settings.factor)

    found = bench.dialogue.ask(key, check, about=name, params={"obis": measurand.obis, "unit": measurand.unit})
    if found is None:
        bench.dialogue.warn(fault("tool.display_not_seen", name))
    else:
        _tell(bench, name, found)
    return found


def _bracket(candidate: Candidate, measurand: Measurand, before: Taken, after: Taken) -> Bracket:
    for taken in (before, after):
        if measurand not in taken.values:
            why = taken.absent.get(measurand, "refused")
            raise Refused(fault("tool.register_absent", measurand.name.lower(), why=why))
    value = candidate.profile.values[measurand.name.lower()]
    step = Fraction(value.resolution) if value.resolution else Fraction(1, 10**value.decimals)
    return Bracket(Fraction(before.values[measurand]), Fraction(after.values[measurand]), step)


def _tell(bench: Bench, name: str, found: Comparison) -> None:
    read = f"{float(found.scaled.after):.{max(0, 3)}f}".rstrip("0").rstrip(".")
    if found.outcome == "equal":
        bench.dialogue.say("display_equal", register=name, read=read)
        return
    code = {"slip": "tool.display_slip", "ratio": "tool.display_ratio"}.get(found.outcome, "tool.display_differs")
    factor = f"{float(found.factor):g}"
    shown, register = f"{float(found.shown.value):.10g}", f"{float(found.bracket.after):.10g}"
    bench.dialogue.warn(fault(code, name, shown=shown, read=register, factor=factor))


def again(bench: Bench, candidate: Candidate, first: Mapping[str, Comparison]) -> dict[str, Comparison | None]:
    """The second comparison of the registers that have moved by 20 counts; waits for them as long as anybody wants."""
    ready = _wait(bench, candidate, first)
    for name in first.keys() - set(ready):
        bench.dialogue.warn(fault("tool.not_moved", name, counts=proof.COUNTS))
    return compared(bench, candidate, ready, "again") if ready else {}


def _wait(bench: Bench, candidate: Candidate, first: Mapping[str, Comparison]) -> list[str]:
    """The registers that moved. Ends when one has and the power says the others will not, or by Ctrl-C."""
    names = tuple(first)
    try:
        while True:
            taken = take(bench, candidate, [*names, "active_power"] if _has_power(candidate) else names)
            counts = {name: _counts(candidate, name, taken, first[name]) for name in names}
            ready = [name for name in names if counts[name] >= proof.COUNTS]
            left = _left(taken, first, counts)
            if ready or left is None:
                return ready
            bench.waiting(max(counts.values()), left)
            bench.pause(max(LEAST_PAUSE, min(left, 30.0)))
    except KeyboardInterrupt:
        bench.dialogue.say()
        return []


def _has_power(candidate: Candidate) -> bool:
    return "active_power" in candidate.profile.values


def _counts(candidate: Candidate, name: str, taken: Taken, first: Comparison) -> float:
    measurand = MEASURANDS[name]
    return float(proof.counts(first, _bracket(candidate, measurand, taken, taken)))


def _left(taken: Taken, first: Mapping[str, Comparison], counts: Mapping[str, float]) -> float | None:
    """Seconds until the quickest register has moved by 20 counts; None when nothing flows."""
    watts = taken.values.get(Measurand.ACTIVE_POWER)
    whole = [proof.patience(one, watts) for one in first.values()]
    seconds = [one for one in whole if one is not None]
    if not seconds:
        return None if watts is not None else LEAST_PAUSE
    share = max(0.0, 1 - max(counts.values(), default=0.0) / proof.COUNTS)
    return max(1.0, min(seconds) * share)


# -- install -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Installed:
    """What the person found, what the meter said meanwhile, and why that proves nothing yet (if so)."""

    told: Installation
    reasons: tuple[Fault, ...]
    wiring: tuple[Fault, ...]


def installed(bench: Bench, candidate: Candidate) -> Installed:
    """Clamp, nameplate and direction; every question may be left empty."""
    bench.dialogue.say("install_intro")
    plate = commission_place.nameplate(bench.dialogue)
    clamps: dict[int, Fraction] = {}
    seen: dict[int, tuple[Fraction, Fraction]] = {}
    for number, measurand in enumerate(plausible.CURRENTS):
        if measurand.name.lower() not in candidate.profile.values:
            continue
        before = _amperes(bench, candidate, measurand)
        clamp = commission_place.amperes(bench.dialogue, number)
        after = _amperes(bench, candidate, measurand)
        if before is not None and after is not None:
            seen[number] = (before, after)
        if clamp is not None:
            clamps[number] = clamp
    known = commission_place.direction(bench.dialogue)
    last = take(bench, candidate)
    watts = last.values.get(Measurand.ACTIVE_POWER)
    told = Installation(clamps, plate, known)
    reasons = proof.installation(told, Seen(seen, None if watts is None else Fraction(watts)))
    return Installed(told, reasons, probe.judged(last).wiring)


def _amperes(bench: Bench, candidate: Candidate, measurand: Measurand) -> Fraction | None:
    """Primary amperes: instantaneous values are decoded with the ratio."""
    found = take(bench, candidate, [measurand.name.lower()]).values.get(measurand)
    return None if found is None else abs(Fraction(found))


# -- the whole -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What came of it: `meter` as site.yaml has it; `text`, all of site.yaml, or None when nothing was added."""

    found: Commissioned
    meter: Meter
    text: str | None
    made: int

    @property
    def record(self) -> Record:
        return commission_record.record(self.found, self.made)


def commissioned(bench: Bench, candidate: Candidate, place: Place, serial: str) -> Done:
    """Both proofs of a new meter, and its entry. Raises Refused or BadInput before anything is written."""
    settings = _with_ratio(bench, candidate)
    candidate = candidate.replaced(settings)
    meter = _entry(bench, candidate, place, serial)
    commission_site.edited(bench.site, meter, bench.line, bench.library)  # what cannot be written is told now
    names = registers(bench, candidate, place.point)
    first = compared(bench, candidate, names)
    times = bench.now()
    right = {name: one for name, one in first.items() if one and one.outcome == "equal"}
    if not right:
        raise Refused(fault("tool.nothing_compared", "", meter=place.meter))
    install = installed(bench, candidate)
    second = _second(bench, candidate, right)
    found = _found(bench, candidate, place, serial, first, second, times, install)
    text = commission_site.edited(bench.site, meter, bench.line, bench.library)
    return Done(found=found, meter=meter, text=text, made=bench.now())


def _second(bench: Bench, candidate: Candidate, first: Mapping[str, Comparison]) -> dict[str, Comparison | None]:
    """The comparison after 20 counts, unless it is left for another day."""
    taken = take(bench, candidate, [*first, "active_power"] if _has_power(candidate) else tuple(first))
    left = _left(taken, first, {})
    if left is None:
        bench.dialogue.warn(fault("tool.nothing_flows", ""))
        return {}
    wait = commission_place.yes(bench.dialogue, "wait", left <= LONG, time=_duration(left), counts=proof.COUNTS)
    return again(bench, candidate, first) if wait else {}


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


def _with_ratio(bench: Bench, candidate: Candidate) -> Settings:
    """The CT's ratio, where it is for the site to say (Profile.ratio)."""
    source = candidate.profile.ratio.source if candidate.profile.ratio else "meter"
    if source != "site" or candidate.settings.ratio:
        return candidate.settings
    plate = commission_place.ratio(bench.dialogue)
    return msgspec.structs.replace(candidate.settings, ratio=plate) if plate else candidate.settings


def _entry(bench: Bench, candidate: Candidate, place: Place, serial: str) -> Meter:
    settings = msgspec.structs.asdict(candidate.settings)
    given = {name: value for name, value in settings.items() if value not in (None, {})}
    return Meter(
        id=place.meter,
        point=place.point,
        bus=bench.line.id,
        unit=bench.unit,
        profile=candidate.profile.id,
        every=place.every,
        serial=serial or None,
        **given,
    )


def _found(
    bench: Bench,
    candidate: Candidate,
    place: Place,
    serial: str,
    first: Mapping[str, Comparison | None],
    second: Mapping[str, Comparison | None],
    at: int,
    install: Installed,
) -> Commissioned:
    now = bench.now()
    rounds = {name: tuple(one for one in (first[name], second.get(name)) if one) for name in first}
    return Commissioned(
        meter=place.meter,
        who=place.who,
        profile=candidate.profile,
        settings=candidate.settings,
        model=candidate.model,
        serial=serial,
        compared=tuple(Compared(MEASURANDS[name], found, (at, now)[: len(found)]) for name, found in rounds.items()),
        installation=install.told,
        reasons=install.reasons,
        wiring=install.wiring,
        raw=take(bench, candidate, tuple(first)).raw,
    )


# -- once more -----------------------------------------------------------------------------------------------------


def once_more(bench: Bench, candidate: Candidate, name: str, kept: Record | None) -> Done:
    """The second comparison of a meter of site.yaml on another day, and its installation once more."""
    if kept is None:
        raise Refused(fault("tool.no_record", name))
    entry = bench.site.meter(name) or {}
    who = commission_place.person(bench.dialogue)
    earlier = {one.measurand.name.lower(): one for one in commission_record.compared(kept)}
    first = {register: one.rounds[0] for register, one in earlier.items()}
    second = again(bench, candidate, first) if first else {}
    install = installed(bench, candidate)
    now = bench.now()
    rounds = {register: (first[register], *((second[register],) if second.get(register) else ())) for register in first}
    times = {register: (*one.times, now) for register, one in earlier.items()}
    found = Commissioned(
        meter=name,
        who=who,
        profile=candidate.profile,
        settings=candidate.settings,
        model=kept.details.get("model", ""),
        serial=kept.details.get("serial", ""),
        compared=tuple(Compared(MEASURANDS[r], many, times[r][: len(many)]) for r, many in rounds.items()),
        installation=install.told,
        reasons=install.reasons,
        wiring=install.wiring,
        raw=take(bench, candidate, tuple(first)).raw,
    )
    return Done(found=found, meter=msgspec.convert(entry, Meter), text=None, made=now)
