"""Random plans and histories of meters, from a seed: for bounds that must hold whatever happened, and for determinism.

python tests/credit_random.py FIRST COUNT      one line each: the digest of the crediting of seed FIRST, FIRST + 1, ...
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))

from mrv import leaf
from mrv.binding import BoundMeter
from mrv.crediting.engine import credit
from mrv.crediting.result import Crediting, canonical
from mrv.crediting.sealed import Evidence, Sealed
from mrv.errors import BadInput
from mrv.leaf import Usage, UsedRegister
from mrv.methodology import catalogue
from mrv.period import in_ms
from mrv.plan import (
    Certified,
    Device,
    ExAnte,
    Item,
    MonitoringPlan,
    Point,
    Project,
    Provenance,
    Quantity,
    Rated,
    Share,
    Term,
    Terms,
)
from mrv.plan.versions import ApprovedPlan

SAID = Provenance(document="the test", date=date(2026, 1, 1), locator="given")
START, END = datetime(2026, 6, 1, tzinfo=UTC), datetime(2027, 6, 1, tzinfo=UTC)
OBIS = {"active_energy_import": "1.8.0", "active_energy_export": "2.8.0"}
#: Energy of one hour is below this (kWh); the points are rated with it.
MOST = 100


@dataclass
class Truth:
    """What really flowed at a point, kWh by register: all of it, and what no register ever saw."""

    flowed: dict[str, int] = field(default_factory=dict)
    unseen: dict[str, int] = field(default_factory=dict)


@dataclass
class History:
    """Evidence with the truth behind it."""

    evidence: Evidence
    truth: dict[str, Truth]


def value(amount: str, unit: str) -> ExAnte:
    return ExAnte(value=Decimal(amount), unit=unit, provenance=SAID)


def term(point: str, register: str) -> Term:
    return Term(point=point, register=register)


def history(seed: int, *, loss_free: bool = False) -> History:
    """A few items and a year of their meters: gaps, and unless `loss_free` resets, holds and late certificates."""
    random = Random(seed)
    pv = random.random() < 0.5
    items, points, truth, usages = [], [], {}, []
    for number in range(random.randint(1, 3)):
        name = f"P{number}"
        items.append(_item(random, f"i{number}", name, pv=pv))
        points.append(_point(random, name, loss_free=loss_free))
        truth[name], made = _metered(random, name, loss_free=loss_free)
        usages += made
    project = Project(
        id="p",
        title="Random",
        methodology="VN_AM007_ver01.0" if pv else "EFFICIENCY_RATIO_ver01.0",
        ex_ante={} if pv else {"EF_elec": value(f"0.{random.randint(10, 99)}", "tCO2/MWh")},
        items=tuple(items),
    )
    plans = [_plan(project, tuple(points), None)]
    if random.random() < 0.4:
        plans.append(
            _plan(_changed(random, project), tuple(points), date(2026, random.randint(7, 12), random.randint(1, 28)))
        )
    random.shuffle(usages)
    evidence = Evidence(
        project="p",
        start=in_ms(START),
        end=in_ms(END),
        plans=tuple(ApprovedPlan(plan=p, digest=leaf.digest(leaf.canonical(p)), at=n) for n, p in enumerate(plans)),
        sealed=tuple(usages),
        papers=(),
        methodologies=catalogue.library(),
    )
    return History(evidence, truth)


def _item(random: Random, name: str, point: str, *, pv: bool) -> Item:
    if pv:
        terms = Terms(plus=(term(point, "active_energy_export"),), minus=(term(point, "active_energy_import"),))
        return Item(
            id=name, ex_ante={"EF_RE": value(f"0.{random.randint(10, 99)}", "tCO2/MWh")}, monitored={"EG": terms}
        )
    cops = {"COP_PJ": value(f"{random.randint(2, 9)}.{random.randint(0, 9)}", "1"), "COP_RE": value("4.5", "1")}
    return Item(id=name, ex_ante=cops, monitored={"EC": Terms(plus=(term(point, "active_energy_import"),))})


def _point(random: Random, name: str, *, loss_free: bool) -> Point:
    done = date(2024, random.randint(1, 12), 15)
    due = done + timedelta(days=random.choice([5000] if loss_free else [5000, 800, 1000]))
    certificate = Certified(number="1", laboratory="a laboratory", done=done, due=due)
    device = Device(device="meter", serial=name, mpe=Share(value=Decimal("0.5"), unit="%"), certificates=(certificate,))
    rated = Rated(power=Quantity(value=Decimal(MOST), unit="kW"))
    return Point(id=name, scope="all of it", evidence="meter", rated=rated, devices=(device,))


def _plan(project: Project, points: tuple[Point, ...], starts: date | None) -> MonitoringPlan:
    return MonitoringPlan(
        site="random", timezone="Asia/Ho_Chi_Minh", period=3600, starts=starts, points=points, projects=(project,)
    )


def _changed(random: Random, project: Project) -> Project:
    """The same project with other factors."""
    factor = value(f"0.{random.randint(10, 99)}", "tCO2/MWh")
    if project.ex_ante:
        return _with(project, {"EF_elec": factor}, project.items)
    return _with(
        project, {}, tuple(Item(id=i.id, ex_ante={"EF_RE": factor}, monitored=i.monitored) for i in project.items)
    )


def _with(project: Project, ex_ante: dict[str, ExAnte], items: tuple[Item, ...]) -> Project:
    return Project(id="p", title="Random", methodology=project.methodology, ex_ante=ex_ante, items=items)


def _metered(random: Random, point: str, *, loss_free: bool) -> tuple[Truth, list[Sealed]]:
    """A year in pieces of whole hours; registers go on, or start again after hours that no register saw."""
    truth = Truth(dict.fromkeys(OBIS, 0), dict.fromkeys(OBIS, 0))
    made: list[Sealed] = []
    counts = {name: random.randint(0, 10**6) for name in OBIS}
    bound = BoundMeter(meter=point.lower(), point=point, profile="any", every=3600, serial=point)
    stood = START
    for start, end in _pieces(random):
        if not loss_free and end != END and random.random() < 0.15:
            # The register of [stood, end) is gone: it starts again at 0 at `end`.
            for name in OBIS:
                flowed = _flow(random, stood, end)
                truth.flowed[name] += flowed
                truth.unseen[name] += flowed
                counts[name] = 0
            stood = end
            continue
        if random.random() < 0.25 and end != END:
            continue  # nobody read at `end`: what flows is in the next difference
        made.append(_usage(random, bound, start, end, stood, counts, truth, loss_free=loss_free))
        stood = end
    return truth, made


def _pieces(random: Random) -> Iterator[tuple[datetime, datetime]]:
    """The year in pieces; the local new year is among the bounds now and then, as a real site would have it."""
    hours = int((END - START) / timedelta(hours=1))
    marks = sorted({0, hours, *(random.randint(1, hours - 1) for _ in range(random.randint(3, 12)))})
    for first, last in pairwise(marks):
        yield START + timedelta(hours=first), START + timedelta(hours=last)


def _flow(random: Random, start: datetime, end: datetime) -> int:
    return random.randint(0, MOST * int((end - start) / timedelta(hours=1)))


def _usage(
    random: Random,
    bound: BoundMeter,
    start: datetime,
    end: datetime,
    stood: datetime,
    counts: dict[str, int],
    truth: Truth,
    *,
    loss_free: bool,
) -> Sealed:
    registers = {}
    for name, obis in OBIS.items():
        flowed = _flow(random, stood, end)
        truth.flowed[name] += flowed
        opening, counts[name] = counts[name], counts[name] + flowed
        registers[obis] = UsedRegister(opening=str(opening), closing=str(counts[name]), used=str(flowed))
    held = not loss_free and random.random() < 0.1
    usage = Usage(
        meter=bound.meter,
        config=0,
        start=in_ms(start),
        end=in_ms(end),
        expected=10,
        read=10,
        gap=0,
        opened=in_ms(stood),
        closed=in_ms(end),
        registers=registers,
        flags=("held",) if held else (),
    )
    return Sealed(usage=usage, bound=bound, digest=leaf.digest(leaf.encode(usage)))


def credited(found: Crediting, source: str) -> Fraction:
    """What the source counts for over all segments, in its unit."""
    rows = [t for s in found.segments for row in s.monitored for t in row.terms if t.source == source]
    return sum((row.corrected for row in rows), Fraction(0))


def main(first: int, count: int) -> None:
    for seed in range(first, first + count):
        try:
            sys.stdout.write(leaf.digest(canonical(credit(history(seed).evidence))) + "\n")
        except BadInput as error:
            sys.stdout.write(f"{[fault.code for fault in error.faults]}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))

__all__ = ["History", "Truth", "credited", "history"]
