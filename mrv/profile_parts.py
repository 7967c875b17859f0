"""What one quantity of a meter is made of: number types, the words of a value, and everything that scales it.

Parts of `mrv.profile`, which says what they add up to. Pure and serialisable like it: each part travels in the log
inside a profile. A part grows by optional fields only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from mrv.number import in_bounds
from mrv.strict import Complaint

#: Key of a table in `raw` (mrv.reading): `h` holding registers (function 3), `i` input registers (function 4).
Table = Literal["h", "i"]
TableName = Literal["holding", "input"]
TABLES: dict[str, Table] = {"holding": "h", "input": "i"}

Order = Literal["big", "little"]
NumberType = Literal[
    "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64",
    "acc32", "acc64", "sunssf", "iskra_t5", "iskra_t6", "iskra_t7",
]  # fmt: skip
#: Registers (16 bit) each type takes. acc32, acc64 and sunssf are SunSpec's accumulators and power-of-ten factor;
#: iskra_t5 is an 8-bit decimal exponent before a 24-bit mantissa, iskra_t6 the same with a signed mantissa, iskra_t7 a
#: power factor.
WORDS: dict[str, int] = {
    "int16": 1,
    "uint16": 1,
    "sunssf": 1,
    "int32": 2,
    "uint32": 2,
    "acc32": 2,
    "float32": 2,
    "iskra_t5": 2,
    "iskra_t6": 2,
    "iskra_t7": 2,
    "int64": 4,
    "uint64": 4,
    "acc64": 4,
    "float64": 4,
}

Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,64}$", examples=["active_energy_import"])]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Address = Annotated[int, msgspec.Meta(ge=0, le=65535)]
#: Register words as they stand on the wire, most significant first after ordering: "0x8000", "0x7FC00000". A lower
#: case x is a digit that may be anything: "0x7FFFxxxx".
Pattern = Annotated[str, msgspec.Meta(pattern="^0x([0-9A-Fx]{4}){1,4}$", examples=["0x7FC00000"])]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
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


class ScaleRegister(Part, frozen=True, kw_only=True):
    """A register that scales one value and changes while the meter runs, so it is read in the same request.

    `power_of_ten` multiplies by 10 to its content, `multiply` by its content, `divide` by one over it; the content is
    first multiplied by `scale`. 0 is no factor: the value is absent then.
    """

    at: Address
    type: NumberType
    kind: Literal["power_of_ten", "multiply", "divide"]
    scale: Decimal = Decimal(1)

    def check(self) -> Iterator[Complaint]:
        yield from bounded(("scale",), self.scale)


class Step(Part, frozen=True, kw_only=True):
    """`factor` for contents below `below` (and not below an earlier step's); without `below`, for all that are left."""

    factor: Decimal
    below: Decimal | None = None

    def check(self) -> Iterator[Complaint]:
        yield from bounded(("factor",), self.factor)
        if self.below is not None and not in_bounds(self.below):
            yield ("below",), "config.out_of_range", out_of(self.below, "a number of at most 30 digits")


class Factor(Part, frozen=True, kw_only=True):
    """A setting of the meter that scales values, by name in `Profile.factors`; read in the same reading.

    Its content comes from a register (`at`, `type`) or is what a person read from the meter's menu and wrote into the
    site's `parameters` under this factor's name; never both. The content is multiplied by `scale`, then by the
    factors named in `times`. `multiply` and `divide` use the result as it is, `power_of_ten` as 10 to it, `steps` looks
    it up. A content of 0 for the first two, or one no step covers, is no factor: the values are absent.
    """

    kind: Literal["multiply", "divide", "power_of_ten", "steps"]
    at: Address | None = None
    type: NumberType | None = None
    table: TableName | None = None
    byte_order: Order | None = None
    word_order: Order | None = None
    scale: Decimal = Decimal(1)
    times: tuple[Name, ...] = ()
    steps: tuple[Step, ...] = ()
    #: What the technician looks for, and the unit he writes it in.
    note: Text | None = None

    @property
    def is_parameter(self) -> bool:
        return self.at is None

    def check(self) -> Iterator[Complaint]:
        yield from bounded(("scale",), self.scale)
        if (self.at is None) != (self.type is None):
            yield ("type",), "meter.factor_half_described", {}
        if (self.kind == "steps") != bool(self.steps):
            yield ("steps",), "meter.factor_steps", {"kind": self.kind}
        open_ended = [index for index, step in enumerate(self.steps[:-1]) if step.below is None]
        bounds = [step.below for step in self.steps if step.below is not None]
        if open_ended or bounds != sorted(set(bounds)):
            yield ("steps",), "meter.factor_steps_order", {}


class Term(Part, frozen=True, kw_only=True):
    """A further number that is added to a value's own: the second tariff, the MWh part, the high three digits."""

    at: Address
    type: NumberType
    #: Register content to the measurand's unit, as `Value.scale`.
    scale: Decimal = Decimal(1)
    #: Contents above this mean nothing: 999 for a group of three decimal digits.
    most: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None

    def check(self) -> Iterator[Complaint]:
        yield from bounded(("scale",), self.scale)


class Sign(Part, frozen=True, kw_only=True):
    """A register of its own that says which sign a magnitude has; any other content is no value."""

    at: Address
    type: NumberType
    negative: Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1)]
    positive: Annotated[tuple[Pattern, ...], msgspec.Meta(min_length=1)]

    def check(self) -> Iterator[Complaint]:
        for field in ("negative", "positive"):
            for index, pattern in enumerate(getattr(self, field)):
                yield from fits((field, index), pattern, self.type)


