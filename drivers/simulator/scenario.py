"""`scenario.yaml`: lines, the meters on them, what they measure, and what goes wrong when.

The schema and the rules between its fields. It starts nothing and knows no time; `stage` plays it. Numbers are written
as a person would and become floats only where something moves (`history`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from drivers.simulator.misfortune import (
    SERIAL_ONLY,
    Duration,
    GatewayGone,
    Id,
    Misfortune,
    Name,
    Part,
    Raw,
    Rollover,
    Swapped,
    Torn,
    UsbLoss,
)
from mrv import codec, strict
from mrv.binding import Settings
from mrv.errors import BadInput
from mrv.profile import Profile
from mrv.strict import Complaint, Document

Port = Annotated[int, msgspec.Meta(ge=0, le=65535)]
Baud = Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200]
Parity = Literal["N", "E", "O"]
Clients = Annotated[int, msgspec.Meta(ge=1, le=64)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]


class Tcp(Part, frozen=True, kw_only=True, tag_field="kind", tag="tcp"):
    """A Modbus TCP device or gateway. Port 0: any free one."""

    id: Id
    port: Port = 0
    #: How many connections it takes at a time.
    clients: Clients | None = None


class RtuOverTcp(Part, frozen=True, kw_only=True, tag_field="kind", tag="rtu-over-tcp"):
    """A serial device server; with `baud`, at the pace of the line behind it."""

    id: Id
    port: Port = 0
    clients: Clients | None = None
    baud: Baud | None = None


class Rtu(Part, frozen=True, kw_only=True, tag_field="kind", tag="rtu"):
    """A serial port, at the pace of `baud`. Meters answer only those who set the port as theirs is set."""

    id: Id
    baud: Baud = 9600
    parity: Parity = "N"
    stop: Literal[1, 2] = 1


Line = Tcp | RtuOverTcp | Rtu


class Load(Part, frozen=True, kw_only=True):
    """What flows through a meter: the sun over a roof, a chiller's day, or always the same. `watts` is the most."""

    curve: Literal["constant", "pv", "chiller"] = "constant"
    watts: Decimal
    seed: int = 1
    power_factor: Decimal = Decimal("0.98")

    def check(self) -> Iterator[Complaint]:
        if not 0 < self.power_factor <= 1:
            yield ("power_factor",), "config.out_of_range", {"found": self.power_factor, "expected": "above 0, up to 1"}


class Replayed(Part, frozen=True, kw_only=True):
    """The registers of a real meter, as captured: shown from `at` on."""

    at: Duration = "0s"
    raw: Raw

    def check(self) -> Iterator[Complaint]:
        yield from _words(("raw",), self.raw)


class Meter(Part, frozen=True, kw_only=True):
    """One meter: where it answers and what it shows (`load`, with `values` kept as given, or `replay`)."""

    id: Id
    line: Id
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    profile: Annotated[str, msgspec.Meta(min_length=1, max_length=48)]
    load: Load | None = None
    replay: tuple[Replayed, ...] = ()
    #: `consumes`: energy counts as import, power is positive. `exports`: seen from the grid, counts as export, power is
    #: negative. `generates`: an inverter's view, counts as export, power is positive.
    flow: Literal["consumes", "exports", "generates"] = "consumes"
    #: kWh its counter stood at when the scenario started.
    opening: Decimal = Decimal(1000)
    #: By the profile's names, in its units; never changes but by a fault.
    values: dict[Name, Decimal] = msgspec.field(default_factory=dict)
    settings: Settings = Settings()
    serial: Text | None = None
    firmware: Text | None = None
    model: Text | None = None
    #: Further registers and what they hold.
    words: Raw = msgspec.field(default_factory=dict)
    #: From the end of a question to the beginning of the answer.
    turnaround: Duration = "0s"
    #: Its own serial settings, where they are not the line's: then it hears nobody who does not use them.
    baud: Baud | None = None
    parity: Parity | None = None
    stop: Literal[1, 2] | None = None

    def check(self) -> Iterator[Complaint]:
        if (self.load is None) == (not self.replay):
            yield ("load",), "scenario.shows_one_thing", {}
        yield from _words(("words",), self.words)


