"""The one place that counts: leaves and plan -> usages and summary.

`Book` is the running account of one log. The agent feeds it every leaf it commits and asks it what is due; the
collector and the auditor feed it every leaf they received, and it judges each summary by settling the period again
from raw words (docs/wire.md, "Periods"). It never raises on what a leaf says: what is wrong becomes a finding.
It owns no clock and trusts no number it can recompute.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

from mrv import codec, leaf, number, period
from mrv.binding import Binding, BoundMeter
from mrv.content import Content
from mrv.errors import BadInput, Fault, fault
from mrv.leaf import Blob, Boot, Clock, Config, Genesis, Indicative, Summary, Usage
from mrv.measurand import BY_OBIS, Measurand
from mrv.methodology.emissions import Emissions, emissions
from mrv.period import Era, Span
from mrv.plan import MonitoringPlan, Project
from mrv.reading import ClockState, Gap, Quality, Reading, Stamped
from mrv.usage import Chain, Seen

RULES = 1
#: A reading's wall clock may differ this much (ms) from what its era says before it is a finding.
CLOCK_TOLERANCE = 1000
_WORTH = (ClockState.SYNCHRONISED, ClockState.RELATIVE, ClockState.INFORMATIVE, ClockState.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What settling a period again says of the summary a site signed."""

    summary: Summary
    digest: str
    config: Config | None
    plan: MonitoringPlan | None
    usages: tuple[Usage, ...]
    findings: tuple[Fault, ...]


