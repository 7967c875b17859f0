"""Whether this daemon makes progress: every line had a turn lately, and what was seen is reaching the disk.

A process that answers but reads no meters is worse than a dead one, which systemd starts again. Dead meters, an office
that is away and a full disk are no reason: those are lived through, and starting again would not help. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

#: Longest time (boot-time ms) between two signs of progress: a read with all its retries takes less.
STALLED_MS = 300_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """When (boot-time ms) the recorder last had nothing left to write, or said why it could not write."""

    recorded: int

    def next(self, now: int, *, waiting: bool) -> Progress:
        """`waiting`: there is something to record and no trouble that explains it."""
        return self if waiting else Progress(recorded=now)

    def alive(self, now: int, looked: Iterable[int]) -> bool:
        """`looked`: when each bus loop last began a turn or looked whether one was due."""
        return all(now - moment < STALLED_MS for moment in (self.recorded, *looked))
