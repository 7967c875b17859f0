"""From ids that answered to meters with names: who each one is, and whether it is one.

The doer between `drivers.scan` and the commands: it interviews every id found, reads its identity often enough to see
two meters that answer as one, and says what a technician should know about the line as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drivers import blocks, identify, scan_verdict
from drivers.bus import Bus
from drivers.candidate import Candidate
from drivers.errors import Garbled, MeterError
from drivers.identify import Interview
from drivers.rtu_line import RtuBus
from drivers.scan import Found
from drivers.scan_plan import Setting, Speed
from mrv.errors import Fault, Refused, fault
from mrv.measurand import MEASURANDS
from mrv.profile import Profile, Span

_WEIGHTS = {"high": 3, "medium": 2, "low": 1}
#: What meters are set to whose makers' settings nobody wrote down; the last is the default of the Modbus standard.
COMMON = (Speed(9600), Speed(9600, "E"), Speed(19200, "E"))


@dataclass(frozen=True, slots=True)
class Met:
    """A meter that was found. `doubt`: why it may be two (drivers.scan_verdict.double), or ""."""

    found: Found
    candidates: tuple[Candidate, ...]
    serial: str = ""
    doubt: str = ""

    @property
    def best(self) -> Candidate | None:
        return self.candidates[0] if self.candidates else None

    @property
    def name(self) -> str:
        """Maker and model, as far as they are known."""
        if self.best is None:
            return ""
        profile = self.best.profile
        return f"{profile.maker} {self.best.model or profile.models[0]}"


def settings_of(library: Iterable[Profile]) -> list[tuple[Setting, int]]:
    """The factory settings of serial meters and the common ones, with weights."""
    return [*((Setting(speed, 1), 1) for speed in COMMON), *factory_of(library)]


def factory_of(library: Iterable[Profile]) -> list[tuple[Setting, int]]:
    """The factory settings of serial meters alone, with weights. What a profile leaves open is 8N1."""
    found: list[tuple[Setting, int]] = []
    for line in (profile.line for profile in library if profile.line is not None):
        if line.baud is not None:
            speed = Speed(line.baud, line.parity or "N", line.stop or 1)
            found.append((Setting(speed, line.unit if line.unit is not None else 1), _WEIGHTS[line.confidence]))
    return found


def units_of(library: Iterable[Profile]) -> list[tuple[Setting, int]]:
    """The ids devices on the network are found under."""
    lines = [profile.line for profile in library if profile.line is not None]
    return [(Setting(None, unit), 1) for line in lines for unit in (line.tcp_units or (line.unit or 1,))]


async def meet(bus: Bus, found: Found, library: Mapping[str, Profile]) -> Met:
    """Who answers as `found`. A meter that says nothing sensible has no candidates; one that leaves has neither."""
    profiles = [profile for profile in library.values() if profile.status != "documented"]
    interview = Interview(bus, found.unit)
    try:
        candidates = await identify.candidates(interview, profiles)
        serial = await identify.serial(interview, candidates[0]) if candidates else ""
        if doubled(bus, found.unit):
            return Met(found, candidates, serial, "extra")
        reads = await identity_reads(bus, found.unit, candidates[0] if candidates else None)
    except MeterError:
        return Met(found, (), doubt="extra" if doubled(bus, found.unit) else "")
    return Met(found, candidates, serial, scan_verdict.double(reads))


def doubled(bus: Bus, unit: int) -> bool:
    """Whether a question to `unit` was answered twice, where the kind of line can tell (drivers.rtu_line)."""
    return isinstance(bus, RtuBus) and unit in bus.doubled


def refuse_two(bus: Bus, unit: int) -> None:
    """Raises Refused when two meters answer as `unit`: no number could be said to be of either."""
    if isinstance(bus, RtuBus) and unit in bus.doubled:
        raise Refused(fault("tool.double_extra", f"{bus.where} unit {unit}", unit=unit))


async def identity_reads(bus: Bus, unit: int, candidate: Candidate | None) -> list[tuple[int, ...] | str]:
    """Twenty reads of words that never change in one meter."""
    span, picked = _constant(candidate)
    reads: list[tuple[int, ...] | str] = []
    strays = _strays(bus)
    for _ in range(scan_verdict.IDENTITY_READS):
        try:
            reads.append((await bus.read(unit, span.table, span.at, span.count))[picked])
        except Garbled as error:
            reads.append(error.faults[0].params.get("flaw", "crc"))
        except MeterError:
            reads.append("")
    return [*reads, *(["extra"] * (_strays(bus) - strays))]


def _strays(bus: Bus) -> int:
    """Bytes that followed a whole answer, where the kind of line can tell (drivers.rtu_line)."""
    return bus.strays if isinstance(bus, RtuBus) else 0


def _constant(candidate: Candidate | None) -> tuple[Span, slice]:
    """The serial number, else settings, else the high word of a counter, else what the scan knocked with.

    The registers to ask for, and which of their words to look at.
    """
    if candidate is None:
        return Span("h", 0, 2), slice(None)
    profile = candidate.profile.adapted(candidate.settings)
    items = [item for item in (profile.serial_number, *profile.fingerprint) if item is not None and item.model is None]
    if items:
        span, shift = items[0].span(profile.table), candidate.settings.shift
        block = blocks.fetch(profile, Span(span.table, span.at + shift, span.count), shift)
        first = span.at + shift - block.first
        return Span(block.table, block.first, block.count), slice(first, first + span.count)
    counter = next((name for name in profile.read if MEASURANDS[name].cumulative), profile.read[0])
    span = profile.span(counter)
    low_first = (profile.values[counter].word_order or profile.word_order) == "little"
    return Span(span.table, span.at + candidate.settings.shift, span.count), slice(-1, None) if low_first else slice(1)


def findings(met: Sequence[Met]) -> tuple[Fault, ...]:
    """What to know about meters that were found: doubles, one id twice, several speeds."""
    return (*_doubles(met), *_speeds(met))


def _doubles(met: Sequence[Met]) -> Iterable[Fault]:
    for one in met:
        if one.doubt:
            place = scan_verdict.Heard(one.found.speed, one.found.unit, "answered").place
            yield fault(f"tool.double_{one.doubt}", place, unit=one.found.unit)


def _speeds(met: Sequence[Met]) -> Iterable[Fault]:
    speeds = sorted({one.found.speed for one in met if one.found.speed is not None})
    if len(speeds) > 1:
        yield fault("tool.several_speeds", "", speeds=", ".join(map(str, speeds)))
    units = [one.found.unit for one in met]
    again = sorted({unit for unit in units if units.count(unit) > 1})
    if again:
        yield fault("tool.same_id", "", units=", ".join(map(str, again)))


def keypad(met: Met) -> tuple[str, ...]:
    """Where id and speed are changed on this meter's own keys."""
    return met.best.profile.keypad if met.best else ()
