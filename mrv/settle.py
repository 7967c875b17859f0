"""The one place that counts: chains and plan -> usages and summary.

Used by the agent to write a summary and by the collector and the auditor to judge it (through `mrv.book`). Nothing is
rounded here but the three figures of a project, once, at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from mrv import known, leaf, number
from mrv.content import Content
from mrv.counter import Decision, Walk
from mrv.leaf import Config, Indicative, Summary, Usage
from mrv.measurand import BY_OBIS, Measurand
from mrv.methodology.emissions import Emissions
from mrv.plan import MonitoringPlan, Project
from mrv.reading import ClockState
from mrv.usage import Chain
from mrv.usage import energy as used_energy

#: The version of these rules. A summary names the version it was made under; another version is never guessed at.
RULES = 1
_WORTH = (ClockState.SYNCHRONISED, ClockState.RELATIVE, ClockState.INFORMATIVE, ClockState.UNKNOWN)
Energy = dict[tuple[str, Measurand], Fraction]


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """One decision of mrv.counter about one meter, which the log carries as a `meter` leaf (mrv.events)."""

    meter: str
    config: int
    decision: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """All there is to say of one period, in the order in which it stands in the log."""

    decisions: tuple[Decided, ...]
    usages: tuple[Usage, ...]
    summary: Summary
    #: How each chain was followed to the end of the period.
    walks: tuple[tuple[Chain, Walk], ...] = ()

    def walk(self, chain: Chain) -> Walk | None:
        """How `chain` itself was followed; None if it had no part in the period."""
        return next((walk for one, walk in self.walks if one is chain), None)


def settle(
    chains: Iterable[Chain],
    content: Content,
    config: Config,
    plan: MonitoringPlan,
    *,
    seq: int,
    start: int,
    end: int,
    clock: ClockState,
) -> Settled:
    """The decisions, usages and summary of [start, end); `clock` is its state if nothing was read."""
    active = sorted(
        (c for c in chains if c.start < end and (c.end is None or c.end > start)),
        key=lambda c: (c.bound.meter, c.start),
    )
    used = [chain.use(start, end) for chain in active]
    usages = tuple(usage for usage, _ in used)
    energy = _energy(active, usages)
    summary = Summary(
        seq=seq,
        rules=RULES,
        start=start,
        end=end,
        config=config.number,
        expected=sum(u.expected for u in usages),
        read=sum(u.read for u in usages),
        gap=sum(u.gap for u in usages),
        clock=_worst_clock(active, start, end, clock),
        usages=tuple(leaf.digest(leaf.encode(u)) for u in usages),
        projects=tuple(
            _indicative(project, content, config, energy, Fraction(end - start, 3_600_000)) for project in plan.projects
        ),
    )
    decisions = tuple(
        Decided(meter=usage.meter, config=usage.config, decision=decision)
        for usage, walk in used
        for decision in walk.decisions
    )
    walks = tuple((chain, walk) for chain, (_, walk) in zip(active, used, strict=True))
    return Settled(decisions=decisions, usages=usages, summary=summary, walks=walks)


def _worst_clock(chains: Iterable[Chain], start: int, end: int, otherwise: ClockState) -> ClockState:
    states = {s.clock for c in chains for slot, s in c.seen.items() if start <= slot < end}
    return max(states, key=_WORTH.index, default=otherwise)


def _energy(chains: Sequence[Chain], usages: Sequence[Usage]) -> Energy:
    """Used energy per (point, measurand), scaled by its ratio; a point with a silent or held meter is missing."""
    energy: Energy = {}
    silent = {
        chain.bound.point
        for chain, usage in zip(chains, usages, strict=True)
        if not usage.registers or "held" in usage.flags
    }
    for chain, usage in zip(chains, usages, strict=True):
        for obis, register in usage.registers.items():
            if obis in BY_OBIS and chain.bound.point not in silent:
                key = (chain.bound.point, BY_OBIS[obis])
                scaled = used_energy(register, chain.bound.settings.factor)
                energy[key] = energy.get(key, Fraction(0)) + scaled
    return energy


def _indicative(project: Project, content: Content, config: Config, energy: Energy, hours: Fraction) -> Indicative:
    digest = config.methodologies.get(project.methodology, "")
    model = content.model(config, project) if known.methodology(project.methodology, digest) else None
    if model is None:
        return Indicative(
            project=project.id, methodology=project.methodology, status="unknown", missing=("methodology",)
        )
    found = model.emissions(energy, hours)
    return Indicative(
        project=project.id,
        methodology=project.methodology,
        status=model.status,
        missing=found.missing,
        **_spelled(found),
    )


def _spelled(found: Emissions) -> dict[str, str]:
    names = {"reference": found.reference, "emissions": found.project, "reduction": found.reduction}
    places = number.EMISSION_DECIMALS
    return {
        name: number.spell(number.rounded(value, places), places) for name, value in names.items() if value is not None
    }
