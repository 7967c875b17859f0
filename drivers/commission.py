"""Commissioning one meter: from an id on a line to an entry in site.yaml and a record in the log.

place      its name, its point in the plan; anything said twice is refused before work is put into it
candidate  the profile and variant under which the meter makes sense, chosen by a person where two do
decode     each credited register against the display, and again after 20 counts (drivers.commission_decode)
install    clamp amperes, nameplate, direction, load (drivers.commission_install)
conclude   site.yaml, the record for the spool, a copy beside site.yaml
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from drivers import commission_decode, commission_place, commission_record, commission_site
from drivers import commission_proof as proof
from drivers.candidate import Candidate
from drivers.commission_bench import Bench, take
from drivers.commission_install import Installed, installed
from drivers.commission_proof import Comparison
from drivers.commission_record import Commissioned, Compared
from drivers.wiring import Meter
from mrv.commissioning import Record
from mrv.errors import Refused, fault
from mrv.measurand import MEASURANDS

#: A wait longer than this is offered as "another day"; in seconds.
LONG = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Who did it, and what the meter is to be called."""

    who: str
    meter: str
    point: str
    every: int


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
    """Both proofs of a new meter whose settings are complete. Raises Refused or BadInput; nothing is written then."""
    meter = _entry(bench, candidate, place, serial)
    commission_site.edited(bench.site, meter, bench.line, bench.library)  # what cannot be written is told now
    names = commission_decode.registers(bench, candidate, place.point)
    first = commission_decode.compared(bench, candidate, names)
    times = bench.now()
    right = {name: one for name, one in first.items() if one and one.outcome == "equal"}
    if not right:
        raise Refused(fault("tool.nothing_compared", "", meter=place.meter))
    install = installed(bench, candidate)
    second = _second(bench, candidate, right)
    _must_agree(place.meter, second)
    found = _found(bench, candidate, place, serial, first, second, times, install)
    text = commission_site.edited(bench.site, meter, bench.line, bench.library)
    return Done(found=found, meter=meter, text=text, made=bench.now())


def _second(bench: Bench, candidate: Candidate, first: Mapping[str, Comparison]) -> dict[str, Comparison | None]:
    """The comparison after 20 counts, unless it is left for another day."""
    left = commission_decode.patience(bench, candidate, first)
    if left is None:
        bench.dialogue.warn(fault("tool.nothing_flows", ""))
        return {}
    wait = commission_place.yes(bench.dialogue, "wait", left <= LONG, time=_duration(left), counts=proof.COUNTS)
    return commission_decode.again(bench, candidate, first) if wait else {}


def _must_agree(meter: str, second: Mapping[str, Comparison | None]) -> None:
    """A register that agreed once and not after 20 counts is decoded wrongly, however well it looked."""
    wrong = [name for name, one in second.items() if one is not None and one.outcome != "equal"]
    if wrong:
        raise Refused(fault("tool.second_differs", meter, registers=", ".join(wrong)))


def _duration(seconds: float) -> str:
    return (
        f"{seconds:.0f} s"
        if seconds < 120
        else f"{seconds / 60:.0f} min"
        if seconds < 7200
        else f"{seconds / 3600:.1f} h"
    )


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
        acknowledged=_acknowledged(bench, candidate, place),
        **given,
    )


def _acknowledged(bench: Bench, candidate: Candidate, place: Place) -> str | None:
    """Who vouches for an experimental profile, and since when (UTC)."""
    if candidate.profile.status != "experimental":
        return None
    return f"{place.who}, {datetime.fromtimestamp(bench.now() / 1000, UTC):%Y-%m-%d}"


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
    second = commission_decode.again(bench, candidate, first) if first else {}
    _must_agree(name, second)
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
