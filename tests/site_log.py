"""A log as a site would write it, built leaf by leaf: for tests of whoever judges it.

log = SiteLog()                      # genesis, blobs, boot, clock, config of the demo factory at T0
log.read("pv-main", T0, export="10.000")
log.gap("pv-main", T0 + 10_000, T0 + 20_000)
log.close()                          # usages and summary of every period that is due
"""

from __future__ import annotations

import struct
from functools import cache
from pathlib import Path

import msgspec

from drivers.profiles import library
from mrv import codec, events, identity, leaf
from mrv.binding import Binding, BoundMeter, Settings
from mrv.book import Book, Judgement
from mrv.leaf import AnyLeaf, Boot, Clock, Config, Genesis, MeterEvent
from mrv.methodology import catalogue
from mrv.period import TZDATA_VERSION, first_slot
from mrv.plan import MonitoringPlan, load
from mrv.profile import Profile
from mrv.reading import ClockState, Gap, GapReason, Quality, Reading

ROOT = Path(__file__).resolve().parents[1]
#: 2026-03-02T00:00:00Z, a Monday, on every grid.
T0 = 1_772_409_600_000
ORIGIN = "example.org/mrv/demo-factory/k1"
EVERY = 10


@cache
def _example() -> MonitoringPlan:
    return load((ROOT / "config" / "plan.yaml").read_text(), "plan.yaml").value


def demo_plan(**changes: object) -> MonitoringPlan:
    """config/plan.yaml with a period of one minute and without the inverter's point, unless changed."""
    plan = _example()
    points = tuple(point for point in plan.points if point.id != "PV-INV")
    return msgspec.structs.replace(plan, **{"period": 60, "min_coverage": 0, "points": points, **changes})


def demo_binding(**changes: object) -> Binding:
    """The three meters of the demo factory, polled every ten seconds; keyword = settings of that meter."""
    meters = (
        BoundMeter(meter="chiller-1", point="CH-1", profile="eastron_sdm630", every=EVERY),
        BoundMeter(meter="pv-main", point="PV-AC", profile="eastron_sdm630", every=EVERY),
    )
    return Binding(site="demo-factory", meters=tuple(msgspec.structs.replace(m, **changes) for m in meters))


