"""A meter model as a value: where its words stand and what they mean.

Profiles are written by people as YAML (docs/profiles.md), carried in the log as canonical JSON and read again by the
office and the auditor, so this module must not know a bus, a file or a clock. It only ever grows by optional fields:
a field left at its default is not written (`omit_defaults`), so an old profile keeps its digest, and an old reader
refuses a profile that says more than it understands instead of decoding it wrongly.

Addresses are zero-based as on the wire. In a `relative` profile they are offsets from the address given as `base`
in the wiring (SunSpec: the model id register). Everything else a value needs stands in its own entry or, as the
device's default, at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from mrv.measurand import Measurand
from mrv.number import in_bounds
from mrv.strict import Complaint

#: Key of a table in `raw` (mrv.reading): `h` holding registers (function 3), `i` input registers (function 4).
Table = Literal["h", "i"]
TABLES: dict[str, Table] = {"holding": "h", "input": "i"}

Order = Literal["big", "little"]
NumberType = Literal[
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "acc32", "acc64", "sunssf"
]
#: Registers (16 bit) each type takes. acc32, acc64 and sunssf are SunSpec's accumulators and power-of-ten factor.
WORDS: dict[str, int] = {
    "int16": 1,
    "uint16": 1,
    "sunssf": 1,
    "int32": 2,
    "uint32": 2,
    "acc32": 2,
    "float32": 2,
    "int64": 4,
    "uint64": 4,
    "acc64": 4,
    "float64": 4,
}

MEASURANDS: dict[str, Measurand] = {m.name.lower(): m for m in Measurand}

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,64}$", examples=["active_energy_import"])]
ProfileId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_]{0,47}$", examples=["eastron_sdm630"])]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Address = Annotated[int, msgspec.Meta(ge=0, le=65535)]
#: Register words as they stand on the wire, most significant first after ordering: "0x8000", "0x7FC00000".
Pattern = Annotated[str, msgspec.Meta(pattern="^0x([0-9A-F]{4}){1,4}$", examples=["0x7FC00000"])]


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A piece of a profile."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """`count` registers of `table` from the profile's address `at` (relative to the base, if the profile is)."""

    table: Table
    at: int
    count: int

    @property
    def end(self) -> int:
        return self.at + self.count


class ScaleRegister(_Part, frozen=True, kw_only=True):
    """A register that scales a value: `power_of_ten` multiplies by 10 to its content. Read in the same request."""

    at: Address
    type: NumberType
    kind: Literal["power_of_ten"]


class Value(_Part, frozen=True, kw_only=True):
    """One quantity of the meter: `number x scale x scale register`, in the measurand's unit, to `decimals` places.

    `decimals` is the resolution a reading is written with: a float32 is its exact value rounded half to even to it.
    """

    at: Address
    type: NumberType
    decimals: Annotated[int, msgspec.Meta(ge=0, le=9)]
    #: Register content to the measurand's unit: 0.001 for Wh into kWh.
    scale: Decimal = Decimal(1)
    scale_register: ScaleRegister | None = None
    table: Literal["holding", "input"] | None = None
    byte_order: Order | None = None
    word_order: Order | None = None
    #: Content that means "no value", besides what the device says for the type.
    sentinels: tuple[Pattern, ...] = ()
    #: Register counts after which the device documents that it starts again at 0; absent when it documents nothing.
    modulus: Annotated[int, msgspec.Meta(ge=2, le=2**53 - 1)] | None = None
    #: Must be asked for alone: the device answers something else inside a larger read.
    alone: bool = False
    #: This row in particular rests on one source, or on a related model.
    confidence: Literal["high", "medium", "low"] | None = None
    note: Text | None = None

    def check(self) -> Iterator[Complaint]:
        for index, pattern in enumerate(self.sentinels):
            yield from _fits(("sentinels", index), pattern, self.type)
        if not (in_bounds(self.scale) and self.scale):
            yield ("scale",), "config.out_of_range", _range(self.scale, "a number other than 0, of at most 30 digits")


class Guard(_Part, frozen=True, kw_only=True):
    """A word that must stand at `at` in every reply, else nothing of it is believed (SunSpec: the model id)."""

    at: Address
    equals: Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1)]

    def check(self) -> Iterator[Complaint]:
        for index, pattern in enumerate(self.equals):
            yield from _fits(("equals", index), pattern, "uint16")


class Forbidden(_Part, frozen=True, kw_only=True):
    """Registers `first` to `last` no request may touch, not even as filler between two values."""

    table: Literal["holding", "input"]
    first: Address
    last: Address


