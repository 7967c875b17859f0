"""What a plan gives its methodology: values fixed at validation, and where each monitored parameter comes from."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from mrv.measurand import Measurand
from mrv.plan.metering import Quantity, Share
from mrv.plan.part import Id, Name, Part, PointId, Provenance, Text, amount
from mrv.profile import MEASURANDS
from mrv.strict import Complaint


class ExAnte(Part, frozen=True, kw_only=True):
    """A value fixed at validation. Changing one is a post-registration change."""

    value: Decimal
    unit: str
    provenance: Provenance

    def check(self) -> Iterator[Complaint]:
        yield from amount(self.value, self.unit)


class Term(Part, frozen=True, kw_only=True):
    """One cumulative register at one point, by its measurand's name (mrv.measurand)."""

    point: PointId
    register: str

    @property
    def measurand(self) -> Measurand:
        return MEASURANDS[self.register]

    def check(self) -> Iterator[Complaint]:
        known = [name for name, measurand in MEASURANDS.items() if measurand.cumulative]
        if self.register not in known:
            yield (("register",), "plan.register_unknown", {"register": self.register, "known": ", ".join(known)})


class Terms(Part, frozen=True, kw_only=True):
    """What a monitored parameter is made of: the sum of `plus` less the sum of `minus`, or `manual` office records.

    `option` is the registered way to know it: A, figures others publish; B, what was paid for (invoices), C, own
    measurement. With B the registers named are the cross-check, with C the invoices are; `accuracy` is that of the
    invoiced amount. `estimate` is the value expected of one year.
    """

    plus: tuple[Term, ...] = ()
    minus: tuple[Term, ...] = ()
    manual: bool = False
    option: Literal["A", "B", "C"] | None = None
    accuracy: Share | None = None
    estimate: Quantity | None = None
    #: Measuring method and procedure, and how often: columns (i) and (j) of a monitoring report sheet.
    procedure: Text | None = None
    frequency: Text | None = None

    @property
    def chosen(self) -> Literal["A", "B", "C"]:
        """The option, spelled out: own measurement unless the plan says otherwise."""
        return self.option or "C"

    def check(self) -> Iterator[Complaint]:
        if self.manual == bool(self.plus or self.minus) or (self.minus and not self.plus):
            yield ((), "plan.terms_of_nothing", {})
        if self.manual and self.option == "B":
            yield (("option",), "plan.manual_invoice", {})


class Item(Part, frozen=True, kw_only=True):
    """One unit of the project's equipment, the `i` of the equations. Nothing of it counts before its operation."""

    id: Id
    title: Text | None = None
    operation_start: date | None = None
    ex_ante: dict[Name, ExAnte] = msgspec.field(default_factory=dict)
    monitored: dict[Name, Terms] = msgspec.field(default_factory=dict)