class SiteLog:
    """Leaves and the Book that follows them. Time is what the methods are told."""

    def __init__(
        self,
        *,
        plan: MonitoringPlan | None = None,
        binding: Binding | None = None,
        clock: ClockState = ClockState.SYNCHRONISED,
        start: int = T0,
        key: str = "key",
        site: str = "demo-factory",
        epoch: int = 1,
        own: tuple[catalogue.Methodology, ...] = (),
        profiles: tuple[Profile, ...] = (),
    ) -> None:
        self.profiles = {profile.id: profile for profile in profiles}
        self.methodologies = catalogue.library() | catalogue.by_name(own)
        self.leaves: list[bytes] = []
        self.book = Book(verify=False)
        self.judgements: list[Judgement] = []
        self.boot_number, self.era_offset, self.clock_state, self.config_number = 1, start - 1_000_000, clock, 0
        origin = ORIGIN.replace("demo-factory", site).removesuffix("1") + str(epoch)
        self.add(Genesis(version=1, site=site, origin=origin, epoch=epoch, key=key, ts=start, enrolled="tofu"))
        self.boot(start, number=1)
        self.clock(start, clock, why="start")
        self.configure(start, plan or demo_plan(), binding or demo_binding())

    # -- leaves ------------------------------------------------------------------------------------------------

    def add(self, fact: AnyLeaf) -> Judgement | None:
        return self.add_bytes(leaf.encode(fact))

    def add_bytes(self, data: bytes) -> Judgement | None:
        self.leaves.append(data)
        judgement = self.book.add(data)
        if judgement is not None:
            self.judgements.append(judgement)
        return judgement

    def stamp(self, ts: int) -> dict[str, object]:
        return {"boot": self.boot_number, "boottime": ts - self.era_offset, "ts": ts, "clock": self.clock_state}

    def boot(self, ts: int, *, number: int) -> None:
        self.boot_number = number
        self.add(Boot(**self.stamp(ts), kernel=f"kernel-{number}", agent="test", clean=True))

    def clock(self, ts: int, state: ClockState, *, why: str = "sync", step: int = 0) -> None:
        """A clock leaf at `ts` as the old era has it; `step` moves the wall clock."""
        boottime = ts - self.era_offset
        self.era_offset, self.clock_state = ts + step - boottime, state
        self.add(Clock(**self.stamp(ts + step), why=why, source="kernel", step=step))

    def configure(self, ts: int, plan: MonitoringPlan, binding: Binding) -> None:
        profiles = {m.profile: self.profile(m.profile) for m in binding.meters}
        methods = {p.methodology: self.methodologies[p.methodology] for p in plan.projects}
        for content in (plan, binding, *profiles.values(), *methods.values()):
            for blob in leaf.blobs(leaf.canonical(content)):
                self.add(blob)
        self.config_number += 1
        self.add(
            Config(
                **self.stamp(ts),
                number=self.config_number,
                agent="test",
                tzdata=TZDATA_VERSION,
                plan=leaf.digest(leaf.canonical(plan)),
                binding=leaf.digest(leaf.canonical(binding)),
                profiles={name: leaf.digest(leaf.canonical(p)) for name, p in profiles.items()},
                methodologies={name: leaf.digest(leaf.canonical(m)) for name, m in methods.items()},
            )
        )

    def profile(self, name: str) -> Profile:
        """The site's own of this name, before that of the library."""
        return self.profiles.get(name) or library()[name]

    def read(
        self,
        meter: str,
        ts: int,
        *,
        kwh: float = 0,
        export: float = 0,
        slotted: bool = True,
        quality: Quality = Quality.GOOD,
        late: int = 100,
    ) -> Judgement | None:
        """A reading taken `late` ms after slot `ts`: SDM630 import and export registers as float32 words."""
        return self.add(self.reading(meter, ts, kwh=kwh, export=export, slotted=slotted, quality=quality, late=late))

    def reading(
        self,
        meter: str,
        ts: int,
        *,
        kwh: float = 0,
        export: float = 0,
        slotted: bool = True,
        quality: Quality = Quality.GOOD,
        late: int = 100,
    ) -> Reading:
        meters = self.book.binding.meters if self.book.binding else ()
        bound = next((one for one in meters if one.meter == meter), None)
        profile = self.profile(bound.profile if bound else "eastron_sdm630")
        settings = bound.settings if bound else Settings()
        values = struct.unpack(">4H", struct.pack(">2f", kwh, export))
        words = {("i", 72 + offset): word for offset, word in enumerate(values)}
        return Reading(
            **self.stamp(ts + late),
            meter=meter,
            config=self.config_number,
            slot=ts if slotted else None,
            quality=quality,
            registers=codec.registers(profile, codec.decode(profile, settings, words)),
            raw=codec.pack(words),
        )

    def gap(
        self,
        meter: str,
        start: int,
        end: int,
        *,
        now: int | None = None,
        slotted: bool = True,
        why: GapReason = GapReason.TIMEOUT,
    ) -> None:
        self.add(
            Gap(
                **self.stamp(now or max(start, end - 1)),
                meter=meter,
                config=self.config_number,
                start=start if slotted else None,
                end=end if slotted else None,
                why=why,
            )
        )

    def identify(self, meter: str, ts: int, *, event: str | None = None, who: str | None = None, **said: str) -> None:
        """What the meter says of itself, called what the agent would call it."""
        chain = self.book.chain(meter)
        assert chain is not None or event is not None
        if chain is not None and event is None:
            changed = list(identity.changed(chain.identity, said, chain.bound.serial))
            event = events.CHANGED if changed else events.IDENTITY
        self.add(
            MeterEvent(
                **self.stamp(ts),
                meter=meter,
                config=self.config_number,
                event=event or "",
                who=who,
                details=said,
            )
        )

    def fill(self, now: int) -> None:
        """Gaps for every slot before `now` that nothing covers, as the agent writes them after an outage."""
        for span in self.book.uncovered(now):
            self.gap(span.meter, span.start, span.end, now=now)

    def close(self) -> list[Judgement]:
        """Usages and summary of every period that is due."""
        done = []
        while due := self.book.due():
            settled = self.book.close(*due)
            for found in settled.decisions:
                self.add(events.decision(found, events.When(**self.stamp(due[1]))))  # type: ignore[arg-type]
            for usage in settled.usages:
                self.add(usage)
            judgement = self.add(settled.summary)
            assert judgement is not None
            done.append(judgement)
        return done

    def run(self, start: int, end: int, *, power: float = 36.0, base: float = 100.0) -> None:
        """Every meter read in every slot of [start, end) and each due period closed; `power` kW constant."""
        for ts in range(first_slot(start, EVERY), end, EVERY * 1000):
            energy = base + power * (ts - T0) / 3_600_000
            self.read("chiller-1", ts, kwh=energy)
            self.read("pv-main", ts, export=energy)
            self.close()

    # -- judging -----------------------------------------------------------------------------------------------

    def judged(self) -> tuple[Book, list[Judgement]]:
        """A second Book that decodes everything again, and its judgements."""
        book = Book()
        found = [book.add(data) for data in self.leaves]
        return book, [judgement for judgement in found if judgement is not None]


def replaced(leaves: list[bytes], index: int, **changes: object) -> list[bytes]:
    """The same log with one leaf changed as a forger would."""
    fact = leaf.decode(leaves[index])
    assert fact is not None
    return [*leaves[:index], leaf.encode(msgspec.structs.replace(fact, **changes)), *leaves[index + 1 :]]
