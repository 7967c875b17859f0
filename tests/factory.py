"""A factory for as long as one likes: ten meters read every minute, and everything that happens to one in a year.

    factory = Factory(days=40, start=date(2026, 12, 1))
    for leaves in factory.run():        # a bundle's worth at a time, each ending with a summary
        ...
    factory.records                     # what the office enters: the exchange, the late certificate

A PV plant and nine chillers. On days of its own (see `Story`): the gateway is off for three hours, one chiller's meter
is silent for six, one is exchanged, one calibration lapses, the plan gets a new emission factor. Readings are written
directly as canonical bytes, for a year has five million of them.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
from site_log import SiteLog

from drivers.profiles import library
from mrv import codec
from mrv.binding import Binding, BoundMeter, Settings
from mrv.plan import MonitoringPlan
from mrv.reading import Gap, GapReason

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000
CHILLERS = tuple(range(1, 10))
PROFILE = "eastron_sdm630"
SHA = "cd" * 32
#: Summaries gathered into one bundle.
PER_BUNDLE = 8


@dataclass(frozen=True, kw_only=True)
class Story:
    """On which day (counted from the first) what happens; None: not at all."""

    outage: int = 3
    silent: int = 6
    exchange: int = 9
    #: Chiller 7's calibration falls due on this day and is done `late` days after it.
    due: int = 12
    late: int = 10
    new_plan: int = 20


def provenance(what: str) -> dict[str, str]:
    return {"document": f"PDD, {what}", "date": "2025-06-01", "locator": "section C.2"}


def number(value: str, unit: str, what: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "provenance": provenance(what)}


@dataclass(kw_only=True)
class Factory:
    """Energy is kept in whole Wh per meter, so that what a report should come to is known exactly here."""

    days: int
    start: date
    story: Story = field(default_factory=Story)
    key: str = "key"
    records: list[str] = field(default_factory=list)
    #: Wh that truly flowed per meter, and per local year: what registers show telescopes to it.
    true: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.begin = int(datetime(self.start.year, self.start.month, self.start.day, tzinfo=ZONE).timestamp() * 1000)
        self.end = self.begin + self.days * DAY
        self.meters = ["pv-main", *(f"chiller-{n}" for n in CHILLERS)]
        self.counts = {name: [0, 0] for name in self.meters}  # Wh imported, Wh exported, as the register shows
        self.log = SiteLog(plan=self.plan(), binding=self.binding(), start=self.begin, key=self.key)
        self._words = self._template()

    # -- plan and wiring ---------------------------------------------------------------------------------------

    def day(self, number_of: int) -> date:
        return self.start + timedelta(days=number_of)

    def plan(self, *, changed: bool = False) -> MonitoringPlan:
        """The plan; `changed`: its second version, with another factor of the grid from `story.new_plan` on."""
        points = [self._point("PV-AC", "AC output of the rooftop plant", "pv", None)]
        points += [self._point(f"CH-{n}", f"Electricity of chiller {n} alone", f"ch{n}", n) for n in CHILLERS]
        people = [{"role": "MRV officer", "duty": "signs the monthly check", "name": "Nguyen Van A"}]
        pv = {
            "id": "pv",
            "title": "Rooftop PV of the factory",
            "methodology": "VN_AM007_ver01.0",
            "generators": [],
            "responsible": people,
            "estimates": [{"year": year, "tonnes": 150} for year in (2026, 2027)],
            "items": [
                {"id": "roof", "ex_ante": {"EF_RE": number("0.333", "tCO2/MWh", "PV")}, "monitored": {"EG": _EG}}
            ],
        }
        items = [
            {
                "id": f"chiller-{n}",
                "ex_ante": {"COP_PJ": number(f"6.{n}", "1", "COP"), "COP_RE": number("5.2", "1", "reference")},
                "monitored": {"EC": {"plus": [{"point": f"CH-{n}", "register": "active_energy_import"}]}},
            }
            for n in CHILLERS
        ]
        chillers = {
            "id": "chillers",
            "title": "Nine high-efficiency chillers",
            "methodology": "EFFICIENCY_RATIO_ver01.0",
            "generators": [],
            "responsible": people,
            "ex_ante": {"EF_elec": number("0.66" if changed else "0.68", "tCO2/MWh", "grid factor")},
            "items": items,
        }
        plain = {
            "site": "demo-factory",
            "timezone": str(ZONE),
            "period": 900,
            "min_coverage": "0",
            "points": points,
            "projects": [pv, chillers],
        }
        if changed:
            plain |= {"from": str(self.day(self.story.new_plan)), "amends": {"what": "new factor", "approval": "JC 7"}}
        return msgspec.convert(plain, MonitoringPlan)

    def _point(self, name: str, scope: str, serial: str, chiller: int | None) -> dict[str, Any]:
        due = self.day(self.story.due) if chiller == 7 else date(2028, 1, 1)
        certificate = {"number": f"K-{serial}", "laboratory": "Metrology centre", "accreditation": "VILAS 001"}
        device = {
            "device": "meter",
            "serial": f"S-{serial}",
            "make": "Eastron",
            "model": "SDM630",
            "accuracy": "class 0.5 S",
            "standard": "IEC 62053-22",
            "mpe": {"value": "0.5", "unit": "%"},
            "installed": "2025-01-15",
            "certificates": [certificate | {"done": "2024-01-10", "due": str(due)}],
        }
        return {"id": name, "scope": scope, "evidence": "meter", "diagram": f"Q-{name}", "devices": [device]}

    def binding(self, *, exchanged: bool = False) -> Binding:
        meters = [BoundMeter(meter="pv-main", point="PV-AC", profile=PROFILE, every=60, serial="S-pv")]
        for n in CHILLERS:
            serial = "S-ch3-new" if exchanged and n == 3 else f"S-ch{n}"
            meters.append(BoundMeter(meter=f"chiller-{n}", point=f"CH-{n}", profile=PROFILE, every=60, serial=serial))
        return Binding(site="demo-factory", meters=tuple(sorted(meters, key=lambda m: m.meter)))

    # -- time --------------------------------------------------------------------------------------------------

    def run(self) -> Iterator[list[bytes]]:
        """Leaves in bundles; the last leaf of each is a summary."""
        summaries = 0
        for slot in range(self.begin, self.end + MINUTE, MINUTE):
            self._flow(slot)
            self._happens(slot)
            for name in self.meters:
                if self._reads(name, slot):
                    self._read(name, slot)
            if slot % (15 * MINUTE) == 0 and not self._on(slot, self.story.outage, 1, 3):
                self._close(slot)
                summaries += 1
                if summaries % PER_BUNDLE == 0:
                    yield from self._bundle()
        yield from self._bundle()

    def _bundle(self) -> Iterator[list[bytes]]:
        last = max((i for i, data in enumerate(self.log.leaves) if b'"k":"summary"' in data), default=-1)
        if last >= 0:
            self.log.judgements.clear()
            made, self.log.leaves = self.log.leaves[: last + 1], self.log.leaves[last + 1 :]
            yield made

    def _on(self, slot: int, day: int, hour: float, hours: float) -> bool:
        first = self.begin + day * DAY + int(hour * HOUR)
        return first <= slot < first + hours * HOUR

    def _reads(self, name: str, slot: int) -> bool:
        down = self._on(slot, self.story.outage, 1, 3)
        silent = name == "chiller-5" and self._on(slot, self.story.silent, 9, 6)
        gone = name == "chiller-3" and self._on(slot, self.story.exchange, 10, 0.5)
        return not (down or silent or gone)

    def _flow(self, slot: int) -> None:
        """What every meter counts in the minute before `slot`; counters run on whether or not they are read."""
        hour = (slot - self.begin) % DAY / HOUR
        sun = max(0.0, math.sin((hour - 6) / 12 * math.pi))
        self._count("pv-main", 1, int(300_000 * sun / 60)) if sun else self._count("pv-main", 0, 5)
        for n in CHILLERS:
            if n == 3 and self._on(slot, self.story.exchange, 10, 0.5):
                continue  # nothing hangs on the line while the meter is exchanged
            self._count(f"chiller-{n}", 0, int((20_000 + 2_000 * n) * (0.4 + 0.6 * sun) / 60))

    def _count(self, name: str, side: int, wh: int) -> None:
        self.counts[name][side] += wh
        self.true[name] = self.true.get(name, 0) + (wh if side or name != "pv-main" else -wh)

    def _happens(self, slot: int) -> None:
        at = self.begin + self.story.exchange * DAY + 10 * HOUR
        if slot == at:
            self._old = self.counts["chiller-3"][0]
        if slot == at + HOUR // 2:
            self.log.configure(slot, self.plan(), self.binding(exchanged=True))
            self.records.append(self._exchange(at))
            self.counts["chiller-3"] = [250, 0]
        if slot == self.begin + self.story.new_plan * DAY:
            self.log.configure(
                slot, self.plan(changed=True), self.binding(exchanged=self.story.new_plan > self.story.exchange)
            )
            self.records.append(self._certificate())

    # -- leaves ------------------------------------------------------------------------------------------------

    def _template(self) -> str:
        """The raw words of a reading, with a place for those of both counters: they follow each other."""
        profile = library()[PROFILE]
        words = dict.fromkeys(codec.addresses(profile, Settings(), profile.read), 0)
        for name, value in (("voltage_l1", 231.5), ("voltage_l2", 230.25), ("voltage_l3", 229.0), ("frequency", 50.0)):
            at = profile.values[name].at
            words["i", at], words["i", at + 1] = struct.unpack(">2H", struct.pack(">f", value))
        at = profile.values["active_energy_import"].at
        words |= {("i", at + i): word for i, word in enumerate((0x0123, 0x4567, 0x89AB, 0xCDEF))}
        raw = ",".join(f'"{key}":"{text}"' for key, text in sorted(codec.pack(words).items()))
        return raw.replace("0123456789abcdef", "{counted}")

    def _read(self, name: str, slot: int) -> None:
        """A reading leaf, spelled as mrv.leaf spells it (a test compares)."""
        counted = struct.pack(">2f", *(wh / 1000 for wh in self.counts[name]))
        registers = [f"{value:.3f}" for value in struct.unpack(">2f", counted)]
        raw = self._words.format(counted=counted.hex())
        ts = slot + 100
        boottime, config = ts - self.log.era_offset, self.log.config_number
        self.log.add_bytes(
            f'{{"b":1,"bt":{boottime},"c":"S","cf":{config},"k":"reading","m":"{name}",'
            f'"r":{{"1.8.0":"{registers[0]}","2.8.0":"{registers[1]}"}},"raw":{{{raw}}},"slot":{slot},"ts":{ts}}}'.encode()
        )

    def _close(self, slot: int) -> None:
        for span in self.log.book.uncovered(slot + MINUTE):
            down = self._on(span.start, self.story.outage, 1, 3)
            self.log.add(
                Gap(
                    **self.log.stamp(max(slot, span.end)),
                    meter=span.meter,
                    config=self.log.config_number,
                    start=span.start,
                    end=span.end,
                    why=GapReason.DOWN if down else GapReason.TIMEOUT,
                )
            )
        self.log.close()

    # -- papers ------------------------------------------------------------------------------------------------

    def _instant(self, ms: int) -> str:
        return datetime.fromtimestamp(ms / 1000, ZONE).isoformat()

    def _exchange(self, at: int) -> str:
        sides = (("removed", "S-ch3", at, self._old), ("installed", "S-ch3-new", at + HOUR // 2, 250))
        said = [
            f"  {name}: {{meter: chiller-3, serial: {serial}, at: '{self._instant(ms)}',"
            f" registers: {{active_energy_import: {wh / 1000:.3f}}}}}"
            for name, serial, ms, wh in sides
        ]
        head = ["- kind: exchange", "  site: demo-factory", "  who: Chief electrician", "  point: CH-3"]
        return "\n".join([*head, "  reason: display dark", *said, f"  document: {SHA}", ""])

    def _certificate(self) -> str:
        done = self.day(self.story.due + self.story.late)
        return (
            "- kind: certificate\n  site: demo-factory\n  who: MRV officer\n  point: CH-7\n  serial: S-ch7\n"
            f"  number: K-late\n  laboratory: Metrology centre\n  done: {done}\n  due: 2030-01-01\n"
            f"  as_found: [{{error: 0.3}}]\n  document: {SHA}\n"
        )


_EG = {
    "plus": [{"point": "PV-AC", "register": "active_energy_export"}],
    "minus": [{"point": "PV-AC", "register": "active_energy_import"}],
}
