"""What the leaves of one log add up to between two summaries: chains, their coverage and what was seen.

Leaves without a slot wait here until the clock is known; configs start and end the chains of meters. What a leaf says
wrongly becomes a finding, never an exception, and no number is trusted that can be decoded again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from mrv import codec, events, identity, known, period
from mrv.binding import BoundMeter
from mrv.commissioning import COMMISSIONED, RECORD, shortfall
from mrv.content import Content
from mrv.difference import listed
from mrv.errors import BadInput, Fault, fault
from mrv.leaf import Boot, Clock, Config, MeterEvent
from mrv.limits import limits
from mrv.period import Era, Span
from mrv.profile import Profile
from mrv.reading import ClockState, Gap, GapReason, Quality, Reading, Stamped
from mrv.usage import Chain, Seen

#: A reading's wall clock may differ this much (ms) from what its era says before it is a finding.
CLOCK_TOLERANCE = 1000


@dataclass(frozen=True, slots=True)
class Instead:
    """The profile to decode with in the place of another, what was read for slots from `since` (UTC ms) on."""

    profile: Profile
    since: int = 0


class Account:
    """Chains of one log, fed by its leaves; `verify` decodes every reading again from its raw words.

    `approved` are the digests of profiles of the site's own that may be decoded with beside the released ones.
    `instead` are profiles that turned out wrong, by digest, and what is decoded with in their place, whatever the
    leaves say of themselves (mrv.redecode): for an account that does not verify.
    """

    def __init__(
        self,
        *,
        verify: bool,
        approved: frozenset[str] = frozenset(),
        instead: Mapping[str, Instead] | None = None,
    ) -> None:
        self.verify = verify
        self.approved = approved
        self.instead = instead or {}
        #: True while leaves of an already judged log are replayed: they may start anywhere.
        self.replaying = False
        self.content = Content()
        self.configs: dict[int, Config] = {}
        self.chains: list[Chain] = []
        self.gaps: list[Span] = []
        self.boot: Boot | None = None
        self.era: Era | None = None
        self.pending: list[Reading | Gap | Config | MeterEvent] = []
        self.findings: list[Fault] = []
        #: Digests of the people's records (mrv.commissioning) that are leaves already.
        self.records: set[str] = set()
        #: By meter, when it was compared with its display and what was recorded of it, in the order of the log.
        self.compared: dict[str, list[tuple[int, Mapping[str, str]]]] = {}
        #: End of the newest closed period.
        self.closed: int | None = None

    @property
    def config(self) -> Config | None:
        """The newest config leaf."""
        return self.configs[max(self.configs)] if self.configs else None

    @property
    def clock_known(self) -> bool:
        return self.era is not None and self.era.state is not ClockState.UNKNOWN

    def note(self, found: Iterable[Fault]) -> None:
        self.findings += found

    def complain(self, name: str, where: str = "", **params: object) -> None:
        self.findings.append(fault(f"audit.{name}", where, **params))

    # -- time -------------------------------------------------------------------------------------------------

    def started(self, fact: Boot) -> None:
        if self.boot is not None and fact.boot < self.boot.boot:
            self.complain("boot_backwards", boot=fact.boot, held=self.boot.boot)
        self.boot = fact

    def require_boot(self, fact: Stamped) -> None:
        """Boottime means nothing without the boot leaf that says which boot it counts from."""
        if self.boot is None or self.boot.boot != fact.boot:
            self.complain("unknown_boot", boot=fact.boot, held=self.boot.boot if self.boot else "none")

    def clock(self, fact: Clock) -> None:
        self.era = Era(boot=fact.boot, boottime=fact.boottime, ts=fact.ts, state=fact.clock)
        if fact.clock is ClockState.UNKNOWN:
            return
        for chain in self.chains:
            chain.forget_after(fact.ts)
        waiting, self.pending = self.pending, []
        for fact_before in waiting:
            self.take(fact_before)

    def _moment(self, fact: Stamped) -> int | None:
        """When `fact` happened, in UTC ms; None while that is not known, or outside all reason."""
        return None if self.era is None else self._reasonable(period.place(self.era, fact.boot, fact.boottime))

    def _reasonable(self, at: int | None) -> int | None:
        if at is not None and not 0 < at < period.LAST:
            self.complain("time_out_of_range", ts=at)
            return None
        return at

    def configure(self, fact: Config) -> None:
        if fact.number in self.configs or (self.configs and fact.number < max(self.configs)):
            self.complain("config_number", number=fact.number)
            return
        self.note(self.content.missing(fact))
        self.configs[fact.number] = fact
        self.take(fact)

    def happened(self, fact: MeterEvent) -> None:
        """What was found out or done about a meter, other than reading it."""
        if RECORD in fact.details:
            self.records.add(fact.details[RECORD])
        if fact.event in {events.IDENTITY, events.CHANGED, events.ACCEPTED, COMMISSIONED}:
            self.take(fact)

    def _event(self, fact: MeterEvent, at: int) -> None:
        if fact.event == COMMISSIONED:
            self.compared.setdefault(fact.meter, []).append((at, fact.details))
            return
        chain = next((c for c in reversed(self.chains) if c.bound.meter == fact.meter), None)
        if chain is None or fact.config not in self.configs:
            self.complain("unknown_meter", fact.meter, config=fact.config)
            return
        if fact.event == events.ACCEPTED:
            for reason in identity.SITE_MAY_ACCEPT:
                chain.lift(reason, at)
            return
        now = self._said(chain, fact, at)
        chain.identified = max(chain.identified, at)
        reasons = list(identity.changed(chain.identity, now, chain.bound.serial))
        # While the clock is unknown the site cannot tell what came before: it may call a change by the other name.
        if fact.clock is not ClockState.UNKNOWN and (fact.event == events.CHANGED) != bool(reasons):
            self.complain("identity_event", fact.meter, event=fact.event, changed=", ".join(reasons) or "nothing")
        for reason in reasons:
            chain.hold(reason, at)
        if identity.BREAKS & set(reasons):
            chain.changes.append(at)
        elif not reasons and identity.proves(now):
            chain.confirmed = max(chain.confirmed, at)
        chain.identity |= now

    def _said(self, chain: Chain, fact: MeterEvent, at: int) -> dict[str, str]:
        """Who the meter says it is: by the words in the leaf, where its profile tells how to read them."""
        told = identity.parts(fact.details)
        profile = self._reader(chain, at)
        if not (self.verify or self._put(chain, at)) or profile is None or fact.raw is None:
            return told
        try:
            found = identity.said(profile, chain.bound.settings, codec.unpack(fact.raw))
        except BadInput as error:
            self.note(error.faults)
            return told
        if any(fact.details.get(part) != text for part, text in found.items()):
            self.complain("identity_differs", fact.meter, site=told, recomputed=found)
        return told | identity.parts(found)

    # -- slots ------------------------------------------------------------------------------------------------

    def take(self, fact: Reading | Gap | Config | MeterEvent) -> None:
        """Cover a slot, start a config or note an event, now or as soon as the clock is known."""
        if isinstance(fact, Config | MeterEvent):
            at = self._moment(fact)
            if at is None:
                at = self._earliest(fact)
            if at is None:
                self.pending.append(fact)
            elif isinstance(fact, Config):
                self._rebind(fact, at)
            else:
                self._event(fact, at)
        elif (fact.slot if isinstance(fact, Reading) else fact.start) is None:
            self._place(fact)
        else:
            self._cover(fact)

    def _earliest(self, fact: Config | MeterEvent) -> int | None:
        """What a boot said whose clock was never known holds from the start of the first boot whose clock is."""
        if self.era is None or self.boot is None or fact.boot >= self.era.boot:
            return None
        return self._reasonable(period.place(self.era, self.boot.boot, self.boot.boottime))

    def _place(self, fact: Reading | Gap) -> None:
        """A leaf without a slot: the first reading of a slot wins, all else is kept in the log as surplus."""
        if self.era is None or fact.boot > self.era.boot or (fact.boot == self.era.boot and not self.clock_known):
            self.pending.append(fact)
            return
        at = self._moment(fact)
        chain = None if at is None else self._chain_at(fact, at)
        if at is None or chain is None:
            return
        slot = period.slot_of(at, chain.bound.every)
        if chain.end is not None and slot >= chain.end:
            return
        if not chain.coverage.cover(slot, slot + chain.coverage.step):
            return
        if isinstance(fact, Reading):
            self._see(chain, slot, fact, ClockState.RELATIVE)
        elif fact.why is GapReason.ASLEEP:
            chain.nights.append((slot, slot + chain.coverage.step))

    def _chain_at(self, fact: Reading | Gap, at: int) -> Chain | None:
        """The chain of the fact's meter that owes the slot at `at`; the newest when none does."""
        newest = None
        for chain in reversed(self.chains) if fact.config in self.configs else ():
            if chain.bound.meter == fact.meter:
                if chain.start <= at and (chain.end is None or at < chain.end):
                    return chain
                newest = newest or chain
        if newest is None:
            self.complain("unknown_meter", fact.meter, config=fact.config)
        return newest

    def _cover(self, fact: Reading | Gap) -> None:
        chain = self._chain_at(fact, (fact.slot if isinstance(fact, Reading) else fact.start) or 0)
        if chain is None:
            return
        step = chain.coverage.step
        start, end = _covered(fact, step)
        if start % step or end % step or not 0 < start < end < period.LAST:
            self.complain("slot_off_grid", _where(fact, start), start=start, end=end)
        elif end > fact.ts + step:
            self.complain("not_yet", _where(fact, start), end=end, ts=fact.ts)
        elif chain.end is not None and end > chain.end:
            self.complain("not_expected", _where(fact, start))
        elif not self._taken(chain, start, end):
            self.complain("covered_twice", _where(fact, start))
        elif isinstance(fact, Reading):
            self._timely(fact, start, step)
            self._see(chain, start, fact, fact.clock)
        else:
            self.gaps.append(Span(fact.meter, start, end))
            if fact.why is GapReason.ASLEEP:
                chain.nights.append((start, end))

    def _taken(self, chain: Chain, start: int, end: int) -> bool:
        if self.replaying:
            chain.coverage.skip_to(start)
        return chain.coverage.cover(start, end)

    def _timely(self, fact: Reading, slot: int, step: int) -> None:
        """A reading was taken inside its slot, and its wall clock agrees with its era."""
        if not slot <= fact.ts < slot + step:
            self.complain("outside_slot", _where(fact, slot), ts=fact.ts)
        at = self._moment(fact)
        if at is None or abs(at - fact.ts) > CLOCK_TOLERANCE:
            self.complain("clock_disagrees", _where(fact, slot), ts=fact.ts, era=at)

    def profile(self, name: str, digest: str) -> Profile | None:
        """The profile of `digest`, which a config calls `name`; None where the log does not hold it.

        A judge decodes with no other than a released or an approved one: else it is the site's own idea of its meter
        (mrv.audit).
        """
        if digest in self.instead:
            return self.instead[digest].profile
        found = self.content.profile(digest)
        return found if not self.verify or known.trusted(name, digest, found, self.approved) else None

    def uncompared(self, start: int, end: int) -> Iterator[tuple[str, str]]:
        """(meter, profile) where an experimental profile was read in a part of [start, end) although nobody had
        compared the meter with its display by then: the newest comparison before its first slot there counts."""
        for chain in self.chains:
            first = max(start, chain.start)
            profile = self.profile(chain.bound.profile, chain.profile)
            if profile is None or first >= end or (chain.end is not None and chain.end <= first):
                continue
            made = [details for at, details in self.compared.get(chain.bound.meter, ()) if at <= first]
            if shortfall(profile, chain.profile, chain.bound.settings, made[-1] if made else None):
                yield chain.bound.meter, profile.id

    def _put(self, chain: Chain, at: int) -> bool:
        """Whether `chain` is decoded at `at` with another profile than the log says."""
        found = self.instead.get(chain.profile)
        return found is not None and at >= found.since

    def _reader(self, chain: Chain, at: int) -> Profile | None:
        """The profile that `chain` is decoded with at `at`."""
        if chain.profile in self.instead and not self._put(chain, at):
            return self.content.profile(chain.profile)
        return self.profile(chain.bound.profile, chain.profile)

    def _see(self, chain: Chain, slot: int, fact: Reading, clock: ClockState) -> None:
        registers = self._registers(chain, slot, fact) if fact.quality is Quality.GOOD else None
        ratio, told = self._ratio(chain, slot, fact)
        # Counts whose ratio cannot be told are no energy: the reading is kept, and not counted.
        chain.seen[slot] = Seen(registers if told else None, clock, fact.boot, fact.boottime, ratio)

    def _ratio(self, chain: Chain, slot: int, fact: Reading) -> tuple[Fraction | None, bool]:
        """The ratio in the same words, where the meter says it (None: it is a constant), and whether it can be told."""
        profile = self._reader(chain, slot)
        if profile is None or profile.ratio is None or profile.ratio.source != "register":
            return None, True
        try:
            ratio = codec.ratio(profile, chain.bound.settings, codec.unpack(fact.raw))
        except BadInput:
            ratio = None
        return ratio, bool(ratio)

    def _decoder(self, chain: Chain) -> codec.Decoder | None:
        """How the registers of `chain` are decoded, once its profile is there: under one digest it never changes."""
        if chain.decoder is None:
            profile = self.profile(chain.bound.profile, chain.profile)
            chain.decoder = codec.Decoder(profile, chain.bound.settings, counters=True) if profile else None
        return chain.decoder

    def _registers(self, chain: Chain, slot: int, fact: Reading) -> dict[str, str] | None:
        """What a good reading is believed to say; a judge believes what the profile in the log reads from its words."""
        put = self._put(chain, slot)
        if not (self.verify or put):
            return fact.registers
        decoder = self._decoder(chain)
        if decoder is None:
            return None
        try:
            registers = codec.registers(decoder.profile, decoder.decode(codec.unpack(fact.raw)))
        except BadInput as error:
            self.note(error.faults)
            return None
        if put:
            return registers or None
        if registers != fact.registers:
            self.complain("registers_differ", fact.meter, site=listed(fact.registers), recomputed=listed(registers))
            return None
        return registers

    # -- configurations ---------------------------------------------------------------------------------------

    def _rebind(self, fact: Config, at: int) -> None:
        """End the chains that `fact` no longer binds as they were, and start those it binds anew."""
        binding = self.content.binding(fact.binding)
        if binding is None:
            return
        wanted = {bound.meter: bound for bound in binding.meters}
        taken: dict[str, int] = {}
        said: dict[tuple[str, str | None, str], dict[str, str]] = {}
        for chain in [c for c in self.chains if c.end is None]:
            if self._continues(chain, wanted.get(chain.bound.meter), fact):
                chain.config = fact.number
                del wanted[chain.bound.meter]
            else:
                # After a step back the clock can be behind what is covered: nothing is owed twice.
                taken[chain.bound.meter] = max(at, chain.coverage.last)
                chain.finish(taken[chain.bound.meter])
                said[chain.bound.meter, chain.bound.serial, chain.profile] = chain.identity
        for bound in wanted.values():
            start = max(at, taken.get(bound.meter, at), self.closed or at)
            profile = fact.profiles.get(bound.profile, "")
            self.chains.append(
                Chain(
                    bound=bound,
                    profile=profile,
                    config=fact.number,
                    start=start,
                    limits=limits(self.profile(bound.profile, profile), bound.settings, bound.every),
                    identity=dict(said.get((bound.meter, bound.serial, profile), {})),
                )
            )

    def _continues(self, chain: Chain, bound: BoundMeter | None, fact: Config) -> bool:
        return bound == chain.bound and fact.profiles.get(chain.bound.profile) == chain.profile


def _covered(fact: Reading | Gap, step: int) -> tuple[int, int]:
    """The slots [start, end) that a leaf with a slot covers; (0, 0) when it says only half of it."""
    if isinstance(fact, Reading):
        return fact.slot or 0, (fact.slot or 0) + step
    return fact.start or 0, fact.end or 0


def _where(fact: Reading | Gap, slot: int) -> str:
    return f"{fact.meter} {slot}"
