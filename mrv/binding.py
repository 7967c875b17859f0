"""Which meter stands at which measuring point: the part of the wiring that carbon depends on.

Derived from `site.yaml` on the gateway, carried in the log as a blob, approved by digest at the office. Host names,
ports and unit ids are not in it: moving a gateway changes no evidence, changing a meter, its profile or its ratio does.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Annotated, Literal

import msgspec

METER_ID = "^[a-z0-9][a-z0-9-]{0,31}$"
POINT_ID = "^[A-Za-z0-9][A-Za-z0-9_.-]{0,31}$"


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """How this one meter differs from its profile's defaults."""

    #: Wire address of the SunSpec model id register, for profiles whose addresses are offsets.
    base: Annotated[int, msgspec.Meta(ge=0, le=65535)] | None = None
    word_order: Literal["big", "little"] | None = None
    #: Current transformer (and the like) as on its nameplate, "400/5": the one site constant a difference is scaled by.
    ratio: Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,5}/[1-9][0-9]{0,3}$", examples=["400/5"])] | None = None

    @property
    def factor(self) -> Fraction:
        """What a difference of native counts is multiplied by."""
        return Fraction(self.ratio) if self.ratio else Fraction(1)


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
