"""`site.yaml`: what the technician wires up. Who we are, where the office is, the lines and the meters on them.

The schema and the rules between its fields, used by the agent and by the meter tool. It opens nothing and knows no
state directory. Everything carbon depends on is handed on as the `Binding`; moving a gateway changes only this file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

import msgspec

from drivers import blocks
from mrv import strict
from mrv.binding import METER_ID, POINT_ID, RATIO, Binding, BoundMeter, Settings
from mrv.errors import BadInput
from mrv.profile import Name, Profile
from mrv.profile_fit import misfits
from mrv.profile_parts import Text
from mrv.strict import Complaint, Document

SITE_ID = "^[a-z0-9-]{1,32}$"
ORGANISATION = "^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$"
#: A C2SP verifier key: name+hash+key. Its meaning is checked where keys are used.
VERIFIER_KEY = r"^[^+\s]+\+[0-9a-f]{8}\+[A-Za-z0-9+/]+=*$"

Host = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$", examples=["192.168.1.20", "broker.example.vn"])]
Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]
LineId = Annotated[str, msgspec.Meta(pattern=METER_ID, examples=["plant-room"])]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A section of site.yaml."""


class Collector(_Part, frozen=True, kw_only=True):
    """The broker the office listens on, and the keys whose receipts this site believes."""

    host: Host
    port: Port = 1883
    #: An encrypted connection with certificates on both ends, from the files `enroll` put into the state directory.
    tls: bool = False
    #: The office may believe the first key it sees; written into the log's first leaf. For demonstrations only.
    first_use: bool = False
    cosigners: Annotated[
        tuple[
            Annotated[str, msgspec.Meta(pattern=VERIFIER_KEY, examples=["example.vn/mrv/collector+1234abcd+BGh9..."])],
            ...,
        ],
        msgspec.Meta(min_length=1, max_length=8),
    ]


class Clock(_Part, frozen=True, kw_only=True):
    """`kernel`: believe the kernel's own word that it is synchronised. `assumed`: a person vouches for it."""

    sync: Literal["kernel", "assumed"] = "kernel"


class _Line(_Part, frozen=True, kw_only=True, tag_field="kind"):
    """What lines of every kind have. Times in milliseconds."""

    id: LineId
    #: How long to wait for a reply; a meter known to be quicker is given up sooner at first.
    timeout: Annotated[int, msgspec.Meta(ge=50, le=30_000)] = 1000
    #: How often to ask again within a slot, after silence or a busy meter.
    retries: Annotated[int, msgspec.Meta(ge=0, le=5)] = 1
    #: Least silence between a reply and the next request, over what the protocol asks for.
    gap: Annotated[int, msgspec.Meta(ge=0, le=5000)] = 0


class TcpLine(_Line, frozen=True, kw_only=True, tag="tcp"):
    """A Modbus TCP device or gateway."""

    host: Host
    port: Port = 502

    @property
    def end(self) -> str:
        """Where the line begins: no two lines share one."""
        return f"{self.host}:{self.port}"


class _Serial(_Line, frozen=True, kw_only=True):
    """What a line has that is serial at its far end."""

    baud: Annotated[int, msgspec.Meta(ge=300, le=1_000_000)] = 9600
    parity: Literal["N", "E", "O"] = "N"
    stop: Literal[1, 2] = 1
    #: How late a reply may still come: after a question without an answer the line must be silent this long before
    #: the next one. Default: as long as `timeout`, at least a second.
    late: Annotated[int, msgspec.Meta(ge=10, le=30_000)] | None = None

    @property
    def lateness(self) -> int:
        """`late`, or its default."""
        return self.late if self.late is not None else max(1000, self.timeout)


class RtuLine(_Serial, frozen=True, kw_only=True, tag="rtu"):
    """Modbus RTU on a serial port of this machine; best named by its /dev/serial/by-id/ name."""

    port: Annotated[str, msgspec.Meta(pattern="^/[^\\s]{1,250}$", examples=["/dev/serial/by-id/usb-1234"])]

    @property
    def end(self) -> str:
        """Where the line begins: no two lines share one."""
        return self.port


class RtuOverTcpLine(_Serial, frozen=True, kw_only=True, tag="rtu-over-tcp"):
    """Modbus RTU frames through a serial server; `baud`, `parity` and `stop` are those of its serial side."""

    host: Host
    port: Port

    @property
    def end(self) -> str:
        """Where the line begins: no two lines share one."""
        return f"{self.host}:{self.port}"


Line = TcpLine | RtuLine | RtuOverTcpLine


