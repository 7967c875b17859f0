"""Exactly once: which slots of one meter are covered, by a reading or by a gap.

Slots are covered in order, so the state is one number, the first slot not covered, plus the few that were covered
ahead of it (leaves placed when the clock became known, before the gaps between them are written).
"""

from __future__ import annotations

from collections.abc import Iterator

#: A gap may cover this many slots ahead of the frontier; in order it may cover any number. Bounds hostile leaves.
MAX_AHEAD = 100_000


class Coverage:
    """The covered slots of one meter from `start` on; `step` is the polling interval in ms."""

    def __init__(self, start: int, step: int) -> None:
        self.frontier = start
        self.step = step
        self._ahead: set[int] = set()

    @property
    def last(self) -> int:
        """The end of the last covered slot."""
        return max((slot + self.step for slot in self._ahead), default=self.frontier)

    def cover(self, start: int, end: int) -> bool:
        """Cover the slots in [start, end), all or none; False when one is covered already or they are too far ahead."""
        if start < self.frontier or any(start <= slot < end for slot in self._ahead):
            return False
        if start == self.frontier:
            self.frontier = end
        elif (end - start) // self.step + len(self._ahead) > MAX_AHEAD:
            return False
        else:
            self._ahead.update(range(start, end, self.step))
        self._close_up()
        return True

    def skip_to(self, slot: int) -> None:
        """Take every slot before `slot` as covered: a log that was judged before is replayed from there."""
        if slot > self.frontier:
            self.frontier = slot
            self._ahead = {ahead for ahead in self._ahead if ahead >= slot}
            self._close_up()

    def forget_after(self, ms: int) -> None:
        """Uncover what was covered ahead of the frontier and lies after `ms`."""
        self._ahead = {slot for slot in self._ahead if slot <= ms}

    def _close_up(self) -> None:
        while self.frontier in self._ahead:
            self._ahead.remove(self.frontier)
            self.frontier += self.step

    def covers(self, slot: int) -> bool:
        return slot < self.frontier or slot in self._ahead

    def holes(self, until: int) -> Iterator[tuple[int, int]]:
        """Ranges [start, end) of uncovered slots before `until` (a slot bound)."""
        start = self.frontier
        for slot in sorted(self._ahead):
            if slot >= until:
                break
            if slot > start:
                yield start, slot
            start = slot + self.step
        if start < until:
            yield start, until
