"""What a profile knows of the device beside its values: limits, line, timing, and how the device is recognised.

Parts of `mrv.profile`. Nothing here changes a number: it says what may be asked, how, and what must be true of the
device that answers. It is carried and approved with the profile all the same: who trusts a serial number must know
where it was read.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from mrv.profile_parts import (
    TABLES,
    WORDS,
    Address,
    Name,
    Order,
    Part,
    Pattern,
    Span,
    Table,
    TableName,
    Text,
    fits,
    out_of,
)
from mrv.strict import Complaint

Confidence = Literal["high", "medium", "low"]
Registers = Annotated[int, msgspec.Meta(ge=1, le=125)]
ModelId = Annotated[int, msgspec.Meta(ge=1, le=65534)]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=60_000)]
#: Content -> what it stands for. Numbers in decimal ("341"), text as it stands, bytes of replies in hex ("0x79").
Meanings = Annotated[dict[str, Text], msgspec.Meta(min_length=1)]
#: A number, text of 8-bit or 16-bit characters, or words as they are.
ItemType = Literal[
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "ascii", "utf16", "hex"
]  # fmt: skip


class Guard(Part, frozen=True, kw_only=True):
    """A word that must stand at `at` in every reply, else nothing of it is believed (SunSpec: the model id)."""

    at: Address
    equals: Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1)]

    def check(self) -> Iterator[Complaint]:
        for index, pattern in enumerate(self.equals):
            yield from fits(("equals", index), pattern, "uint16")


class Stretch(Part, frozen=True, kw_only=True):
    """Registers `first` to `last` of `table`, both included."""

    table: TableName
    first: Address
    last: Address

    def check(self) -> Iterator[Complaint]:
        if self.last < self.first:
            yield ("last",), "config.out_of_range", out_of(self.last, f"{self.first} or more")


class Limits(Part, frozen=True, kw_only=True):
    """What one request may ask for."""

    registers: Registers = 125
    #: First address and register count must be multiples of this, in the profile's own table.
    align: Literal[1, 2, 4] = 1
    #: Registers nobody wants that may lie between two wanted ones in one request.
    gap: Annotated[int, msgspec.Meta(ge=0, le=125)] = 125
    #: No request may touch these, not even as filler between two values.
    forbidden: tuple[Stretch, ...] = ()
    #: A request may not leave the one it begins in; absent: no such boundaries.
    windows: tuple[Stretch, ...] = ()
    #: Answered only as a whole: asked for exactly from first to last.
    whole: tuple[Stretch, ...] = ()

    def check(self) -> Iterator[Complaint]:
        for index, block in enumerate(self.whole):
            if block.last - block.first + 1 > self.registers:
                count = block.last - block.first + 1
                yield ("whole", index), "config.out_of_range", out_of(count, f"at most {self.registers} registers")


class Line(Part, frozen=True, kw_only=True):
    """The serial settings a new meter comes with. What the sources do not say is absent."""

    confidence: Confidence
    baud: Literal[1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200] | None = None
    parity: Literal["N", "E", "O"] | None = None
    stop: Literal[1, 2] | None = None
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] | None = None
    #: Units it is found under over TCP or behind another device, likeliest first.
    tcp_units: tuple[Annotated[int, msgspec.Meta(ge=0, le=255)], ...] = ()
    note: Text | None = None


class Timing(Part, frozen=True, kw_only=True):
    """How the device wants to be asked, in milliseconds; absent: nothing special is known."""

    #: How long an answer may take.
    timeout: Milliseconds | None = None
    #: Silence before the next request.
    turnaround: Milliseconds | None = None
    #: Silence after a connection is made.
    connect_delay: Milliseconds | None = None
    #: Pause before asking again after exception 6 (busy).
    busy_retry: Milliseconds | None = None
    #: How often the values change; asking faster shows the same ones.
    refresh: Milliseconds | None = None
    #: It talks to one TCP client at a time.
    single_client: bool = False


class Item(Part, frozen=True, kw_only=True):
    """Registers that say something about the device: a number, or text of `count` registers.

    With `model`, `at` counts from the id register of that SunSpec model, found by the chain.
    """

    at: Address
    type: ItemType
    count: Registers | None = None
    table: TableName | None = None
    byte_order: Order | None = None
    word_order: Order | None = None
    alone: bool = False
    model: ModelId | None = None
    #: What it is, where that is not clear from the place it stands in.
    name: Name | None = None
    note: Text | None = None

    @property
    def length(self) -> int:
        """Registers it takes."""
        return self.count if self.count is not None else WORDS.get(self.type, 1)

    def span(self, default: TableName) -> Span:
        table: Table = TABLES[self.table or default]
        return Span(table, self.at, self.length)

    def check(self) -> Iterator[Complaint]:
        if (self.count is None) != (self.type in WORDS):
            yield ("count",), "meter.item_count", {"type": self.type}


class Chain(Part, frozen=True, kw_only=True):
    """The SunSpec models a profile is for, and where the chain that begins with "SunS" may stand."""

    models: Annotated[tuple[ModelId, ...], msgspec.Meta(min_length=1)]
    bases: tuple[Address, ...] = (40000, 50000, 0)


class Rule(Part, frozen=True, kw_only=True, tag_field="by"):
    """One piece of evidence of what the device is."""


class RegisterIs(Rule, frozen=True, kw_only=True, tag="register"):
    """A number or a text in registers: `means` has its content, or for a text what it begins with."""

    item: Item
    means: Meanings


class ServerId(Rule, frozen=True, kw_only=True, tag="server_id"):
    """The answer to function 0x11 begins with one of these bytes, in hex."""

    means: Meanings


class DeviceId(Rule, frozen=True, kw_only=True, tag="device_id"):
    """The text of `object` in the answer to function 0x2B/0x0E begins with one of these."""

    object: Annotated[int, msgspec.Meta(ge=0, le=255)]
    means: Meanings


class SunSpecModels(Rule, frozen=True, kw_only=True, tag="sunspec"):
    """One of these models is in the chain (Profile.sunspec says where it may stand)."""

    models: Annotated[tuple[ModelId, ...], msgspec.Meta(min_length=1)]


Evidence = RegisterIs | ServerId | DeviceId | SunSpecModels


class Requirement(Part, frozen=True, kw_only=True):
    """A setting the meter must have for this profile to be true; `hint` says how to make it so."""

    item: Item
    equals: Annotated[tuple[str, ...], msgspec.Meta(min_length=1)]
    hint: Text


class Variant(Part, frozen=True, kw_only=True):
    """Another profile of the same family, and the evidence that the device needs it instead of this one."""

    profile: Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_]{0,47}$", examples=["chint_dtsu666"])]
    note: Text
    when: tuple[Evidence, ...] = ()


class Ratio(Part, frozen=True, kw_only=True):
    """The one source of the transformer ratio.

    `meter`: it is set in the meter and every register is primary already. `register`: registers are secondary and the
    ratio stands in the factors named here, read with every reading. `site`: registers are secondary and the ratio is
    given in site.yaml. Two sources would multiply twice; none would not multiply at all.
    """

    source: Literal["meter", "register", "site"]
    ct: tuple[Name, ...] = ()
    vt: tuple[Name, ...] = ()

    def names(self, side: str | None) -> tuple[str, ...]:
        """The factors whose product a value on `side` (ct, vt, ct_vt; None: primary) is multiplied by."""
        sides = {"ct": self.ct, "vt": self.vt, "ct_vt": self.ct + self.vt}
        return sides.get(side or "", ())

    def check(self) -> Iterator[Complaint]:
        if (self.source == "register") != bool(self.ct or self.vt):
            yield ("source",), "meter.ratio_factors", {"source": self.source}
