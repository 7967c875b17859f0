"""Rebuild the running account of a log after a restart, reading as little of it as is safe.

What a Book needs at the newest summary are all landmark leaves (they are few) and those readings and gaps that cover
slots at or after that summary's end. They form a suffix of the log: nothing can be read before its slot. The suffix is
found by walking backwards until every meter has shown a leaf written live, in time, for a slot before that end; or,
where its newest usage leaves readings undecided, for a slot before the oldest of those.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from mrv import leaf
from mrv.book import Book
from mrv.errors import BadInput
from mrv.leaf import AnyLeaf, Summary, Usage
from mrv.reading import Gap, Reading


class LeafSource(Protocol):
    """A stored log, as the agent's store and the collector's archive offer it."""

    def newest_first(self) -> Iterable[tuple[int, bytes]]:
        """(index, bytes) of every leaf, from the last to the first; read lazily."""

    def landmarks(self, before: int) -> Iterable[tuple[int, bytes]]:
        """(index, bytes) in order of the leaves of kinds in Book.LANDMARKS with an index below `before`."""

    def since(self, index: int) -> Iterable[bytes]:
        """In order, every leaf from `index` on."""


def restored(
    source: LeafSource,
    *,
    verify: bool = True,
    doubted: frozenset[int] = frozenset(),
    approved: frozenset[str] = frozenset(),
) -> Book:
    """The Book of a stored log. Its summaries are believed: they were judged when they were first added.

    But for those at the indices `doubted`, which the judge found to be wrong: replayed, their usages would put words
    into the meters' mouths. A judge ends the source with a summary it does not doubt and adds all leaves after it anew.
    """
    start, newest = _replay_from(source.newest_first())
    book = Book(verify=verify, approved=approved)
    for index, data in source.landmarks(start):
        if index not in doubted:
            book.replay(data)
    for index, data in enumerate(source.since(start), start):
        if index > newest:
            book.add(data)
        elif index not in doubted:
            book.replay(data)
    return book


def _replay_from(newest_first: Iterable[tuple[int, bytes]]) -> tuple[int, int]:
    """(index to replay from, index of the newest summary or -1)."""
    end, newest, waiting, since = 0, -1, set[str](), dict[str, int]()
    for index, data in newest_first:
        fact = _decoded(data)
        if isinstance(fact, Summary) and newest < 0:
            end, newest = fact.end, index
            waiting = set(fact.usages)
        elif newest >= 0 and isinstance(fact, Usage) and leaf.digest(data) in waiting:
            waiting.remove(leaf.digest(data))
            waiting.add(f"meter {fact.meter}")
            since[fact.meter] = min(since.get(fact.meter, end), fact.suspect or end)
        elif isinstance(fact, Reading | Gap) and newest >= 0 and _live_before(fact, since.get(fact.meter, end)):
            waiting.discard(f"meter {fact.meter}")
        if newest >= 0 and not waiting:
            return index, newest
    return 0, newest


def _decoded(data: bytes) -> AnyLeaf | None:
    try:
        return leaf.decode(data)
    except BadInput:
        return None


def _live_before(fact: Reading | Gap, end: int) -> bool:
    """Written in its own time for a slot before `end`: every earlier leaf of this meter covers an earlier slot."""
    if isinstance(fact, Reading):
        return fact.slot is not None and fact.slot < end
    if fact.start is None or fact.end is None:
        return False
    return fact.start <= fact.ts < fact.end <= end