class Book:
    """The running account of one log; `verify` decodes every reading again from its raw words."""

    #: Kinds that must be replayed from the start of the log when a Book is rebuilt (mrv.restore).
    LANDMARKS = frozenset({"genesis", "config", "blob", "boot", "clock", "usage", "summary"})

    def __init__(self, *, verify: bool = True) -> None:
        self.verify = verify
        self.content = Content()
        self.genesis: Genesis | None = None
        self.boot: Boot | None = None
        self.era: Era | None = None
        self.chains: list[Chain] = []
        self.seq = -1
        self.last_end: int | None = None
        self.open_findings: list[Fault] = []
        self._configs: dict[int, Config] = {}
        self._pending: list[Reading | Gap | Config] = []
        self._usages: list[bytes] = []
        self._gaps: list[Span] = []
        self._replaying = False

    # -- what is in force -------------------------------------------------------------------------------------

    @property
    def config(self) -> Config | None:
        """The newest config leaf."""
        return self._configs[max(self._configs)] if self._configs else None

    @property
    def binding(self) -> Binding | None:
        return self.content.binding(self.config.binding) if self.config else None

    @property
    def plan(self) -> MonitoringPlan | None:
        return self.content.plan(self.config.plan) if self.config else None

    def chain(self, meter: str) -> Chain | None:
        """The chain that `meter` is writing now."""
        return next((c for c in reversed(self.chains) if c.bound.meter == meter and c.end is None), None)

    def frontier(self, meter: str) -> int | None:
        """The first slot of `meter` that nobody has covered; None while its clock or config is not known."""
        chain = self.chain(meter)
        return chain.coverage.frontier if chain else None

    def uncovered(self, until: int) -> tuple[Span, ...]:
        """Expected slots before `until` that nobody has covered, in pieces a gap leaf may cover."""
        plan = self.plan
        if plan is None or self._pending:
            return ()
        tz = period.zone(plan.timezone)
        spans = []
        for chain in self.chains:
            limit = period.first_slot(until, chain.bound.every)
            for start, end in chain.coverage.holes(limit if chain.end is None else min(limit, chain.end)):
                empty = not any(other.reads(start, end) for other in self.chains)
                pieces = period.cut(start, end, plan.period, tz, empty=empty)
                spans += [Span(chain.bound.meter, first, last) for first, last in pieces]
        return tuple(spans)

    # -- adding leaves ----------------------------------------------------------------------------------------

    def add(self, data: bytes) -> Judgement | None:
        """Fold the next leaf of the log; a summary is judged."""
        try:
            fact = leaf.decode(data)
        except BadInput as error:
            self.open_findings += error.faults
            return None
        match fact:
            case Reading() | Gap():
                self._stamped(fact)
            case Usage():
                self._usages.append(data)
            case Summary():
                return self._summary(data, fact)
            case Blob():
                self._note(self.content.add(fact))
            case Config():
                self._new_config(fact)
            case Clock():
                self._clock(fact)
            case Boot():
                self._boot(fact)
            case Genesis():
                self._genesis(fact)
        return None

    def replay(self, data: bytes) -> None:
        """Fold a leaf of a log that was judged before: believed, and allowed to start anywhere (mrv.restore)."""
        self._replaying = True
        self.add(data)
        self._replaying = False

    def _note(self, found: Iterable[Fault]) -> None:
        self.open_findings += found

    def _complain(self, name: str, where: str = "", **params: object) -> None:
        self.open_findings.append(fault(f"audit.{name}", where, **params))

    def _genesis(self, fact: Genesis) -> None:
        if self.genesis is not None:
            self._complain("second_genesis", origin=fact.origin)
        else:
            self.genesis = fact

    def _boot(self, fact: Boot) -> None:
        if self.boot is not None and fact.boot < self.boot.boot:
            self._complain("boot_backwards", boot=fact.boot, held=self.boot.boot)
        self.boot = fact

    def _clock(self, fact: Clock) -> None:
        self.era = Era(boot=fact.boot, boottime=fact.boottime, ts=fact.ts, state=fact.clock)
        if fact.clock is ClockState.UNKNOWN:
            return
        waiting, self._pending = self._pending, []
        for fact_before in waiting:
            self._stamped(fact_before)

    @property
    def _clock_known(self) -> bool:
        return self.era is not None and self.era.state is not ClockState.UNKNOWN

    def _moment(self, fact: Stamped) -> int | None:
        """When `fact` happened, in UTC ms; None while that is not known."""
        if self.era is None:
            return None
        at = period.place(self.era, fact.boot, fact.boottime)
        if at is not None and not 0 < at < period.LAST:
            self._complain("time_out_of_range", ts=at)
            return None
        return at

    def _new_config(self, fact: Config) -> None:
        if fact.number in self._configs or (self._configs and fact.number < max(self._configs)):
            self._complain("config_number", number=fact.number)
            return
        self._note(self.content.missing(fact))
        self._configs[fact.number] = fact
        self._stamped(fact)

    def _stamped(self, fact: Reading | Gap | Config) -> None:
        """Cover a slot, or start a config, now or as soon as the clock is known."""
        if isinstance(fact, Config):
            at = self._moment(fact)
            if at is None:
                at = self._earliest(fact)
            if at is None:
                self._pending.append(fact)
            else:
                self._rebind(fact, at)
        elif (fact.slot if isinstance(fact, Reading) else fact.start) is None:
            self._place(fact)
        else:
            self._cover(fact)

    def _earliest(self, fact: Config) -> int | None:
        """A config of a boot whose clock was never known holds from the start of the first boot whose clock is."""
        if self.era is None or self.boot is None or fact.boot >= self.era.boot:
            return None
        return period.place(self.era, self.boot.boot, self.boot.boottime)

    def _place(self, fact: Reading | Gap) -> None:
        """A leaf without a slot: the first reading of a slot wins, all else is kept in the log as surplus."""
        if self.era is None or fact.boot > self.era.boot or (fact.boot == self.era.boot and not self._clock_known):
            self._pending.append(fact)
            return
        at, chain = self._moment(fact), self._chain_for(fact)
        if at is None or chain is None:
            return
        slot = period.slot_of(at, chain.bound.every)
        if chain.end is not None and slot >= chain.end:
            return
        if isinstance(fact, Gap):
            chain.coverage.cover(slot, slot + chain.coverage.step)
        elif chain.coverage.cover(slot, slot + chain.coverage.step):
            self._see(chain, slot, fact, ClockState.RELATIVE)

    def _chain_for(self, fact: Reading | Gap) -> Chain | None:
        found = next(
            (c for c in reversed(self.chains) if c.bound.meter == fact.meter and c.config <= fact.config), None
        )
        if found is None:
            self._complain("unknown_meter", fact.meter, config=fact.config)
        return found

    def _cover(self, fact: Reading | Gap) -> None:
        chain = self._chain_for(fact)
        if chain is None:
            return
        step = chain.coverage.step
        start, end = (fact.slot, None) if isinstance(fact, Reading) else (fact.start, fact.end)
        end = (start or 0) + step if isinstance(fact, Reading) else end
        where = f"{fact.meter} {period.instant(start).isoformat()}" if 0 < (start or 0) < period.LAST else fact.meter
        if start is None or end is None or start % step or end % step or not 0 < start < end < period.LAST:
            return self._complain("slot_off_grid", where, start=start, end=end)
        if self._replaying:
            chain.coverage.skip_to(start)
        if not chain.coverage.cover(start, end):
            return self._complain("covered_twice", where)
        if chain.end is not None and end > chain.end:
            return self._complain("not_expected", where)
        if isinstance(fact, Reading):
            self._timely(fact, start, step, where)
            self._see(chain, start, fact, fact.clock)
        else:
            self._gaps.append(Span(fact.meter, start, end))

    def _timely(self, fact: Reading, slot: int, step: int, where: str) -> None:
        """A reading was taken inside its slot, and its wall clock agrees with its era."""
        if not slot <= fact.ts < slot + step:
            self._complain("outside_slot", where, ts=fact.ts)
        at = self._moment(fact)
        if at is None or abs(at - fact.ts) > CLOCK_TOLERANCE:
            self._complain("clock_disagrees", where, ts=fact.ts, era=at)

    def _see(self, chain: Chain, slot: int, fact: Reading, clock: ClockState) -> None:
        believed = fact.quality is Quality.GOOD and (not self.verify or self._redecodes(chain, fact))
        chain.seen[slot] = Seen(fact.registers if believed else None, clock)

    def _redecodes(self, chain: Chain, fact: Reading) -> bool:
        """Whether the profile in the log reads from the raw words what the site says it read."""
        profile = self.content.profile(chain.profile)
        if profile is None:
            return False
        try:
            decoded = codec.decode(profile, chain.bound.settings, codec.unpack(fact.raw))
            registers = codec.registers(profile, decoded)
        except BadInput as error:
            self._note(error.faults)
            return False
        if registers != fact.registers:
            self._complain("registers_differ", fact.meter, site=fact.registers, recomputed=registers)
            return False
        return True

    # -- configurations ---------------------------------------------------------------------------------------

    def _rebind(self, fact: Config, at: int) -> None:
        """End the chains that `fact` no longer binds as they were, and start those it binds anew."""
        binding = self.content.binding(fact.binding)
        if binding is None:
            return
        wanted = {bound.meter: bound for bound in binding.meters}
        for chain in [c for c in self.chains if c.end is None]:
            if self._continues(chain, wanted.get(chain.bound.meter), fact):
                chain.config = fact.number
                del wanted[chain.bound.meter]
            else:
                chain.finish(at)
        self.chains += [self._started(bound, fact, at) for bound in wanted.values()]

    def _continues(self, chain: Chain, bound: BoundMeter | None, fact: Config) -> bool:
        return bound == chain.bound and fact.profiles.get(chain.bound.profile) == chain.profile

    def _started(self, bound: BoundMeter, fact: Config, at: int) -> Chain:
        digest = fact.profiles.get(bound.profile, "")
        return Chain(bound=bound, profile=digest, config=fact.number, start=at)

    # -- periods ----------------------------------------------------------------------------------------------

    def due(self) -> tuple[int, int] | None:
        """The next period that can be closed, or None: every meter has passed its end and the clock is known.

        Periods in which nobody read anything collapse into one, never across a new year.
        """
        plan, start = self.plan, self._next_start()
        if plan is None or start is None or self._pending or not self._clock_known:
            return None
        tz = period.zone(plan.timezone)
        end = period.next_bound(start, plan.period, tz)
        if not self._passed(end):
            return None
        while not self._reads(start, end) and not period.is_new_year(end, tz):
            further = period.next_bound(end, plan.period, tz)
            if not self._passed(further) or self._reads(end, further):
                break
            end = further
        return start, end

    def _next_start(self) -> int | None:
        return self.last_end if self.last_end is not None else min((c.start for c in self.chains), default=None)

    def _passed(self, bound: int) -> bool:
        return bool(self.chains) and all(chain.passed(bound) for chain in self.chains)

    def _reads(self, start: int, end: int) -> int:
        return sum(chain.reads(start, end) for chain in self.chains)

    def close(self, start: int, end: int) -> tuple[tuple[Usage, ...], Summary]:
        """Settle [start, end): the usage leaves and the summary leaf to append, in this order."""
        config, plan = self.config, self.plan
        if config is None or plan is None:
            raise BadInput(fault("audit.no_config"))
        active = sorted(
            (c for c in self.chains if c.start < end and (c.end is None or c.end > start)),
            key=lambda c: (c.bound.meter, c.start),
        )
        usages = tuple(chain.use(start, end) for chain in active)
        energy = _energy(active, usages)
        summary = Summary(
            seq=self.seq + 1,
            rules=RULES,
            start=start,
            end=end,
            config=config.number,
            expected=sum(u.expected for u in usages),
            read=sum(u.read for u in usages),
            gap=sum(u.gap for u in usages),
            clock=self._worst_clock(active, start, end),
            usages=tuple(leaf.digest(leaf.encode(u)) for u in usages),
            projects=tuple(self._indicative(project, config, energy) for project in plan.projects),
        )
        return usages, summary

    def _worst_clock(self, chains: Iterable[Chain], start: int, end: int) -> ClockState:
        states = {s.clock for c in chains for slot, s in c.seen.items() if start <= slot < end}
        if not states and self.era is not None:
            states = {self.era.state}
        return max(states, key=_WORTH.index, default=ClockState.UNKNOWN)

    def _indicative(
        self, project: Project, config: Config, energy: dict[tuple[str, Measurand], Fraction]
    ) -> Indicative:
        methodology = self.content.methodology(config.methodologies.get(project.methodology, ""))
        if methodology is None:
            return Indicative(
                project=project.id, methodology=project.methodology, status="unknown", missing=("methodology",)
            )
        found = emissions(methodology, project, energy)
        return Indicative(
            project=project.id,
            methodology=project.methodology,
            status=methodology.status,
            missing=found.missing,
            **_spelled(found),
        )

    # -- summaries --------------------------------------------------------------------------------------------

    def _summary(self, data: bytes, summary: Summary) -> Judgement:
        if not self._replaying:
            self._judge(data, summary)
        judgement = Judgement(
            summary=summary,
            digest=leaf.digest(data),
            config=self._configs.get(summary.config),
            plan=self.plan,
            usages=self._decoded_usages(),
            findings=tuple(self.open_findings),
        )
        self._advance(summary, judgement.usages)
        return judgement

    def _judge(self, data: bytes, summary: Summary) -> None:
        """Settle the period again and say where the site's summary differs."""
        where = f"seq {summary.seq}"
        if summary.rules != RULES:
            return self._complain("unknown_rules", where, rules=summary.rules, known=RULES)
        if self.genesis is None:
            self._complain("no_genesis", where)
        if self.due() is None or not self._legal(summary):
            return self._complain("period_not_due", where, start=summary.start, end=summary.end)
        for span in self._gaps:
            if span.start < summary.end < span.end:
                self._complain("gap_crosses_period", f"{span.meter} {where}", start=span.start, end=span.end)
        try:
            usages, mine = self.close(summary.start, summary.end)
        except BadInput as error:
            return self._note(error.faults)
        if [leaf.encode(usage) for usage in usages] != self._usages:
            self._complain("usages_differ", where, site=len(self._usages), recomputed=len(usages))
        if leaf.encode(mine) != data:
            self._complain(
                "summary_differs", where, site=_differing(summary, mine), recomputed=_differing(mine, summary)
            )
        return None

    def _legal(self, summary: Summary) -> bool:
        """The period is the next one, or one with nothing read in it that ends earlier or later on a bound."""
        return (summary.start, summary.end) == self.due()

    def _decoded_usages(self) -> tuple[Usage, ...]:
        found = (leaf.decode(data) for data in self._usages)
        return tuple(usage for usage in found if isinstance(usage, Usage))

    def _advance(self, summary: Summary, usages: tuple[Usage, ...]) -> None:
        """Make `summary` the newest closed period."""
        self.seq, self.last_end = summary.seq, summary.end
        for chain in self.chains:
            if self._replaying:
                _replay(chain, usages, summary.end)
            else:
                chain.close(summary.end)
        self.chains = [c for c in self.chains if c.end is None or c.end > summary.end]
        self._gaps = [span for span in self._gaps if span.end > summary.end]
        self._usages = []
        self.open_findings = []


