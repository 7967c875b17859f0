"""The sealed usages of a site's admitted summaries, with where they stand: what is credited, and what a trace walks.

Read from the archive in one pass over the landmark leaves of each log (readings are not touched). The summaries were
judged when they came; here they are only counted again.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from collector.archive import Archive
from collector.registry import SiteKey
from collector.report.material import Happened, Wired
from mrv import events, leaf
from mrv.binding import Binding, BoundMeter
from mrv.content import Content
from mrv.crediting.sealed import Sealed
from mrv.errors import Fault, fault
from mrv.leaf import Blob, Clock, Config, MeterEvent, Summary, Usage
from mrv.profile import MEASURANDS, Profile
from mrv.redecode import Again, Fix

#: Kinds that say what readings mean and what they added up to.
_KINDS = ("blob", "clock", "config", "meter", "usage", "summary")
#: A wall clock that moves less than this (ms) when it is set is in order.
_SET = 1000


@dataclass(slots=True)
class SiteUsages:
    """The admitted usages of one site. `places`: digest of a usage leaf -> (origin, index)."""

    sealed: list[Sealed] = field(default_factory=list)
    places: dict[str, tuple[str, int]] = field(default_factory=dict)
    wired: list[Wired] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    contents: dict[str, Content] = field(default_factory=dict)
    configs: dict[str, dict[int, Config]] = field(default_factory=dict)
    happened: list[Happened] = field(default_factory=list)
    #: (origin, meter) -> (when, what the meter said it is).
    identities: dict[tuple[str, str], list[tuple[int, str]]] = field(default_factory=dict)
    #: Profiles that turned out wrong, and what decoding again makes of usages, by digest (mrv.redecode).
    fixes: tuple[Fix, ...] = ()
    again: dict[str, Again] = field(default_factory=dict)

    def told(self) -> tuple[Wired, ...]:
        """The wiring, each entry with what its meter said next, or last."""
        return tuple(replace(one, said=self._said(one)) for one in self.wired)

    def _said(self, one: Wired) -> str:
        known = self.identities.get((one.origin, one.meter), [])
        return next((said for at, said in known if at >= one.since), known[-1][1] if known else "")


def collect(archive: Archive, keys: tuple[SiteKey, ...], start: int, end: int) -> SiteUsages:
    """Every usage of an admitted summary that overlaps [start, end), of all key epochs, in the order of the logs."""
    found = SiteUsages()
    for key in keys:
        admitted = {row.idx for row in archive.admitted(key.origin, start, end)}
        _Log(archive, key.origin, admitted, found).walk()
    return found


@dataclass(slots=True)
class _Log:
    archive: Archive
    origin: str
    admitted: set[int]
    found: SiteUsages
    content: Content = field(default_factory=Content)
    configs: dict[int, Config] = field(default_factory=dict)
    bindings: dict[int, dict[str, BoundMeter]] = field(default_factory=dict)
    profiles: dict[str, str] = field(default_factory=dict)
    #: Of the period that is being read.
    decisions: list[MeterEvent] = field(default_factory=list)

    def walk(self) -> None:
        waiting: list[tuple[int, bytes]] = []
        size = self.archive.head(self.origin).size
        for index, data in self.archive.indexed(self.origin, 0, size, _KINDS):
            if b'"k":"usage"' in data:  # decoded once their summary is known to count
                waiting.append((index, data))
            else:
                self._other(index, data, waiting)
        self.found.contents[self.origin], self.found.configs[self.origin] = self.content, self.configs

    def _other(self, index: int, data: bytes, waiting: list[tuple[int, bytes]]) -> None:
        fact = leaf.decode(data)
        match fact:
            case Usage():
                waiting.append((index, data))
            case Summary():
                if index in self.admitted:
                    self._take(waiting)
                waiting.clear()
                self.decisions.clear()
            case MeterEvent(event=events.DECISION):
                self.decisions.append(fact)
            case MeterEvent(event=events.IDENTITY | events.CHANGED):
                self._identified(fact)
            case Clock():
                self._clock(fact)
            case Blob():
                self.content.add(fact)
            case Config():
                self._configure(fact)

    def _identified(self, fact: MeterEvent) -> None:
        said = ", ".join(f"{name} {fact.details[name]}" for name in ("serial", "firmware") if name in fact.details)
        self.found.identities.setdefault((self.origin, fact.meter), []).append((fact.ts, said))
        if fact.event == events.CHANGED:
            self._note(fact.ts, fact.meter, fault("report.meter_changed", fact.meter))

    def _clock(self, fact: Clock) -> None:
        if fact.why == "lost" or abs(fact.step) >= _SET:
            self._note(fact.ts, "", fault("report.clock", why=fact.why, source=fact.source, step=fact.step))

    def _note(self, at: int, meter: str, what: Fault) -> None:
        self.found.happened.append(Happened(origin=self.origin, at=at, meter=meter, what=what))

    def _take(self, waiting: list[tuple[int, bytes]]) -> None:
        for index, data in waiting:
            usage = leaf.decode(data)
            bound = self.bindings.get(usage.config, {}).get(usage.meter) if isinstance(usage, Usage) else None
            if isinstance(usage, Usage) and bound is not None:
                digest = leaf.digest(data)
                decisions = tuple(d for d in self.decisions if (d.config, d.meter) == (usage.config, usage.meter))
                self.found.sealed.append(Sealed(usage=usage, bound=bound, digest=digest, decisions=decisions))
                self.found.places[digest] = (self.origin, index)
                self.found.counts[self.origin] = self.found.counts.get(self.origin, 0) + 1

    def _configure(self, config: Config) -> None:
        self.configs[config.number] = config
        binding = self.content.binding(config.binding)
        before, profiles = next(reversed(self.bindings.values()), {}), self.profiles
        self.profiles = config.profiles
        bound = {one.meter: one for one in binding.meters} if isinstance(binding, Binding) else {}
        self.bindings[config.number] = bound
        for name, one in bound.items():
            changed = profiles.get(one.profile, "") != config.profiles.get(one.profile, "")
            if before.get(name) != one or changed:
                self.found.wired.append(self._wired(config, one))
            if name in before and changed and one.profile in profiles:
                digests = {"before": profiles[one.profile][:16], "after": config.profiles.get(one.profile, "")[:16]}
                self._note(config.ts, name, fault("report.profile_changed", name, profile=one.profile, **digests))

    def _wired(self, config: Config, bound: BoundMeter) -> Wired:
        profile = self.content.profile(config.profiles.get(bound.profile, ""))
        return Wired(
            origin=self.origin,
            since=config.ts,
            meter=bound.meter,
            point=bound.point,
            serial=bound.serial or "",
            profile=f"{bound.profile} (revision {profile.revision})" if profile else bound.profile,
            maker=profile.maker if profile else "",
            models=", ".join(profile.models) if profile else "",
            every=bound.every,
            ratio=bound.settings.ratio or "",
            registers=tuple(_registers(profile)) if profile else (),
        )


def _registers(profile: Profile) -> Iterator[tuple[str, str, int, int | None]]:
    for name in profile.read:
        measurand, value = MEASURANDS.get(name), profile.values.get(name)
        if measurand is not None and value is not None and measurand.cumulative:
            yield name, measurand.obis, value.decimals, value.modulus
