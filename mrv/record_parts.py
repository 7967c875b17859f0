"""What every office record is made of: the fields they share, and the checks of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated

import msgspec

from mrv import strict
from mrv.binding import METER_ID, POINT_ID
from mrv.errors import BadInput
from mrv.exchange import SITE_ID
from mrv.methodology import units
from mrv.number import in_bounds
from mrv.profile import MEASURANDS
from mrv.strict import Complaint

SHA256 = "^[0-9a-f]{64}$"

Digest = Annotated[str, msgspec.Meta(pattern=SHA256)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]
Word = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Site = Annotated[str, msgspec.Meta(pattern=SITE_ID)]
PointId = Annotated[str, msgspec.Meta(pattern=POINT_ID)]
MeterId = Annotated[str, msgspec.Meta(pattern=METER_ID)]


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A piece of a record."""


class Record(Part, frozen=True, kw_only=True, tag_field="kind"):
    """What every record says: for which site, and which person answers for it (`who`, a name as on the paper).

    `corrects` is the digest of the earlier record of the same kind that this one replaces; it needs `why`.
    """

    site: Site
    who: Word
    note: Text | None = None
    corrects: Digest | None = None
    why: Text | None = None

    def check(self) -> Iterator[Complaint]:
        yield from correction(self)


def correction(record: Record) -> Iterator[Complaint]:
    if record.corrects is not None and record.why is None:
        yield (("why",), "records.why_missing", {})


def span(start: datetime, end: datetime, path: strict.Path = ("end",)) -> Iterator[Complaint]:
    if end <= start:
        yield (path, "records.span_backwards", {"start": start.isoformat()})


def both_sides(one: dict[str, Decimal], other: dict[str, Decimal]) -> Iterator[Complaint]:
    for name in sorted(one.keys() ^ other.keys()):
        yield ((), "records.one_sided", {"register": name})


def amount(value: Decimal, unit: str) -> Iterator[Complaint]:
    if not in_bounds(value):
        yield (("value",), "records.number_too_long", {"found": value})
    try:
        units.unit(unit)
    except BadInput as error:
        yield from strict.passed_on(("unit",), error)


def registers(found: dict[str, Decimal]) -> Iterator[Complaint]:
    for name, value in found.items():
        yield from register(("registers", name), name)
        if not in_bounds(value) or value < 0:
            yield (("registers", name), "records.number_too_long", {"found": value})


def register(path: strict.Path, name: str) -> Iterator[Complaint]:
    known = [known for known, measurand in MEASURANDS.items() if measurand.cumulative]
    if name not in known:
        yield (path, "plan.register_unknown", {"register": name, "known": ", ".join(known)})
