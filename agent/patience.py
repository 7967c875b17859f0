"""How long a silent meter may keep the others waiting: per meter, what its failures cost and when to ask it again.

Pure bookkeeping on boot-time milliseconds. A meter that answers is always asked. One that did not is asked as long as
its usual waiting time fits into half an interval together with what this round has waited already; otherwise only when
its back-off is over, and only one such probe per round. So any number of dead meters cost a bounded share of a bus.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from drivers.bus import Effort
from mrv.reading import GapReason

FIRST_BACKOFF_MS = 10_000
LONGEST_BACKOFF_MS = 300_000
#: The least time an answer is given to come, whatever else a round has waited for.
LEAST_MS = 200


@dataclass(slots=True)
class Patience:
    """The record of one meter. `cost` is how long its last failure took, in ms; `latency` its last answer."""

    failures: int = 0
    cost: int = 0
    resume: int = 0
    latency: int = 0
    reason: GapReason | None = None
    #: Its last turn passed without its being asked.
    quarantined: bool = False
    #: Answers, and slots without one by reason, since the agent started.
    answers: int = 0
    errors: Counter[GapReason] = field(default_factory=Counter)

    @property
    def proven(self) -> bool:
        """The last thing it did was to answer."""
        return self.answers > 0 and not self.failures

    def answered(self, took: int) -> None:
        """Healed by the first success."""
        self.failures, self.cost, self.resume, self.reason, self.quarantined = 0, 0, 0, None, False
        self.latency = took
        self.answers += 1

    def excused(self) -> None:
        """Its silence is no failure."""
        self.failures, self.resume, self.reason, self.quarantined = 0, 0, None, False

    def failed(self, reason: GapReason, took: int, now: int) -> None:
        self.failures += 1
        self.cost, self.reason, self.quarantined = took, reason, False
        self.resume = now + min(FIRST_BACKOFF_MS << min(self.failures - 1, 5), LONGEST_BACKOFF_MS)


@dataclass(slots=True)
class Budget:
    """What one round on one bus may still spend on meters that failed the last time."""

    limit: int
    spent: int = 0
    probed: bool = False

    def allows(self, patience: Patience, now: int) -> bool:
        """Whether to ask this meter now."""
        if not patience.failures or self.affords(patience):
            return True
        if self.probed or now < patience.resume:
            patience.quarantined = True
            return False
        self.probed = True
        return True

    def affords(self, patience: Patience) -> bool:
        """Whether what this meter's silence costs is still there."""
        return self.spent + patience.cost <= self.limit

    def effort(self, patience: Patience, *, again: bool = False) -> Effort:
        """How hard to try: as hard as its line can for a meter that answers, within what is left for any other."""
        left = None if patience.proven else max(LEAST_MS, self.limit - self.spent)
        return Effort(first=not again, again=again, within=left)

    def spend(self, took: int) -> None:
        """A failure in this round kept the others waiting for `took` ms."""
        self.spent += took
