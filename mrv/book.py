"""The running account of one log: feed it every leaf, ask it what is due, and it judges every summary.

The agent feeds it the leaves it commits and closes the periods it says are due; the collector and the auditor feed it
the leaves they received, and it settles each period again from raw words (docs/wire.md, "Periods"). It never raises on
what a leaf says: what is wrong becomes a finding. It owns no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from mrv import events, leaf, period, profile_fit
from mrv.account import Account, Instead
from mrv.binding import Binding
from mrv.content import Content
from mrv.difference import differing
from mrv.errors import BadInput, Fault, fault
from mrv.leaf import AnyLeaf, Blob, Boot, Clock, Config, Genesis, MeterEvent, Summary, Usage
from mrv.period import Era, Span
from mrv.plan import MonitoringPlan, check_against
from mrv.profile import Profile
from mrv.reading import ClockState, Gap, Reading, Stamped
from mrv.settle import RULES, Settled, settle
from mrv.usage import Chain


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What one config leaf put in force; None where the log does not hold it in usable form."""

    config: Config
    plan: MonitoringPlan | None
    binding: Binding | None
    #: By id, those that can be read.
    profiles: Mapping[str, Profile] = field(default_factory=dict)

    @cached_property
    def misfits(self) -> tuple[tuple[str, str], ...]:
        """(place, problem) where plan and binding do not fit each other: looked at once for all periods under them."""
        found = check_against(self.plan, self.binding) if self.plan and self.binding else ()
        return tuple((misfit.where, misfit.code) for misfit in found)

    @cached_property
    def unsettled(self) -> tuple[tuple[str, str], ...]:
        """(meter, problem) where the settings of a meter do not fit its profile."""
        bound = self.binding.meters if self.binding else ()
        known = [(one, self.profiles[one.profile]) for one in bound if one.profile in self.profiles]
        fits = ((one.meter, profile_fit.misfits(profile, one.settings)) for one, profile in known)
        return tuple((f"meter {meter}", problem) for meter, found in fits for _, problem, _ in found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """What settling a period again says of the summary a site signed.

    `config` and `plan` are those the period was closed under; `terms` are these and those of every meter whose
    binding ended within the period, for all of them shaped its figures. `uncompared` are the meters, and their
    experimental profiles, that nobody had compared with their display when the period began for them.
    """

    summary: Summary
    digest: str
    config: Config | None
    plan: MonitoringPlan | None
    usages: tuple[Usage, ...]
    findings: tuple[Fault, ...]
    terms: tuple[Terms, ...] = ()
    uncompared: tuple[tuple[str, str], ...] = ()
    #: The leaves that say what steps of the counters were taken for, as the site wrote them.
    decisions: tuple[MeterEvent, ...] = ()


class Book:
    """The running account of one log; with `verify` every reading is decoded again from its raw words.

    `approved` are the digests of the profiles of its own that the office approved for the site. What is decoded with
    another profile `instead` of one in the log, by digest, is counted by that, and not what the site counted.
    """

    #: Kinds that must be replayed from the start of the log when a Book is rebuilt (mrv.restore).
    LANDMARKS = frozenset({"genesis", "config", "blob", "boot", "clock", "meter", "usage", "summary"})

    def __init__(
        self,
        *,
        verify: bool = True,
        approved: frozenset[str] = frozenset(),
        instead: Mapping[str, Instead] | None = None,
    ) -> None:
        self._account = Account(verify=verify, approved=approved, instead=instead)
        self.genesis: Genesis | None = None
        self.seq = -1
        self._usages: list[bytes] = []
        self._decisions: list[MeterEvent] = []
        self._known: dict[int, Terms] = {}
        #: The newest period settled, while nothing that its figures depend on was added since.
        self._settled: tuple[int, int, Settled] | None = None

    # -- what is in force -------------------------------------------------------------------------------------

    @property
    def content(self) -> Content:
        return self._account.content

    @property
    def config(self) -> Config | None:
        """The newest config leaf."""
        return self._account.config

    @property
    def binding(self) -> Binding | None:
        return self.content.binding(self.config.binding) if self.config else None

    @property
    def plan(self) -> MonitoringPlan | None:
        return self.content.plan(self.config.plan) if self.config else None

    @property
    def boot(self) -> Boot | None:
        """The newest boot leaf."""
        return self._account.boot

    @property
    def era(self) -> Era | None:
        """The era in force."""
        return self._account.era

    @property
    def last_end(self) -> int | None:
        """The end of the newest closed period."""
        return self._account.closed

    @property
    def records(self) -> frozenset[str]:
        """Digests of the records of people (mrv.commissioning) that are in this log."""
        return frozenset(self._account.records)

    @property
    def open_findings(self) -> tuple[Fault, ...]:
        """What is wrong since the last summary."""
        return tuple(self._account.findings)

    @property
    def chains(self) -> tuple[Chain, ...]:
        """Every chain that may still owe slots, also of meters that were taken out."""
        return tuple(self._account.chains)

    def chain(self, meter: str) -> Chain | None:
        """The chain that `meter` is writing now."""
        return next((c for c in self._account.chains if c.bound.meter == meter and c.end is None), None)

    def frontier(self, meter: str) -> int | None:
        """The first slot of `meter` that nobody has covered; None while its clock or config is not known."""
        chain = self.chain(meter)
        return chain.coverage.frontier if chain else None

    def uncovered(self, until: int) -> tuple[Span, ...]:
        """Expected slots before `until` that nobody has covered, in pieces a gap leaf may cover."""
        plan, account = self.plan, self._account
        if plan is None or account.pending:
            return ()
        tz = period.zone(plan.timezone)
        spans: list[Span] = []
        for chain in account.chains:
            limit = period.first_slot(until, chain.bound.every)
            for start, end in chain.coverage.holes(limit if chain.end is None else min(limit, chain.end)):
                read = max((s for c in account.chains for s in c.seen if start <= s < end), default=None)
                busy = start if read is None else min(end, period.next_bound(read, plan.period, tz))
                pieces = [  # nobody read anything after `busy`: whole periods there collapse
                    *period.cut(start, busy, plan.period, tz),
                    *period.cut(busy, end, plan.period, tz, empty_until=min(until, end)),
                ]
                spans += [Span(chain.bound.meter, first, last) for first, last in pieces]
        return tuple(spans)

    # -- adding leaves ----------------------------------------------------------------------------------------

    def replay(self, data: bytes) -> None:
        """Fold a leaf of a log that was judged before: believed, and allowed to start anywhere (mrv.restore)."""
        self._account.replaying = True
        self.add(data)
        self._account.replaying = False

    def add(self, data: bytes) -> Judgement | None:
        """Fold the next leaf of the log; a summary is judged."""
        account = self._account
        try:
            fact = leaf.decode(data)
        except BadInput as error:
            account.note(error.faults)
            return None
        if isinstance(fact, Stamped) and not isinstance(fact, Boot):
            account.require_boot(fact)
        match fact:
            case Usage():
                self._usages.append(data)
            case Summary():
                return self._summary(data, fact)
            case MeterEvent(event=events.DECISION):
                self._decisions.append(fact)
            case _:
                self._settled = None
                self._fold(fact)
        return None

    def _fold(self, fact: AnyLeaf | None) -> None:
        account = self._account
        match fact:
            case Reading() | Gap():
                account.take(fact)
            case Blob():
                account.note(account.content.add(fact))
            case Config():
                account.configure(fact)
            case Clock():
                account.clock(fact)
            case Boot():
                account.started(fact)
            case MeterEvent():
                account.happened(fact)
            case Genesis():
                self._begin(fact)

    def _begin(self, fact: Genesis) -> None:
        if self.genesis is not None:
            self._account.complain("second_genesis", origin=fact.origin)
        else:
            self.genesis = fact

    # -- periods ----------------------------------------------------------------------------------------------

    def due(self) -> tuple[int, int] | None:
        """The next period that can be closed, or None: every meter has passed its end and the clock is known.

        Periods in which nobody read anything collapse into one, never across a new year.
        """
        plan, start, account = self.plan, self._next_start(), self._account
        if plan is None or start is None or account.pending or not account.clock_known:
            return None
        tz, step = period.zone(plan.timezone), plan.period * 1000
        end = period.next_bound(start, plan.period, tz)
        watermark = min((chain.watermark for chain in account.chains), default=0)
        if watermark < end:
            return None
        if not any(chain.reads(start, end) for chain in account.chains):
            limit = min(watermark, self._first_read(end), period.new_year_after(start, tz))
            end = max(end, limit if period.is_new_year(limit, tz) else limit // step * step)
        if any(span.start < end < span.end for span in account.gaps):
            return None  # periods that one gap covers close together, once the last of them has passed
        return start, end

    def _next_start(self) -> int | None:
        if self.last_end is not None:
            return self.last_end
        return min((c.start for c in self._account.chains), default=None)

    def _first_read(self, since: int) -> int:
        """The first slot from `since` on that somebody read."""
        return min(
            (slot for chain in self._account.chains for slot in chain.seen if slot >= since), default=period.LAST
        )

    def close(self, start: int, end: int) -> Settled:
        """Settle [start, end): the decisions, usages and summary to append, in this order.

        Raises BadInput when no config and plan are in force.
        """
        if self._settled and self._settled[:2] == (start, end):
            return self._settled[2]
        config, plan, era = self.config, self.plan, self.era
        if config is None or plan is None:
            raise BadInput(fault("audit.no_config"))
        settled = settle(
            self._account.chains,
            self.content,
            config,
            plan,
            seq=self.seq + 1,
            start=start,
            end=end,
            clock=era.state if era else ClockState.UNKNOWN,
        )
        self._settled = start, end, settled
        return settled

    # -- summaries --------------------------------------------------------------------------------------------

    def _summary(self, data: bytes, summary: Summary) -> Judgement:
        settled = None if self._account.replaying else self._judge(data, summary, f"seq {summary.seq}")
        named = [data for data in self._usages if not self._account.replaying or leaf.digest(data) in summary.usages]
        usages = tuple(usage for usage in map(leaf.decode, named) if isinstance(usage, Usage))
        judgement = Judgement(
            summary=summary,
            digest=leaf.digest(data),
            config=self._account.configs.get(summary.config),
            plan=self.plan,
            usages=usages,
            findings=self.open_findings,
            terms=tuple(self._terms({summary.config, *(usage.config for usage in usages)})),
            uncompared=tuple(self._account.uncompared(summary.start, summary.end)),
            decisions=tuple(self._decisions),
        )
        if self._account.replaying or self._believable(summary):
            self._advance(summary, judgement.usages, settled)
        self._account.findings, self._usages, self._decisions = [], [], []
        return judgement

    def _believable(self, summary: Summary) -> bool:
        """Whether the account can go on behind `summary`, right or wrong: its end is a moment this log has reached."""
        covered = max((chain.coverage.last for chain in self._account.chains), default=0)
        return (self.last_end or 0) < summary.end <= covered

    def _terms(self, numbers: Iterable[int]) -> Iterator[Terms]:
        for number in sorted(numbers):
            if config := self._account.configs.get(number):
                plan, binding = self.content.plan(config.plan), self.content.binding(config.binding)
                named = {name: self.content.profile(digest) for name, digest in config.profiles.items()}
                profiles = {name: profile for name, profile in named.items() if profile is not None}
                terms = Terms(config=config, plan=plan, binding=binding, profiles=profiles)
                # What the log holds may still grow; what it held then is what it holds now.
                self._known[number] = terms = known if (known := self._known.get(number)) == terms else terms
                yield terms

    def _judge(self, data: bytes, summary: Summary, where: str) -> Settled | None:
        """Settle the period again and say where the site's summary differs; None where it cannot be settled."""
        account = self._account
        if self.genesis is None:
            account.complain("no_genesis", where)
        if summary.rules != RULES:
            account.complain("unknown_rules", where, rules=summary.rules, known=RULES)
        elif (summary.start, summary.end) != self.due():
            account.complain("period_not_due", where, start=summary.start, end=summary.end)
        else:
            return self._compare(data, summary, where)
        return None

    def _compare(self, data: bytes, summary: Summary, where: str) -> Settled | None:
        account = self._account
        try:
            settled = self.close(summary.start, summary.end)
        except BadInput as error:
            account.note(error.faults)
            return None
        usages, mine, decisions = settled.usages, settled.summary, settled.decisions
        if len(decisions) != len(self._decisions) or not all(map(events.says, self._decisions, decisions)):
            account.complain("decisions_differ", where, site=len(self._decisions), recomputed=len(decisions))
        if [leaf.encode(usage) for usage in usages] != self._usages:
            account.complain("usages_differ", where, site=len(self._usages), recomputed=len(usages))
        if leaf.encode(mine) != data:
            account.complain(
                "summary_differs", where, site=differing(summary, mine), recomputed=differing(mine, summary)
            )
        return settled

    def _advance(self, summary: Summary, usages: Iterable[Usage], settled: Settled | None) -> None:
        """Make `summary` the newest closed period."""
        account = self._account
        self._settled = None
        account.closed, self.seq = summary.end, summary.seq if account.replaying else self.seq + 1
        for chain in account.chains:
            if account.replaying:
                chain.recall(usages, summary.end)
            else:
                chain.close(summary.end, settled.walk(chain) if settled else None)
        account.chains = [c for c in account.chains if c.end is None or c.end > summary.end]
        account.gaps = [span for span in account.gaps if span.end > summary.end]