class Value(Part, frozen=True, kw_only=True):
    """One quantity of the meter, in the measurand's unit, to `decimals` places:

        (number x scale + the terms of `plus`) x sign x scale register x the factors named in `scaled_by`

    `decimals` is the resolution a reading is written with: a float32 is its exact value rounded half to even to it.
    Everything but the factors arrives in one request.
    """

    at: Address
    type: NumberType
    decimals: Annotated[int, msgspec.Meta(ge=0, le=9)]
    #: Register content to the measurand's unit: 0.001 for Wh into kWh.
    scale: Decimal = Decimal(1)
    scale_register: ScaleRegister | None = None
    table: TableName | None = None
    byte_order: Order | None = None
    word_order: Order | None = None
    #: Content that means "no value", besides what the device says for the type.
    sentinels: tuple[Pattern, ...] = ()
    #: Register counts after which the device documents that it starts again at 0; absent when it documents nothing.
    #: With `plus`, counts of the whole number in units of `scale`.
    modulus: Annotated[int, msgspec.Meta(ge=2, le=2**53 - 1)] | None = None
    #: Must be asked for alone: the device answers something else inside a larger read.
    alone: bool = False
    #: This row in particular rests on one source, or on a related model.
    confidence: Literal["high", "medium", "low"] | None = None
    note: Text | None = None
    plus: tuple[Term, ...] = ()
    sign: Sign | None = None
    #: Contents above this mean nothing (as in Term).
    most: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None
    #: Names in `Profile.factors`.
    scaled_by: tuple[Name, ...] = ()
    #: Stands on the secondary side: multiplied by these ratios (Profile.ratio) it is what the circuit carries. An
    #: instantaneous value is decoded with the ratio, a counter is not: its differences are (codec.ratio).
    ratio: Literal["ct", "vt", "ct_vt"] | None = None
    #: The step the meter really counts in, in the measurand's unit, where that is coarser than the number's own step.
    resolution: Decimal | None = None
    #: `four_quadrant`: a power factor from -2 to 2 that folds at 1 and -1 (Schneider).
    decode: Literal["plain", "four_quadrant"] = "plain"
    #: The row was seen in one source only, or is inferred from a related model.
    basis: Literal["single_source", "inferred"] | None = None

    def check(self) -> Iterator[Complaint]:
        for index, pattern in enumerate(self.sentinels):
            yield from fits(("sentinels", index), pattern, self.type)
        yield from bounded(("scale",), self.scale)
        if self.resolution is not None and not (in_bounds(self.resolution) and self.resolution > 0):
            yield ("resolution",), "config.out_of_range", out_of(self.resolution, "a number above 0")
        if self.ratio and (self.plus or self.sign) and self.decode != "plain":
            yield ("decode",), "config.not_allowed", {"found": self.decode, "allowed": "plain"}


def bounded(path: tuple[str | int, ...], number: Decimal) -> Iterator[Complaint]:
    if not (in_bounds(number) and number):
        yield path, "config.out_of_range", out_of(number, "a number other than 0, of at most 30 digits")


def fits(path: tuple[str | int, ...], pattern: str, kind: str) -> Iterator[Complaint]:
    digits = WORDS[kind] * 4
    if len(pattern) != digits + 2:
        yield path, "config.out_of_range", out_of(pattern, f"0x and {digits} hex digits for {kind}")


def out_of(found: object, expected: str) -> dict[str, object]:
    return {"found": found, "expected": expected}
