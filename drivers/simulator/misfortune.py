"""What can go wrong in a scenario, as a person writes it: one struct per fault, `docs/simulator.md` says them in words.

When it happens is the same for all: `at` after the start, `for` so long. Faults that happen to requests can also be
counted: each fifth (`every: 5`), after the first ten (`skip: 10`), three times (`times: 3`). What each does to a wire
or to a meter is said elsewhere (`effects`, `history`); here is only what may be asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Annotated, Literal

import msgspec

from mrv.binding import METER_ID
from mrv.strict import Complaint

Duration = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,6}(\.[0-9]{1,3})?(ms|s|m|h)$")]
Id = Annotated[str, msgspec.Meta(pattern=METER_ID)]
Name = Annotated[str, msgspec.Meta(pattern="^[a-z0-9_]{1,64}$")]
#: Register words as a reading carries them: {"h:40": "43663333"}, zero-based wire addresses.
Raw = dict[str, str]
Count = Annotated[int, msgspec.Meta(ge=1, le=1_000_000)]
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """A duration in seconds."""
    unit = text.lstrip("0123456789.")
    return float(text.removesuffix(unit)) * _UNITS[unit]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A section of a scenario."""


class Once(Part, frozen=True, kw_only=True, tag_field="fault"):
    """Something that changes the world at one moment, for good."""

    at: Duration = "0s"

    @property
    def begin(self) -> float:
        return seconds(self.at)

    @property
    def end(self) -> float:
        return float("inf")


class Lasting(Once, frozen=True, kw_only=True):
    """Something that is so for a while; without `for`, for ever."""

    lasts: Duration | None = msgspec.field(name="for", default=None)

    @property
    def end(self) -> float:
        return self.begin + seconds(self.lasts) if self.lasts else float("inf")


class Counted(Lasting, frozen=True, kw_only=True):
    """Something that happens to requests while it lasts: all of them, or those counted out."""

    #: Requests that pass unharmed first.
    skip: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 0
    #: Of those that follow, each `every`-th.
    every: Count = 1
    #: Not more often than this.
    times: Count | None = None

    @property
    def is_counted(self) -> bool:
        return bool(self.skip) or self.every > 1 or self.times is not None

    def hits(self, number: int) -> bool:
        """Whether it happens to request `number` (from 1) since it began."""
        after = number - self.skip
        if after < 1 or after % self.every:
            return False
        return self.times is None or after // self.every <= self.times


class OnWire(Counted, frozen=True, kw_only=True):
    """Something between meter and gateway: of one meter, or of everything on a line."""

    meter: Id | None = None
    line: Id | None = None

    def check(self) -> Iterator[Complaint]:
        if (self.meter is None) == (self.line is None):
            yield ("meter",), "scenario.one_target", {}


# -- between meter and gateway ---------------------------------------------------------------------------------------


class Late(OnWire, frozen=True, kw_only=True, tag="late"):
    """The reply comes `delay` late."""

    delay: Duration


class Silent(OnWire, frozen=True, kw_only=True, tag="silent"):
    """No reply."""


class Busy(OnWire, frozen=True, kw_only=True, tag="busy"):
    """Exception 6 (busy) or 5 (acknowledged, wait)."""

    code: Literal[5, 6] = 6


class Refuses(OnWire, frozen=True, kw_only=True, tag="exception"):
    """Any other exception: 1 to 4 of the meter, 10 and 11 of a gateway."""

    code: Literal[1, 2, 3, 4, 10, 11]


class Crc(OnWire, frozen=True, kw_only=True, tag="crc"):
    """A bit flips on a serial line."""


class Short(OnWire, frozen=True, kw_only=True, tag="short"):
    """A well-formed reply with `missing` registers fewer than asked for."""

    missing: Annotated[int, msgspec.Meta(ge=1, le=125)] = 1


class Cut(OnWire, frozen=True, kw_only=True, tag="cut"):
    """The frame breaks off after `size` bytes; a TCP connection ends there."""

    size: Annotated[int, msgspec.Meta(ge=0, le=259)] = 5


class WrongUnit(OnWire, frozen=True, kw_only=True, tag="wrong_unit"):
    """The reply carries another unit id."""

    unit: Annotated[int, msgspec.Meta(ge=0, le=255)]


class Doubled(OnWire, frozen=True, kw_only=True, tag="doubled"):
    """The reply comes twice, the second time `gap` later."""

    gap: Duration = "0s"


class HangsUp(OnWire, frozen=True, kw_only=True, tag="hangs_up"):
    """A TCP connection ends instead of a reply."""


class SlowGateway(Counted, frozen=True, kw_only=True, tag="slow_gateway"):
    """Every reply of the line takes `delay` longer: a gateway that serves others first."""

    line: Id
    delay: Duration


