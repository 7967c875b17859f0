"""Which meter stands at which measuring point: the part of the wiring that carbon depends on.

Derived from `site.yaml` on the gateway, carried in the log as a blob, approved by digest at the office. Host names,
ports and unit ids are not in it: moving a gateway changes no evidence, changing a meter, its profile or its ratio does.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

import msgspec

METER_ID = "^[a-z0-9][a-z0-9-]{0,31}$"
POINT_ID = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"


#: A transformer's ratio as on its nameplate: "400/5", "22000/110".
RATIO = "^[1-9][0-9]{0,5}/[1-9][0-9]{0,3}$"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How this one meter differs from its profile's defaults."""

    #: Wire address of the SunSpec model id register, for profiles whose addresses are offsets.
    base: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    word_order: Literal["big", "little"] | None = None
    #: Current transformer (and the like) as on its nameplate, "400/5": the one site constant a difference is scaled by.
    ratio: Annotated[str, msgspec.Meta(pattern=RATIO, examples=["400/5"])] | None = None
    #: Voltage transformer, where the meter stands behind one and knows nothing of it.
    vt_ratio: Annotated[str, msgspec.Meta(pattern=RATIO, examples=["22000/110"])] | None = None
    byte_order: Literal["big", "little"] | None = None
    #: Function code the device answers to, where it is not the profile's.
    table: Literal["holding", "input"] | None = None
    #: A device that counts its registers one off from the profile.
    offset: Literal[-1, 1] | None = None
    #: What a meter whose summation can be set is set to, seen at commissioning (Profile.summation).
    summation: Literal["vector", "per_phase", "absolute"] | None = None
    #: Numbers the meter shows only in its own menu, by the name of the profile's factor.
    parameters: dict[str, Decimal] = msgspec.field(default_factory=dict)
    #: Nominal volts between lines and the most amperes per phase that the circuit carries, at the primary side: how far
    #: its counters can move (mrv.limits), where the nameplate of a transformer does not say it.
    voltage: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    max_current: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None

    @property
    def factor(self) -> Fraction:
        """What a difference of native counts is multiplied by: current times voltage transformer."""
        return self.ct * self.vt

    @property
    def ct(self) -> Fraction:
        return Fraction(self.ratio) if self.ratio else Fraction(1)

    @property
    def vt(self) -> Fraction:
        return Fraction(self.vt_ratio) if self.vt_ratio else Fraction(1)

    @property
    def shift(self) -> int:
        """What is added to a profile's address to get the wire's."""
        return (self.base or 0) + (self.offset or 0)


class BoundMeter(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One meter at its point. `every` is the polling interval in seconds; slots are its multiples since the epoch."""

    meter: Annotated[str, msgspec.Meta(pattern=METER_ID)]
    point: Annotated[str, msgspec.Meta(pattern=POINT_ID)]
    profile: str
    every: Annotated[int, msgspec.Meta(ge=1, le=3600)]
    serial: str | None = None
    settings: Settings = Settings()


class Binding(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """All meters of a site, ordered by meter id. Its digest is that of `mrv.leaf.canonical(binding)`."""

    site: str
    meters: tuple[BoundMeter, ...]
