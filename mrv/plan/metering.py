"""Where something is measured, with what chain of devices, how well, and what papers prove it.

The chain of a point is its meter and the transformers in front of it. Each has a maximum permissible error (MPE) with
its unit written out, because a filed sheet once applied 0.2 as 20 %, and the certificates of its calibrations. What
late calibration does to a figure is decided in `mrv.crediting`, not here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Literal

import msgspec

from mrv.errors import BadInput
from mrv.methodology import units
from mrv.plan.part import Digest, Part, PointId, Provenance, Text, amount, forwards
from mrv.strict import Complaint

#: No metering device that may be credited is worse; a percentage written as a share of one is.
WORST = Fraction(1, 10)


class Share(Part, frozen=True, kw_only=True):
    """A relative error. The unit is written out: 0.2 with unit "%" is 0.002."""

    value: Decimal
    unit: Literal["%", "1"]

    @property
    def share(self) -> Fraction:
        return Fraction(self.value) * units.unit(self.unit).factor

    def check(self) -> Iterator[Complaint]:
        complaints = tuple(amount(self.value, self.unit))
        yield from complaints
        if not complaints and abs(self.share) > WORST:
            yield (("value",), "plan.error_implausible", {"found": f"{self.value} {self.unit}", "share": self.share})


class Quantity(Part, frozen=True, kw_only=True):
    """A number with its unit."""

    value: Decimal
    unit: str

    def check(self) -> Iterator[Complaint]:
        yield from amount(self.value, self.unit)
        if self.value <= 0:
            yield (("value",), "plan.not_positive", {"found": self.value})

    @property
    def coherent(self) -> Fraction:
        """The value in coherent units (mrv.methodology.units)."""
        return Fraction(self.value) * units.unit(self.unit).factor


class Rated(Part, frozen=True, kw_only=True):
    """What the equipment behind a point can draw or give at most: bounds, never a value that is credited.

    `power` is the rated electrical input (of a plant: output), `hours` how many hours a year it can run at most.
    """

    power: Quantity
    hours: Annotated[int, msgspec.Meta(ge=1, le=8784)] | None = None
    source: Text | None = None

    def check(self) -> Iterator[Complaint]:
        try:
            fits = units.unit(self.power.unit).dimension == units.unit("kW").dimension
        except BadInput:  # said where the unit stands
            return
        if not fits:
            yield (("power", "unit"), "plan.unit_dimension", {"symbol": "power", "found": self.power.unit} | _KW)


_KW = {"expected": "kW"}


class Certified(Part, frozen=True, kw_only=True):
    """One calibration. `due` is the day by which the next has to be done; `document` the SHA-256 of the paper."""

    number: Text
    laboratory: Text
    #: Of the laboratory: which body accredited it, under which number.
    accreditation: Text | None = None
    done: date
    due: date
    #: Error found before and left after adjustment, where the certificate gives one for the whole range.
    as_found: Share | None = None
    as_left: Share | None = None
    document: Digest | None = None

    def check(self) -> Iterator[Complaint]:
        if self.due <= self.done:
            yield (("due",), "plan.days_backwards", {"start": self.done, "end": self.due})


class Device(Part, frozen=True, kw_only=True):
    """A meter or transformer at a point, from one day until another. Removed ones stay in the plan."""

    device: Literal["meter", "ct", "vt"]
    serial: Text
    make: Text | None = None
    model: Text | None = None
    #: Accuracy class and the standard it is of.
    accuracy: Text | None = None
    standard: Text | None = None
    #: As on the nameplate: 400/5.
    ratio: Annotated[str, msgspec.Meta(pattern="^[1-9][0-9]{0,5}/[1-9][0-9]{0,3}$", examples=["400/5"])] | None = None
    burden: Text | None = None
    seals: tuple[Text, ...] = ()
    #: SHA-256 of photos: nameplate, seals, as wired.
    photos: tuple[Digest, ...] = ()
    mpe: Share
    installed: date | None = None
    removed: date | None = None
    certificates: tuple[Certified, ...] = ()

    def check(self) -> Iterator[Complaint]:
        if self.mpe.value <= 0:
            yield (("mpe", "value"), "plan.not_positive", {"found": self.mpe.value})
        yield from forwards("removed", self.installed, self.removed)


class Point(Part, frozen=True, kw_only=True):
    """Where something is measured.

    `evidence` is what the instrument counts for: a `meter` is certified to a metering standard and may be credited;
    a `check` meter or the registers of an `inverter` are only ever compared with it; at an `invoice` point the power
    company's meter stands, known by its bills alone.
    """

    id: PointId
    #: What the point measures, and what else hangs on the same line.
    scope: Text
    evidence: Literal["meter", "check", "inverter", "invoice"]
    #: Its tag on the single-line diagram.
    diagram: Text | None = None
    #: Where the registered plan names this instrument although it is no certified meter: then it is credited.
    accepted: Provenance | None = None
    #: Nothing is credited from it before this local day.
    commissioned: date | None = None
    rated: Rated | None = None
    #: The metering chain: every meter and transformer that stood here.
    devices: tuple[Device, ...] = ()
    #: The point whose energy this one must show as well, within the accuracy of both.
    checks: PointId | None = None

    @property
    def creditable(self) -> bool:
        """Whether own measurements here may be credited."""
        return self.evidence == "meter" or (self.accepted is not None and self.evidence != "invoice")

    def check(self) -> Iterator[Complaint]:
        serials = [(device.device, device.serial) for device in self.devices]
        for number, key in enumerate(serials):
            if key in serials[:number]:
                yield (("devices", number, "serial"), "plan.id_twice", {"id": key[1]})
        if self.checks is not None and self.evidence not in ("check", "inverter"):
            yield (("checks",), "plan.checks_by_meter", {"evidence": self.evidence})
