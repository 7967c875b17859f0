"""When to send the next bundle, and what an answer of the office is worth: decided on values, no network, no clock.

One bundle is in flight at a time, and sent at most once per connection: what the broker has not acknowledged is sent
again by the connection itself when it is built anew. PUBACK releases nothing; only a receipt does, and a receipt is
believed because the office's key and our own signature are on it. Anything else the network says makes the site wait.
Times are boot-time ms.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum

from mrv.log.checkpoint import cosigned, open_checkpoint, peek
from mrv.log.note import VerifyKey

#: How long to wait for the receipt once the broker has the bundle.
RECEIPT_MS = 60_000
#: How long the broker may take to acknowledge (128 KiB at 10 kbit/s) before the connection counts as dead.
PUBACK_MS = 180_000
LONGEST_BACKOFF_MS = 3_600_000
#: After connecting, wait for what the broker has retained for us: receipt and presence of the office.
SETTLE_MS = 500
#: Least time between two sendings of one bundle because the office says it is back.
REPEAT_MS = 5_000
#: Longest time between two looks at all this.
LOOK_AGAIN_MS = 1_000


class Act(Enum):
    """What to do now."""

    SEND = "send"
    DROP = "drop"
    WAIT = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """The bundle in flight: the checkpoint it brings, and when it was sent and acknowledged.

    `missed`: the office came after it was sent, so the broker may have acknowledged it with nobody there to have it.
    """

    size: int
    sent: int
    acked: int | None = None
    missed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    """Where the uplink stands. `halted`: the office holds a history this log does not (rollback); nothing is sent."""

    up: bool = False
    office_away: bool = False
    halted: bool = False
    attempt: Attempt | None = None
    failures: int = 0
    not_before: int = 0

    @property
    def listening(self) -> bool:
        """Whether a receipt can be hoped for soon."""
        return self.up and not self.office_away and not self.halted and not self.failures

    def decide(self, *, unsent: bool, now: int) -> Act:
        """`unsent`: there is a checkpoint without receipt."""
        if not self.up or self.halted:
            return Act.WAIT
        if self.attempt is not None and self.attempt.acked is None:
            return Act.DROP if now - self.attempt.sent > PUBACK_MS else Act.WAIT
        if self.attempt is not None and not self.attempt.missed:
            return Act.WAIT
        ready = unsent and not self.office_away and now >= self.not_before
        return Act.SEND if ready else Act.WAIT

    def linked(self, up: bool, now: int) -> Uplink:
        """The connection came or went. A new one repeats by itself what was not acknowledged; what was, we may repeat.

        The broker may have forgotten it: PUBACK was its word only.
        """
        if not up:
            return replace(self, up=False)
        unacked = self.attempt is not None and self.attempt.acked is None
        attempt = replace(self.attempt, sent=now) if self.attempt and unacked else None
        return replace(self, up=True, attempt=attempt, not_before=now + SETTLE_MS)

    def office(self, away: bool, now: int, *, news: bool) -> Uplink:
        """The office's presence. Coming back wipes the back-off, and what it never received is sent again.

        `news`: it was said just now, not kept by the broker since some earlier time. Presence is unsigned: repeating
        it makes us repeat a bundle at most every REPEAT_MS.
        """
        if away:
            return replace(self, office_away=True)
        came_back = replace(self, office_away=False, failures=0)
        if self.attempt is None:
            return replace(came_back, not_before=now + SETTLE_MS if self.office_away else self.not_before)
        if not news:
            return came_back
        again = max(now + SETTLE_MS, self.attempt.sent + REPEAT_MS)
        return replace(came_back, attempt=replace(self.attempt, missed=True), not_before=again)

    def sent(self, size: int, now: int) -> Uplink:
        return replace(self, attempt=Attempt(size=size, sent=now))

    def dropped(self, now: int) -> Uplink:
        """The connection is being cut; that takes a moment, and is not asked for twice."""
        return replace(self, attempt=replace(self.attempt, sent=now) if self.attempt else None)

    def acked(self, now: int) -> Uplink:
        """The broker has it: from now the receipt is waited for."""
        if self.attempt is None or self.attempt.acked is not None:
            return self
        return replace(self, attempt=replace(self.attempt, acked=now))

    def overdue(self, now: int) -> bool:
        """Whether the receipt should have been here."""
        return self.attempt is not None and self.attempt.acked is not None and now - self.attempt.acked > RECEIPT_MS

    def received(self) -> Uplink:
        """A larger receipt was kept: on with the next bundle."""
        return replace(self, attempt=None, failures=0, not_before=0)

    def failed(self, now: int, jitter: int) -> Uplink:
        """No receipt, or an answer instead of one: back off. `jitter` (0..1000) spreads sites by a quarter each way."""
        wait = min(RECEIPT_MS << min(self.failures, 10), LONGEST_BACKOFF_MS)
        wait = wait * (750 + jitter // 2) // 1000
        return replace(self, attempt=None, failures=self.failures + 1, not_before=now + wait)

    def halt(self) -> Uplink:
        return replace(self, attempt=None, halted=True)


class Held(Enum):
    """What a verified receipt says of our log."""

    NEWER = "newer"  # keep it
    KNOWN = "known"  # a replay, or one of a size already held
    FOREIGN = "foreign"  # the office holds a history that this log is not: rollback


def weigh(
    note: str | bytes,
    *,
    site: VerifyKey,
    cosigners: Sequence[VerifyKey],
    received: int,
    own: Callable[[int], str | None],
) -> tuple[Held, int]:
    """What a cosigned checkpoint means, and its size. `own(size)` is the note this log stored for that size.

    Every checkpoint is stored before it is sent, so one that carries our signature and is not there was signed by
    another copy of this log. Raises BadInput or Refused for anything not signed by both.
    """
    found = open_checkpoint(note, site)
    cosigned(note, cosigners)
    mine = own(found.size)
    if mine is None or peek(mine) != found:
        return Held.FOREIGN, found.size
    return (Held.NEWER if found.size > received else Held.KNOWN), found.size
