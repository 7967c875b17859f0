"""The state machine of a meter's counters: which steps between readings are energy, and what every other step is.

Counters may only move as far as the circuit can carry (mrv.limits). A reading beyond that is *suspect*: it moves
nothing until later readings have decided what it was. The decision is a pure function of the readings in slot order, of
where the counters stood before, and of when the meter said who it is; so agent, office and auditor reach the same one.
Nothing is clamped: small steps back are energy with a sign, because what is clamped on the way down is counted twice on
the way up. What cannot be decided is held for a person: it is never rebased silently, and never ignored for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal, NamedTuple

from mrv.limits import Limits, nano
from mrv.reading import ClockState

Registers = dict[str, str]
Verdict = Literal["glitch", "rollover", "reset", "exchange", "ratio", "wraps", "held"]

#: A suspect is decided by this many later readings that agree with it,
LATER = 3
#: at least this long (ms) after it: some meters renew their registers only once a minute.
SETTLING = 60_000
#: How long (ms) a counter that began anew waits for the meter to say that it is the same one.
IDENTITY_WAIT = 3_600_000
#: A suspect older than this (ms) at the end of a period is held, however few readings came after it.
UNDECIDED = 86_400_000


class Mark(NamedTuple):
    """One good reading: its slot, its registers in native counts, when it was taken, the ratio it was taken under."""

    slot: int
    registers: Registers
    boot: int = 0
    boottime: int = 0
    clock: ClockState = ClockState.RELATIVE
    #: Only where the ratio is a register read with the counters.
    ratio: Fraction | None = None

    @property
    def blank(self) -> bool:
        """Whether every register is 0: a new meter's truth, and what some meters say before they are awake."""
        return not any(nano(text) for text in self.registers.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What a step that was no ordinary one is taken for. `after` is the first reading on its far side.

    For a glitch `reads` readings from slot `after` on were not believed; `before` is where the counters stood.
    """

    verdict: Verdict
    before: Mark
    after: Mark
    reads: int
    why: str = ""
    wrapped: dict[str, int] = field(default_factory=dict)


class Step(NamedTuple):
    """From one mark to another: nano units per register, and whether the circuit can have carried them."""

    moved: dict[str, int]
    #: The most that was possible; None when nobody knows how much time passed.
    most: int | None
    possible: bool
    #: Whether a register with a documented modulus could have gone round unseen in that time.
    wraps: bool


class Walk:
    """Readings of one meter followed in slot order from `base`, where its counters stood, or from nothing.

    `changes` are the instants at which another identity was found, `confirmed` the last at which the meter said it is
    the same one (UTC ms).
    """

    def __init__(self, limits: Limits, base: Mark | None, *, changes: Sequence[int] = (), confirmed: int = 0) -> None:
        self.base = base
        self.opened = base
        self.decisions: list[Decision] = []
        #: Energy per ratio (None: the site's constant or the meter's own) and register, in nano units.
        self.used: dict[Fraction | None, dict[str, int]] = {}
        #: What registers moved by that is not energy.
        self.jumped: dict[str, int] = {}
        #: For how long (ms) no register says what flowed.
        self.lost = 0
        #: Reason -> slot from which a person has to decide.
        self.holds: dict[str, int] = {}
        self.backward = False
        self._limits = limits
        self._changes = changes
        self._confirmed = confirmed
        self._own = base is None
        self._proven = base is not None and not base.blank
        self._strays: list[Mark] = []
        self._run: list[Mark] = []
        self._glitches: list[Decision] = []

    @property
    def suspect(self) -> int | None:
        """The slot of the oldest reading nobody has decided about."""
        return min((mark.slot for mark in (*self._strays, *self._run)), default=None)

    def see(self, mark: Mark) -> None:
        """The next good reading."""
        base = self.base
        if base is None:
            self.base = self.opened = mark
        elif any(base.slot <= change < mark.slot for change in self._changes):
            self._rebase(Decision(verdict="exchange", before=base, after=mark, reads=1))
        elif not (step := self._step(base, mark)).possible:
            self._doubt(mark)
        else:
            if self._strays or self._run:
                self._glitch(base)
            if step.wraps:
                self._rebase(Decision(verdict="wraps", before=base, after=mark, reads=1))
            else:
                self._take(mark, step.moved)

    def finish(self, end: int, *, ended: bool) -> None:
        """No more readings up to the period's `end`; `ended`: none will ever come."""
        oldest = self.suspect
        if oldest is not None and self.base is not None and (ended or oldest < end - UNDECIDED):
            self._decide("held", "undecided")
        if self._glitches:
            first, reads = self._glitches[0], sum(found.reads for found in self._glitches)
            self.decisions.append(
                Decision(verdict="glitch", before=first.before, after=first.after, reads=reads, why=first.why)
            )
            self._glitches = []

    # -- steps ------------------------------------------------------------------------------------------------

    def _step(self, before: Mark, after: Mark) -> Step:
        limits, moved = self._limits, {}
        time = passed(before, after, limits.every)
        known = limits.most(limits.every if time is None else time, after.ratio)
        possible = before.ratio == after.ratio
        for obis, text in after.registers.items():
            if (earlier := before.registers.get(obis)) is None:
                continue
            stood, stands = nano(earlier), nano(text)
            moved[obis] = stands - stood
            if abs(moved[obis]) > known:
                slack = 2 * max(limits.resolution(obis, stood), limits.resolution(obis, stands))
                possible = possible and abs(moved[obis]) <= known + slack
        wraps = time is not None and any(known >= modulus for obis, modulus in limits.moduli.items() if obis in moved)
        return Step(moved, None if time is None else known, possible, wraps)

    def _take(self, mark: Mark, moved: dict[str, int]) -> None:
        """A step that is energy. Under a ratio that is read, the one valid at its end scales it."""
        used = self.used.setdefault(mark.ratio, {})
        for obis, amount in moved.items():
            used[obis] = used.get(obis, 0) + amount
            self.backward = self.backward or amount < 0
        self.base = mark
        self._proven = self._proven or not mark.blank

    def _rebase(self, decision: Decision) -> None:
        """What lies between is no energy anybody has measured: count on from the far side."""
        before, after = decision.before, decision.after
        self.decisions.append(decision)
        for obis in before.registers.keys() & after.registers.keys():
            self.jumped[obis] = self.jumped.get(obis, 0) + nano(after.registers[obis]) - nano(before.registers[obis])
        self.lost += after.slot - before.slot
        self.base, self._proven = after, True
        self._strays, self._run = [], []

    # -- suspects ---------------------------------------------------------------------------------------------

    def _glitch(self, base: Mark) -> None:
        """The counters went on from where they stood: what came in between never was."""
        unbelieved = [*self._strays, *self._run]
        self._glitches.append(Decision(verdict="glitch", before=base, after=unbelieved[0], reads=len(unbelieved)))
        self._strays, self._run = [], []

    def _doubt(self, mark: Mark) -> None:
        if self._run and self._step(self._run[-1], mark).possible:
            self._run.append(mark)
        else:
            self._strays += self._run
            self._run = [mark]
        first = self._run[0]
        if len(self._run) <= LATER or mark.slot - first.slot < SETTLING:
            return
        verdict, why = self._verdict(first)
        if verdict is not None:
            self._decide(verdict, why)

    def _verdict(self, first: Mark) -> tuple[Verdict | None, str]:
        """What the step from where the counters stood to `first` was; None: the meter has yet to say who it is."""
        base = self.base or first
        if not self._proven:
            return "glitch", "opening"
        step = self._step(base, first)
        if step.most is None:
            return "held", "time"
        if base.ratio != first.ratio:
            return ("ratio", "ratio") if self._within(step, base, first) else ("held", "ratio")
        if step.wraps:
            return "wraps", ""
        if self._wrapped(step, base, first):
            return "rollover", ""
        if any(moved < 0 for moved in step.moved.values()):
            return self._fallen(step, first)
        return "held", "jump"

    def _fallen(self, step: Step, first: Mark) -> tuple[Verdict | None, str]:
        """A counter began anew only if no register shows more than can have flowed since, and the meter is the same."""
        most = step.most or 0
        anew = all(0 <= nano(text) <= most + self._slack(obis, first) for obis, text in first.registers.items())
        if anew and self._confirmed >= first.slot:
            return "reset", ""
        waited = self._run[-1].slot - first.slot
        if anew and self._limits.identifiable and waited < IDENTITY_WAIT:
            return None, ""
        return "held", "drop"

    def _within(self, step: Step, base: Mark, first: Mark) -> bool:
        most = step.most or 0
        return all(abs(moved) <= most + self._slack(obis, base, first) for obis, moved in step.moved.items())

    def _slack(self, obis: str, *marks: Mark) -> int:
        return 2 * max(self._limits.resolution(obis, nano(mark.registers[obis])) for mark in marks)

    def _wrapped(self, step: Step, base: Mark, first: Mark) -> dict[str, int]:
        """Registers that went round once, with the documented modulus of each; empty when that explains not all."""
        most, found = step.most or 0, {}
        for obis, moved in step.moved.items():
            slack, modulus = self._slack(obis, base, first), self._limits.moduli.get(obis)
            if abs(moved) <= most + slack:
                continue
            if modulus is None or not 0 <= moved + modulus <= most + slack:
                return {}
            found[obis] = modulus
        return found

    def _decide(self, verdict: Verdict, why: str) -> None:
        """Apply a verdict to the newest run of suspects, and follow the rest of it from there."""
        base, (first, *rest) = self.base, self._run
        if base is None:
            return
        reads, step = len(self._strays) + len(self._run), self._step(base, first)
        wrapped = self._wrapped(step, base, first) if verdict == "rollover" else {}
        decision = Decision(verdict=verdict, before=base, after=first, reads=reads, why=why, wrapped=wrapped)
        self._strays, self._run = [], []
        if verdict in {"held", "ratio"}:
            self.holds.setdefault(why, first.slot)
        if verdict in {"rollover", "ratio"}:
            self.decisions.append(decision)
            self._take(first, {obis: moved + wrapped.get(obis, 0) for obis, moved in step.moved.items()})
            for obis, modulus in wrapped.items():
                self.jumped[obis] = self.jumped.get(obis, 0) - modulus
        elif verdict == "glitch" and self._own:  # nothing but zeros was counted from it
            self.decisions.append(decision)
            self.base = self.opened = first
            self.used.clear()
        else:
            self._rebase(decision)
        for mark in rest:
            self.see(mark)


def passed(before: Mark, after: Mark, every: int) -> int | None:
    """How long (ms) lies between two readings, at most; None when nobody knows.

    Boot time measures within one boot. Over a reboot only clocks that were set by others tell: one that somebody
    vouched for may have stood still.
    """
    if before.boot and before.boot == after.boot:
        return max(0, after.boottime - before.boottime)
    if ClockState.INFORMATIVE in (before.clock, after.clock):
        return None
    return after.slot - before.slot + every