class Echo(Lasting, frozen=True, kw_only=True, tag="echo"):
    """The adapter of a serial line gives back what is sent through it."""

    line: Id


class SecondMaster(Lasting, frozen=True, kw_only=True, tag="second_master"):
    """Somebody else asks `unit` for registers on this serial line, every `pause`; question and answer are heard."""

    line: Id
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)]
    pause: Duration = "1s"


class UsbLoss(Lasting, frozen=True, kw_only=True, tag="usb_loss"):
    """The serial port vanishes and comes back under another number, behind the same link."""

    line: Id


class GatewayGone(Lasting, frozen=True, kw_only=True, tag="gateway_gone"):
    """Nobody listens at the line's port any more; connections end."""

    line: Id


# -- in the meter ----------------------------------------------------------------------------------------------------


class Zeros(Counted, frozen=True, kw_only=True, tag="zeros"):
    """All values read 0, counters too: what some inverters say when they wake."""

    meter: Id


class NotANumber(Counted, frozen=True, kw_only=True, tag="nan"):
    """These values (default: all that are read) show the meter's mark for "no value"."""

    meter: Id
    values: tuple[Name, ...] = ()


class Torn(Counted, frozen=True, kw_only=True, tag="torn"):
    """A part of a value's registers still shows what was true `lag` ago.

    `low` and `high`: that half of the number's registers. `scale`: its scale register. `terms`: the further numbers
    that are added to it (the MWh beside the Wh).
    """

    meter: Id
    value: Name
    part: Literal["low", "high", "scale", "terms"] = "low"
    lag: Duration


class Stale(Lasting, frozen=True, kw_only=True, tag="stale"):
    """Every register keeps what it showed at `at`."""

    meter: Id


class Asleep(Lasting, frozen=True, kw_only=True, tag="asleep"):
    """An inverter without sun: it does not answer, and for `waking` after that says what is not so."""

    meter: Id
    how: Literal["silent", "exception", "nan"] = "silent"
    waking: Duration = "0s"
    wakes: Literal["zeros", "nan", "stale"] = "zeros"


class Reset(Once, frozen=True, kw_only=True, tag="reset"):
    """Its counters start again, at `to` kWh."""

    meter: Id
    to: Decimal = Decimal(0)


class Rollover(Once, frozen=True, kw_only=True, tag="rollover"):
    """Its counter has stood so high that it starts again at 0 at `at`; after `modulus` kWh, or after its registers'."""

    meter: Id
    modulus: Decimal | None = None


class Swapped(Once, frozen=True, kw_only=True, tag="swapped"):
    """Another meter hangs there: other serial number, other counter, perhaps another model."""

    meter: Id
    serial: str | None = None
    firmware: str | None = None
    opening: Decimal = Decimal(0)
    profile: str | None = None
    words: Raw = msgspec.field(default_factory=dict)


class CtRatio(Lasting, frozen=True, kw_only=True, tag="ct_ratio"):
    """Its current transformer is set to another ratio: it shows `factor` of the true currents, and counts that."""

    meter: Id
    factor: Decimal
    #: The settings registers that show the change.
    words: Raw = msgspec.field(default_factory=dict)


class ReversedCt(Lasting, frozen=True, kw_only=True, tag="reversed_ct"):
    """The current transformer of one phase looks the wrong way."""

    meter: Id
    phase: Literal[1, 2, 3]


class Sqrt3(Lasting, frozen=True, kw_only=True, tag="sqrt3"):
    """Phase voltages show what stands between two phases, or the other way round."""

    meter: Id
    shows: Literal["line_as_phase", "phase_as_line"] = "line_as_phase"


class DuplicateId(Lasting, frozen=True, kw_only=True, tag="duplicate_id"):
    """The meter answers to `unit` as well, which another one has."""

    meter: Id
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)]


class Keypad(Lasting, frozen=True, kw_only=True, tag="keypad"):
    """Somebody changed its settings at the meter: the order of registers within a number, or what `words` show."""

    meter: Id
    word_order: Literal["big", "little"] | None = None
    words: Raw = msgspec.field(default_factory=dict)


Wire = Late | Silent | Busy | Refuses | Crc | Short | Cut | WrongUnit | Doubled | HangsUp
OnLine = SlowGateway | Echo | SecondMaster | UsbLoss | GatewayGone
OnMeter = (
    Zeros | NotANumber | Torn | Stale | Asleep | Reset | Rollover | Swapped | CtRatio | ReversedCt | Sqrt3
    | DuplicateId | Keypad
)  # fmt: skip
Misfortune = Wire | OnLine | OnMeter

#: Only a serial line, or RTU frames in a TCP stream, can have these.
SERIAL_ONLY = (Crc, Echo, SecondMaster, DuplicateId)
KINDS: dict[str, type[Once]] = {str(kind.__struct_config__.tag): kind for kind in Misfortune.__args__}