class Meter(_Part, frozen=True, kw_only=True):
    """One meter: where it stands in the plan (`point`) and on the wire (`bus`, `unit`), and how to read it."""

    id: Annotated[str, msgspec.Meta(pattern=METER_ID, examples=["chiller-1"])]
    point: Annotated[str, msgspec.Meta(pattern=POINT_ID, examples=["CH-1"])]
    bus: LineId
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 1
    #: The unit number its replies carry instead, where a gateway is known to answer wrongly.
    answers_as: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    profile: Annotated[str, msgspec.Meta(min_length=1, max_length=48)]
    #: Polling interval in seconds.
    every: Annotated[int, msgspec.Meta(ge=1, le=3600)]
    serial: Annotated[str, msgspec.Meta(min_length=1, max_length=64)] | None = None
    ratio: Annotated[str, msgspec.Meta(pattern=RATIO, examples=["400/5"])] | None = None
    vt_ratio: Annotated[str, msgspec.Meta(pattern=RATIO, examples=["22000/110"])] | None = None
    base: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    word_order: Literal["big", "little"] | None = None
    #: Nominal volts between lines, and the most amperes per phase, at the primary side.
    voltage: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    max_current: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    byte_order: Literal["big", "little"] | None = None
    table: Literal["holding", "input"] | None = None
    offset: Literal[-1, 1] | None = None
    summation: Literal["vector", "per_phase", "absolute"] | None = None
    parameters: dict[Name, Decimal] = msgspec.field(default_factory=dict)
    #: Who compared an experimental profile with the display, and when.
    acknowledged: Text | None = None

    @property
    def settings(self) -> Settings:
        """What mrv.binding keeps: every field the two structs share."""
        return Settings(**{name: getattr(self, name) for name in Settings.__struct_fields__})


class Site(_Part, frozen=True, kw_only=True):
    """The whole file."""

    site: Annotated[str, msgspec.Meta(pattern=SITE_ID, examples=["long-an-2"])]
    org: Annotated[str, msgspec.Meta(pattern=ORGANISATION, examples=["example.vn"])]
    collector: Collector
    clock: Clock = Clock()
    #: Where the site is, in degrees: an inverter that is silent while the sun is down is asleep.
    latitude: Decimal | None = None
    longitude: Decimal | None = None
    buses: Annotated[tuple[Line, ...], msgspec.Meta(min_length=1)]
    meters: Annotated[tuple[Meter, ...], msgspec.Meta(min_length=1)]

    @staticmethod
    def check_field(name: str, value: object) -> Iterator[Complaint]:
        if name == "buses":
            yield from _twice(name, value, ("id",))
            yield from _twice(name, value, ("end",), at="port")
        most = {"latitude": 90, "longitude": 180}.get(name)
        if most and isinstance(value, Decimal) and abs(value) > most:
            yield (), "config.out_of_range", {"found": value, "expected": f"degrees from -{most} to {most}"}
        if name == "meters":
            yield from _twice(name, value, ("id",))
            yield from _twice(name, value, ("point",))
            yield from _twice(name, value, ("bus", "unit"))

    def check(self) -> Iterator[Complaint]:
        if (self.latitude is None) != (self.longitude is None):
            absent = "latitude" if self.latitude is None else "longitude"
            yield (absent,), "config.missing", {"field": absent, "expected": "degrees, like 10.82"}
        lines = {line.id for line in self.buses}
        for index, meter in enumerate(self.meters):
            if meter.bus not in lines:
                known = ", ".join(sorted(lines))
                yield ("meters", index, "bus"), "meter.unknown_bus", {"name": meter.bus, "known": known}


def load(text: str, source: str, profiles: Mapping[str, Profile]) -> Document[Site]:
    """site.yaml as a value that still knows its lines. Raises BadInput with every fault at once."""
    return strict.decode(text, Site, source, {Meter: lambda meter: _against_profile(meter, profiles)})


def binding(site: Site) -> Binding:
    """What of the wiring carbon depends on."""
    meters = (
        BoundMeter(
            meter=meter.id,
            point=meter.point,
            profile=meter.profile,
            every=meter.every,
            serial=meter.serial,
            settings=meter.settings,
        )
        for meter in sorted(site.meters, key=lambda meter: meter.id)
    )
    return Binding(site=site.site, meters=tuple(meters))


def _twice(section: str, entries: Any, fields: tuple[str, ...], at: str = "") -> Iterator[Complaint]:
    """Entries that agree in all `fields`: reported at the last of them, or at the field `at`."""
    first: dict[tuple[object, ...], int] = {}
    for index, entry in enumerate(entries):
        key = tuple(getattr(entry, field) for field in fields)
        if key in first:
            named = " ".join(f"{at or field} {value}" for field, value in zip(fields, key, strict=True))
            yield (index, at or fields[-1]), "meter.given_twice", {"name": named, "other": f"{section}[{first[key]}]"}
        first.setdefault(key, index)


def _against_profile(meter: Meter, profiles: Mapping[str, Profile]) -> Iterator[Complaint]:
    if meter.profile not in profiles:
        known = ", ".join(sorted(profiles))
        yield ("profile",), "meter.unknown_profile", {"name": meter.profile, "known": known}
        return
    profile = profiles[meter.profile]
    if profile.status == "documented":
        yield ("profile",), "meter.profile_documented", {"profile": profile.id}
    if profile.status == "experimental" and meter.acknowledged is None:
        yield ("acknowledged",), "meter.profile_experimental", {"profile": profile.id}
    wrong = list(misfits(profile, meter.settings))
    yield from wrong
    if not any(path == ("base",) for path, _, _ in wrong):
        try:
            blocks.plan(profile.adapted(meter.settings), profile.read, meter.settings.shift)
        except BadInput as error:
            yield from strict.passed_on(("profile",), error)
