"""A meter model as a value: where its words stand and what they mean.

Profiles are written by people as YAML (docs/profiles.md), carried in the log as canonical JSON and read again by the
office and the auditor, so this module must not know a bus, a file or a clock. It only ever grows by optional fields:
a field left at its default is not written (`omit_defaults`), so an old profile keeps its digest, and an old reader
refuses a profile that says more than it understands instead of decoding it wrongly.

One profile is one map. A family with two maps (another firmware, another setting) is two profiles that name each
other in `variants`: the digest an office approves then says exactly which registers were read, and a judge chooses
nothing.

Addresses are zero-based as on the wire. In a `relative` profile they are offsets from the address given as `base`
in the wiring (SunSpec: the model id register). Everything else a value needs stands in its own entry or, as the
device's default, at the top.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec

from mrv import profile_check
from mrv.binding import Settings
from mrv.measurand import MEASURANDS
from mrv.profile_device import (
    Chain,
    Confidence,
    Evidence,
    Guard,
    Item,
    Limits,
    Line,
    Ratio,
    Requirement,
    Stretch,
    Timing,
    Variant,
)
from mrv.profile_parts import (
    TABLES,
    WORDS,
    Address,
    Factor,
    Name,
    NumberType,
    Order,
    Part,
    Pattern,
    ScaleRegister,
    Sign,
    Span,
    Step,
    Table,
    TableName,
    Term,
    Text,
    Value,
)
from mrv.strict import Complaint

__all__ = [
    "MEASURANDS", "TABLES", "WORDS", "Address", "Chain", "Evidence", "Factor", "Guard", "Item", "Limits", "Line",
    "Name", "NumberType", "Order", "Pattern", "Profile", "Ratio", "Requirement", "ScaleRegister", "Sign", "Span",
    "Step", "Stretch", "Table", "Term", "Timing", "Value", "Variant",
]  # fmt: skip

ProfileId = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_]{0,47}$", examples=["eastron_sdm630"])]
#: How a three-phase total comes about. `vector`: phases are netted first. `per_phase`: each phase's import and export
#: is counted by itself. `absolute`: both directions are added. `configurable`: one of these, set in the meter and
#: given in site.yaml. `netted` is the older word for `vector`; both are read, so that no profile ever written changes.
Summation = Literal["vector", "per_phase", "absolute", "configurable", "netted", "unknown"]


class Profile(Part, frozen=True, kw_only=True):
    """One meter family, read one way."""

    id: ProfileId
    #: Grows by one whenever a reading could decode differently.
    revision: Annotated[int, msgspec.Meta(ge=1)]
    maker: Text
    models: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    kind: Literal["meter", "inverter"]
    confidence: Confidence
    #: Where every number here was read; public documents or code with their revision.
    sources: Annotated[tuple[Text, ...], msgspec.Meta(min_length=1)]
    caveats: tuple[Text, ...] = ()
    table: TableName
    relative: bool = False
    #: Order of the bytes within a register, and of the registers within a number (Settings override both).
    byte_order: Order = "big"
    word_order: Order = "big"
    limits: Limits = Limits()
    #: Content that means "no value", by type. A float that is not a number never is a value.
    sentinels: dict[NumberType, tuple[Pattern, ...]] = msgspec.field(default_factory=dict)
    summation: Summation = "unknown"
    guards: tuple[Guard, ...] = ()
    #: By the measurand's name in lower case (mrv.measurand).
    values: dict[Name, Value]
    #: Values that only make sense together: always in one request.
    atomic: tuple[tuple[Name, ...], ...] = ()
    #: What an agent reads at every slot, unless told otherwise.
    read: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1)]
    #: `usable`: somebody else stated what words of its energy registers mean. `experimental`: only after someone
    #: compared it with the display. `documented`: known, but not fit to be read (site.yaml refuses it).
    status: Literal["usable", "experimental", "documented"] = "usable"
    ratio: Ratio | None = None
    #: Settings of the meter that scale values, by name.
    factors: dict[Name, Factor] = msgspec.field(default_factory=dict)
    line: Line | None = None
    timing: Timing | None = None
    #: All of it must hold for a device to be taken for this one; the last rule that names models names the model.
    identify: tuple[Evidence, ...] = ()
    serial_number: Item | None = None
    firmware: Item | None = None
    #: Settings that, when they change, make it another meter: ratios, wiring, unit prefix, order, summation.
    fingerprint: tuple[Item, ...] = ()
    #: Settings without which this map is not true.
    requires: tuple[Requirement, ...] = ()
    variants: tuple[Variant, ...] = ()
    #: The SunSpec model whose id register `base` is, for the walk through the chain.
    sunspec: Chain | None = None
    #: What must be so before it answers at all ("Modbus is off by default"), shown on refusal and silence.
    prerequisites: tuple[Text, ...] = ()
    #: Where its settings are on its own keys and display: there is no write code.
    keypad: tuple[Text, ...] = ()

    def check(self) -> Iterator[Complaint]:
        yield from profile_check.faults(self)

    @property
    def counters(self) -> tuple[str, ...]:
        """The values that count for ever: what a reading keeps in `registers`."""
        return tuple(name for name in self.values if name in MEASURANDS and MEASURANDS[name].cumulative)

    def table_of(self, value: Value) -> Table:
        return TABLES[value.table or self.table]

    def span(self, name: str) -> Span:
        """The registers of the number itself."""
        value = self.values[name]
        return Span(self.table_of(value), value.at, WORDS[value.type])

    def number_spans(self, name: str) -> tuple[Span, ...]:
        """The registers of the number and of what is added to it."""
        value = self.values[name]
        own = self.span(name)
        return (own, *(Span(own.table, term.at, WORDS[term.type]) for term in value.plus))

    def spans(self, name: str) -> tuple[Span, ...]:
        """All registers of one request a value is made of: its number, terms, sign and scale register."""
        value = self.values[name]
        spans = self.number_spans(name)
        further = (part for part in (value.sign, value.scale_register) if part is not None)
        return spans + tuple(Span(spans[0].table, part.at, WORDS[part.type]) for part in further)

    def factor_spans(self, names: tuple[str, ...]) -> tuple[Span, ...]:
        """The registers of all factors the values `names` are scaled by, their ratios' too; sorted."""
        found = set()
        for name in self.factor_names(names):
            factor = self.factors[name]
            if factor.at is not None and factor.type is not None:
                found.add(Span(TABLES[factor.table or self.table], factor.at, WORDS[factor.type]))
        return tuple(sorted(found))

    def factor_names(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """The factors behind the values `names`, each once, sorted."""
        pending = {factor for name in names for factor in (*self.values[name].scaled_by, *self.ratio_names(name))}
        pending |= {inner for name in pending for inner in self.factors[name].times}
        return tuple(sorted(pending))

    def ratio_names(self, name: str) -> tuple[str, ...]:
        """The factors that make the ratio of value `name`."""
        return self.ratio.names(self.values[name].ratio) if self.ratio else ()

    def guard_spans(self) -> tuple[Span, ...]:
        return tuple(Span(TABLES[self.table], guard.at, 1) for guard in self.guards)

    @property
    def reach(self) -> int:
        """One past the highest address used; a base must leave room for it."""
        ends = [span.end for name in self.values for span in self.spans(name)]
        ends += [span.end for span in self.factor_spans(tuple(self.values))]
        return max(ends + [span.end for span in self.guard_spans()])

    def adapted(self, settings: Settings) -> Profile:
        """This profile as the meter with `settings` needs it read: other orders or another table than the default.

        Rows that state an order or a table of their own keep it, and so does the order of text.
        """
        wanted = {"table": settings.table, "byte_order": settings.byte_order, "word_order": settings.word_order}
        changes = {field: found for field, found in wanted.items() if found is not None}
        return msgspec.structs.replace(self, **changes) if changes else self
