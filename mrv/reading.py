"""What was seen at a meter, or why nothing was: the two leaves every slot is made of.

Every (meter, slot) is covered exactly once, by a reading or by a gap. While the clock is not synchronised the slot
is absent and the leaf is keyed by boot and boottime; `mrv.period.place` finds its slot once the clock is known.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class ClockState(StrEnum):
    """How far the wall clock can be believed; the letters are those of OCMF, table 7."""

    UNKNOWN = "U"
    INFORMATIVE = "I"
    SYNCHRONISED = "S"
    RELATIVE = "R"


class Quality(StrEnum):
    """What the decoder thought of the values. Anything but good is kept and never credited without a decision."""

    GOOD = "good"
    SUSPECT = "suspect"


class GapReason(StrEnum):
    """Why a slot has no reading. The technician's text is in the catalogue as `meter.gap_<reason>`."""

    TIMEOUT = "timeout"  # no reply in time
    UNREACHABLE = "unreachable"  # no connection to the line or gateway
    EXCEPTION = "exception"  # the meter answered with a Modbus exception
    GARBLED = "garbled"  # short, wrong unit, wrong length, undecodable frame
    NOT_AVAILABLE = "not_available"  # the meter marks a credited register as NaN or not available
    LATE = "late"  # the slot was over before its turn came, or its reply came after the slot
    DOWN = "down"  # the agent was not running
    CLOCK = "clock"  # the clock stepped over the slot, or was unsynchronised
    STORAGE = "storage"  # the store could not take it
    ASLEEP = "asleep"
    QUARANTINED = "quarantined"
    MAINTENANCE = "maintenance"


class Leaf(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag_field="k"):
    """A fact of the log. Its bytes are RFC 8785 JSON, made once by `mrv.leaf.encode` and never made again."""


class Stamped(Leaf, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A fact with its place in time: boot ordinal, CLOCK_BOOTTIME ms, wall clock UTC ms and what that was worth."""

    boot: int = msgspec.field(name="b")
    boottime: int = msgspec.field(name="bt")
    ts: int
    clock: ClockState = msgspec.field(name="c")


class Reading(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="reading"):
    """One meter at one slot.

    `registers` maps OBIS codes of cumulative registers to their spelling (native counts, before any CT/PT ratio);
    `raw` maps "<table>:<address>" (`i` input, `h` holding; zero-based) to big-endian hex words, everything the
    decoder used: all other quantities can be derived from it by the profile that the config leaf `config` names.
    """

    meter: str = msgspec.field(name="m")
    config: int = msgspec.field(name="cf")
    slot: int | None = None
    quality: Quality = msgspec.field(name="q", default=Quality.GOOD)
    registers: dict[str, str] = msgspec.field(name="r")
    raw: dict[str, str]


class Gap(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="gap"):
    """Slots [start, end) of one meter without a reading.

    Both bounds are absent while the clock is unsynchronised: one missed turn. Never crosses a period bound. `raw`
    keeps what was on the wire when the words could be read but not believed.
    """

    meter: str = msgspec.field(name="m")
    config: int = msgspec.field(name="cf")
    start: int | None = msgspec.field(name="from", default=None)
    end: int | None = msgspec.field(name="to", default=None)
    why: GapReason
    raw: dict[str, str] | None = None
