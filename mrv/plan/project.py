"""One JCM project in a plan: who, what, since when, fed by what, expected to save how much."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Literal

import msgspec

from mrv import strict
from mrv.plan.metering import Quantity
from mrv.plan.parameters import ExAnte, Item, Term, Terms
from mrv.plan.part import Id, Name, Part, Text, unique
from mrv.strict import Complaint


class Participant(Part, frozen=True, kw_only=True):
    """A project participant as in the PDD."""

    name: Text
    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", examples=["VN"])]
    role: Text | None = None


class Person(Part, frozen=True, kw_only=True):
    """Who answers for a part of the monitoring: a row of the monitoring structure sheet."""

    role: Text
    duty: Text
    name: Text | None = None


class GeneratorSet(Part, frozen=True, kw_only=True):
    """A captive generator set of the site. `standby` never runs beside the grid, `parallel` may."""

    id: Id
    mode: Literal["standby", "parallel"]
    power: Quantity | None = None
    fuel: Text | None = None


class Estimate(Part, frozen=True, kw_only=True):
    """What the PDD expects of one calendar year, in whole tonnes."""

    year: Annotated[int, msgspec.Meta(ge=2013, le=2100)]
    tonnes: Annotated[int, msgspec.Meta(ge=0)]


class Project(Part, frozen=True, kw_only=True):
    """One JCM project (or one that hopes to be).

    `generators` declares every generator set; an empty list says there is none, and left out nothing is known.
    `grid` is false where the plant never sees the national grid.
    """

    id: Id
    title: Text
    #: The reference number, once it is registered.
    reference: Text | None = None
    #: Identity and version in one, as JCM spreadsheets spell it: VN_AM007_ver01.0.
    methodology: str
    participants: tuple[Participant, ...] = ()
    crediting_start: date | None = None
    #: Last day of the crediting period.
    crediting_end: date | None = None
    operation_start: date | None = None
    #: The metering boundary in words: what lies between equipment and meters (step-up losses, batteries).
    boundary: Text | None = None
    grid: bool = True
    generators: tuple[GeneratorSet, ...] | None = None
    #: How the errors of meter, CT and VT make that of their chain. Provisional: no JCM text was read.
    error_rule: Literal["sum"] = "sum"
    estimates: tuple[Estimate, ...] = ()
    responsible: tuple[Person, ...] = ()
    ex_ante: dict[Name, ExAnte] = msgspec.field(default_factory=dict)
    monitored: dict[Name, Terms] = msgspec.field(default_factory=dict)
    items: Annotated[tuple[Item, ...], msgspec.Meta(min_length=1, max_length=1000)]

    @property
    def supply(self) -> tuple[Literal["grid", "captive"], ...]:
        """What feeds the site, as far as declared. A standby set counts: which one ran at an instant is not known."""
        captive: tuple[Literal["captive"], ...] = ("captive",) if self.generators else ()
        return ("grid", *captive) if self.grid else captive

    def check(self) -> Iterator[Complaint]:
        if self.crediting_start and self.crediting_end and self.crediting_end < self.crediting_start:
            yield (("crediting_end",), "plan.crediting_backwards", {"start": self.crediting_start})
        yield from unique(("items",), [item.id for item in self.items])
        yield from unique(("generators",), [one.id for one in self.generators or ()])
        if not self.grid and not self.generators:
            yield (("generators",), "plan.no_supply", {})
        years = [estimate.year for estimate in self.estimates]
        for number, year in enumerate(years):
            if year in years[:number]:
                yield (("estimates", number, "year"), "plan.id_twice", {"id": year})

    def parameters(self) -> Iterator[tuple[strict.Path, str, str, Terms]]:
        """Every monitored parameter: its place in the plan, its symbol, its item (empty: of the project)."""
        for symbol, terms in self.monitored.items():
            yield ("monitored", symbol), symbol, "", terms
        for number, item in enumerate(self.items):
            for symbol, terms in item.monitored.items():
                yield ("items", number, "monitored", symbol), symbol, item.id, terms

    def terms(self) -> Iterator[tuple[strict.Path, Term]]:
        """Every register the project is credited by, with its place in the plan."""
        for path, _, _, terms in self.parameters():
            for side, listed in (("plus", terms.plus), ("minus", terms.minus)):
                for number, term in enumerate(listed):
                    yield (*path, side, number), term