class Scenario(Part, frozen=True, kw_only=True):
    """The whole file."""

    #: What this scenario is about, for whoever finds it failing.
    what: Text
    #: Hour of the plant's day at the start, and how much faster than real time that day and this timeline go.
    start: Decimal = Decimal(10)
    speed: Decimal = Decimal(1)
    #: Everything that looks like chance comes from here.
    seed: int = 1
    lines: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1)]
    meters: Annotated[tuple[Meter, ...], msgspec.Meta(min_length=1)]
    faults: tuple[Misfortune, ...] = ()

    @staticmethod
    def check_field(name: str, value: Any) -> Iterator[Complaint]:
        if name in ("lines", "meters"):
            seen: dict[str, int] = {}
            for index, entry in enumerate(value):
                if entry.id in seen:
                    named = {"name": f"id {entry.id}", "other": f"{name}[{seen[entry.id]}]"}
                    yield (index, "id"), "meter.given_twice", named
                seen.setdefault(entry.id, index)
        if name == "speed" and not 0 < value <= 86_400:
            yield (), "config.out_of_range", {"found": value, "expected": "above 0, up to 86400"}
        if name == "start" and not 0 <= value < 24:
            yield (), "config.out_of_range", {"found": value, "expected": "an hour from 0 to below 24"}

    def check(self) -> Iterator[Complaint]:
        lines, meters = {line.id: line for line in self.lines}, {meter.id: meter for meter in self.meters}
        for index, meter in enumerate(self.meters):
            if meter.line not in lines:
                yield ("meters", index, "line"), "scenario.unknown", _named(meter.line, lines)
        for index, fault in enumerate(self.faults):
            yield from (
                (("faults", index, *path), code, params) for path, code, params in _target(fault, lines, meters)
            )


def load(text: str, source: str, profiles: Mapping[str, Profile]) -> Document[Scenario]:
    """A scenario that still knows its lines. Raises BadInput with every fault at once."""
    rules: strict.Rules = {
        Meter: lambda meter: _known_meter(meter, profiles),
        Swapped: lambda fault: _known_profile(fault.profile, profiles) if fault.profile else (),
        Scenario: lambda scenario: _known_values(scenario, profiles),
    }
    return strict.decode(text, Scenario, source, rules)


def _target(fault: Misfortune, lines: Mapping[str, Line], meters: Mapping[str, Meter]) -> Iterator[Complaint]:
    """Whether what it happens to exists, and can have it happen."""
    meter, line = getattr(fault, "meter", None), getattr(fault, "line", None)
    if meter is not None and meter not in meters:
        yield ("meter",), "scenario.unknown", _named(meter, meters)
        return
    where = str(line if meter is None else meters[meter].line)
    if where not in lines:
        if meter is None:
            yield ("line",), "scenario.unknown", _named(where, lines)
        return
    kind = lines[where]
    wrong = (isinstance(fault, SERIAL_ONLY) and isinstance(kind, Tcp)) or (
        isinstance(fault, UsbLoss) if not isinstance(kind, Rtu) else isinstance(fault, GatewayGone)
    )
    if wrong:
        tag = type(fault).__struct_config__.tag
        yield ("fault",), "scenario.not_on_such_a_line", {"fault": tag, "line": where, "kind": _kind(kind)}


def _kind(line: Line) -> str:
    return str(type(line).__struct_config__.tag)


def _named(name: object, known: Mapping[str, object]) -> dict[str, object]:
    return {"name": name, "known": ", ".join(sorted(known))}


def _words(path: tuple[str | int, ...], raw: Raw) -> Iterator[Complaint]:
    try:
        codec.unpack(raw)
    except BadInput as error:
        yield from strict.passed_on(path, error)


def _known_profile(name: str, profiles: Mapping[str, Profile]) -> Iterator[Complaint]:
    if name not in profiles:
        yield ("profile",), "meter.unknown_profile", _named(name, profiles)


def _known_meter(meter: Meter, profiles: Mapping[str, Profile]) -> Iterator[Complaint]:
    if meter.profile not in profiles:
        yield from _known_profile(meter.profile, profiles)
        return
    profile = profiles[meter.profile]
    for name in meter.values:
        if name not in profile.values:
            yield ("values", name), "scenario.unknown", _named(name, profile.values)
    if profile.relative and meter.settings.base is None:
        yield ("settings",), "meter.base_missing", {"profile": profile.id}


def _known_values(scenario: Scenario, profiles: Mapping[str, Profile]) -> Iterator[Complaint]:
    """Values a fault names are the meter's; a counter that is a float has no number of its own to start again at."""
    owners = {meter.id: profiles[meter.profile] for meter in scenario.meters if meter.profile in profiles}
    for index, fault in enumerate(scenario.faults):
        profile = owners.get(getattr(fault, "meter", None) or "")
        if profile is None:
            continue
        for name in (*getattr(fault, "values", ()), *filter(None, (getattr(fault, "value", None),))):
            if name not in profile.values:
                yield ("faults", index), "scenario.unknown", _named(name, profile.values)
        if isinstance(fault, Torn) and fault.value in profile.values:
            value = profile.values[fault.value]
            if (fault.part == "scale" and value.scale_register is None) or (fault.part == "terms" and not value.plus):
                yield ("faults", index, "part"), "scenario.no_such_part", {"value": fault.value, "part": fault.part}
        if isinstance(fault, Rollover) and fault.modulus is None:
            floats = [n for n in profile.values if "energy" in n and profile.values[n].type.startswith("float")]
            if floats:
                yield ("faults", index, "modulus"), "scenario.modulus_missing", {"profile": profile.id}