class Limits(_Part, frozen=True, kw_only=True):
    """What one request may ask for."""

    registers: Annotated[int, msgspec.Meta(ge=1, le=125)] = 125
    #: First address and register count must be multiples of this.
    align: Literal[1, 2, 4] = 1
    #: Registers nobody wants that may lie between two wanted ones in one request.
    gap: Annotated[int, msgspec.Meta(ge=0, le=125)] = 125
    forbidden: tuple[Forbidden, ...] = ()


class Profile(_Part, frozen=True, kw_only=True):
    """One meter family, read one way."""

    id: ProfileId
    #: Grows by one whenever a reading could decode differently.
    revision: Annotated[int, msgspec.Meta(ge=1)]
    maker: Text
    models: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    kind: Literal["meter", "inverter"]
    confidence: Literal["high", "medium", "low"]
    #: Where every number here was read; public documents or code with their revision.
    sources: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    caveats: tuple[Text, ...] = ()
    table: Literal["holding", "input"]
    relative: bool = False
    #: Order of the bytes within a register, and of the registers within a number (Settings.word_order overrides it).
    byte_order: Order = "big"
    word_order: Order = "big"
    limits: Limits = Limits()
    #: Content that means "no value", by type. A float that is not a number never is a value.
    sentinels: dict[NumberType, tuple[Pattern, ...]] = {}
    #: How a three-phase total comes about: phases netted first, or each phase's import counted by itself.
    summation: Literal["netted", "per_phase", "unknown"] = "unknown"
    guards: tuple[Guard, ...] = ()
    #: By the measurand's name in lower case (mrv.measurand).
    values: dict[Name, Value]
    #: Values that only make sense together: always in one request.
    atomic: tuple[tuple[Name, ...], ...] = ()
    #: What an agent reads at every slot, unless told otherwise.
    read: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]

    def check(self) -> Iterator[Complaint]:
        for name in self.values:
            if name not in MEASURANDS:
                yield ("values", name), "meter.unknown_measurand", {"name": name}
        for path, name in self._named():
            if name not in self.values:
                yield path, "meter.value_not_described", {"name": name}
        for kind, patterns in self.sentinels.items():
            for index, pattern in enumerate(patterns):
                yield from _fits(("sentinels", kind, index), pattern, kind)
        for index, span in enumerate(self.limits.forbidden):
            if span.last < span.first:
                expected = f"{span.first} or more"
                yield ("limits", "forbidden", index, "last"), "config.out_of_range", _range(span.last, expected)
        yield from self._overlaps()
        yield from self._torn()

    def _named(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        for index, name in enumerate(self.read):
            yield ("read", index), name
        for index, group in enumerate(self.atomic):
            for position, name in enumerate(group):
                yield ("atomic", index, position), name

    def _overlaps(self) -> Iterator[Complaint]:
        """Two values must not share a register, unless one is only ever read alone: it means something else then."""
        taken: dict[tuple[Table, int], str] = {}
        for name in (name for name, value in self.values.items() if not value.alone or name in self.read):
            span = self.span(name)
            other = next((taken[span.table, at] for at in range(span.at, span.end) if (span.table, at) in taken), None)
            if other:
                yield ("values", name, "at"), "meter.values_overlap", {"name": name, "other": other}
            taken.update({(span.table, at): name for at in range(span.at, span.end)})

    def _torn(self) -> Iterator[Complaint]:
        """An atomic group cannot span two tables: they are never read by one request."""
        for index, group in enumerate(self.atomic):
            tables = {self.table_of(self.values[name]) for name in group if name in self.values}
            if len(tables) > 1:
                yield ("atomic", index), "meter.atomic_in_two_tables", {"group": ", ".join(group)}

    def table_of(self, value: Value) -> Table:
        return TABLES[value.table or self.table]

    def span(self, name: str) -> Span:
        """The registers of the number itself."""
        value = self.values[name]
        return Span(self.table_of(value), value.at, WORDS[value.type])

    def spans(self, name: str) -> tuple[Span, ...]:
        """All registers a value is made of: its number and its scale register."""
        value = self.values[name]
        own = self.span(name)
        if value.scale_register is None:
            return (own,)
        return own, Span(own.table, value.scale_register.at, WORDS[value.scale_register.type])

    def guard_spans(self) -> tuple[Span, ...]:
        return tuple(Span(TABLES[self.table], guard.at, 1) for guard in self.guards)

    @property
    def reach(self) -> int:
        """One past the highest address used; a base must leave room for it."""
        ends = [span.end for name in self.values for span in self.spans(name)]
        return max(ends + [span.end for span in self.guard_spans()])


def _fits(path: tuple[str | int, ...], pattern: str, kind: str) -> Iterator[Complaint]:
    digits = WORDS[kind] * 4
    if len(pattern) != digits + 2:
        yield path, "config.out_of_range", _range(pattern, f"0x and {digits} hex digits for {kind}")


def _range(found: object, expected: str) -> dict[str, object]:
    return {"found": found, "expected": expected}
