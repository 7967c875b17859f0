"""What every piece of a plan has in common: the words it is made of, and that unknown keys are refused."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from typing import Annotated

import msgspec

from mrv import strict
from mrv.binding import POINT_ID
from mrv.errors import BadInput
from mrv.methodology import catalogue, units
from mrv.number import in_bounds
from mrv.strict import Complaint

Id = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9-]{0,31}$", examples=["roof-1"])]
PointId = Annotated[str, msgspec.Meta(pattern=POINT_ID, examples=["CH-1"])]
Name = Annotated[str, msgspec.Meta(pattern=catalogue.SYMBOL, max_length=32, examples=["EF_RE"])]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
Digest = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$", examples=["9f86d081884c7d65..."])]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A piece of a plan."""


class Provenance(Part, frozen=True, kw_only=True):
    """Where a value comes from, so that a verifier finds it: document, its date, page or table or letter number."""

    document: Text
    date: date
    locator: Text


def amount(value: Decimal, unit: str) -> Iterator[Complaint]:
    """What is wrong with a number and its unit as such."""
    if not in_bounds(value):
        yield (("value",), "plan.number_too_long", {"found": value})
    try:
        units.unit(unit)
    except BadInput as error:
        yield from strict.passed_on(("unit",), error)


def unique(path: strict.Path, ids: list[str]) -> Iterator[Complaint]:
    """Each entry of a list has its own id."""
    for number, name in enumerate(ids):
        if name in ids[:number]:
            yield ((*path, number, "id"), "plan.id_twice", {"id": name})


def forwards(name: str, start: date | None, end: date | None) -> Iterator[Complaint]:
    """`end`, the field `name`, does not come before `start`."""
    if start is not None and end is not None and end < start:
        yield ((name,), "plan.days_backwards", {"start": start, "end": end})
