"""How long a silent meter may keep the others waiting: per meter, what its failures cost and when to ask it again.

Pure bookkeeping on boot-time milliseconds. A meter that answers is always asked. One that did not is asked as long as
its usual waiting time fits into half an interval together with what this round has waited already; otherwise only when
its back-off is over, and only one such probe per round. So any number of dead meters cost a bounded share of a bus.
"""

from __future__ import annotations

from dataclasses import dataclass

from mrv.reading import GapReason

FIRST_BACKOFF_MS = 10_000
LONGEST_BACKOFF_MS = 300_000


@dataclass(slots=True)
class Patience:
    """The record of one meter. `cost` is how long its last failure took, in ms; `latency` its last answer."""

    failures: int = 0
    cost: int = 0
    resume: int = 0
    latency: int = 0
    reason: GapReason | None = None

    def answered(self, took: int) -> None:
        """Healed by the first success."""
        self.failures, self.cost, self.resume, self.reason = 0, 0, 0, None
        self.latency = took

    def failed(self, reason: GapReason, took: int, now: int) -> None:
        self.failures += 1
        self.cost, self.reason = took, reason
        self.resume = now + min(FIRST_BACKOFF_MS << min(self.failures - 1, 5), LONGEST_BACKOFF_MS)


@dataclass(slots=True)
class Budget:
    """What one round on one bus may still spend on meters that failed the last time."""

    limit: int
    spent: int = 0
    probed: bool = False

    def allows(self, patience: Patience, now: int) -> bool:
        """Whether to ask this meter now."""
        if not patience.failures or self.spent + patience.cost <= self.limit:
            return True
        if self.probed or now < patience.resume:
            return False
        self.probed = True
        return True

    def spend(self, took: int) -> None:
        """A failure in this round kept the others waiting for `took` ms."""
        self.spent += took