def _replay(chain: Chain, usages: tuple[Usage, ...], end: int) -> None:
    """Put a chain where its sealed usage says it stood: closing register and coverage."""
    for usage in usages:
        if usage.meter == chain.bound.meter and usage.config == chain.config and usage.closed is not None:
            chain.closing = (usage.closed, {obis: r.closing for obis, r in usage.registers.items()})
    chain.coverage.skip_to(period.first_slot(end, chain.bound.every))
    chain.seen = {slot: seen for slot, seen in chain.seen.items() if slot >= end}


def _energy(chains: Iterable[Chain], usages: Iterable[Usage]) -> dict[tuple[str, Measurand], Fraction]:
    """Used energy per (point, measurand), scaled by the site constant; a point with a silent meter is missing."""
    energy: dict[tuple[str, Measurand], Fraction] = {}
    silent: set[str] = set()
    for chain, usage in zip(chains, usages, strict=True):
        if not usage.registers:
            silent.add(chain.bound.point)
        for obis, register in usage.registers.items():
            if obis in BY_OBIS:
                key = (chain.bound.point, BY_OBIS[obis])
                scaled = Fraction(number.parse(register.used)) * chain.bound.settings.factor
                energy[key] = energy.get(key, Fraction(0)) + scaled
    return {key: value for key, value in energy.items() if key[0] not in silent}


def _spelled(found: Emissions) -> dict[str, str | None]:
    names = {"reference": found.reference, "emissions": found.project, "reduction": found.reduction}
    places = number.EMISSION_DECIMALS
    return {
        name: None if value is None else number.spell(number.rounded(value, places), places)
        for name, value in names.items()
    }


def _differing(one: Summary, other: Summary) -> str:
    """The fields of `one` that `other` spells differently, for a finding a person reads."""
    fields = [name for name in one.__struct_fields__ if getattr(one, name) != getattr(other, name)]
    return ", ".join(f"{name}={getattr(one, name)!r}"[:200] for name in fields)
