"""Takes what the loops saw and makes it durable, in order: gaps first, then the round, then periods that are complete.

One task, one append at a time, so that the Book is always exactly the log on disk. Loops hand over and never wait; if
the disk cannot take a round, its slots become gaps with that reason once it can. Decides when a checkpoint is cut:
with every summary, before a bundle could grow past its cap, when asked (by time, at shutdown), and never while signing
is stopped.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence

from agent.clock import Moment
from agent.close import Ledger
from agent.poll import Round
from agent.store import Entry, Signer, Store
from mrv.errors import Fault, MrvError
from mrv.leaf import AnyLeaf, Clock, MeterEvent
from mrv.log.bundle import Gauge
from mrv.reading import Gap, Reading

#: Rounds that may wait for a slow disk; the oldest give way (and become gaps).
MAX_WAITING = 256
_log = logging.getLogger(__name__)


class Recorder:
    """The only way into the store. `on_checkpoint` is told after each checkpoint that became durable."""

    def __init__(
        self, store: Store, ledger: Ledger, sign: Signer, on_checkpoint: Callable[[], None] = lambda: None
    ) -> None:
        self.ledger = ledger
        #: Why the last append failed; None when the last one did not.
        self.trouble: Fault | None = None
        #: Cleared by the daemon on a rollback: keep recording, sign nothing more.
        self.signing = True
        self._store = store
        self._sign = sign
        self._on_checkpoint = on_checkpoint
        self._waiting: deque[Clock | MeterEvent | Round] = deque()
        self._owed: list[Entry] = []
        self._wake = asyncio.Event()
        self._turn = asyncio.Lock()
        self._measure()

    @property
    def waiting(self) -> bool:
        """Whether something was handed over that is not recorded yet, for no reason given."""
        return bool(self._waiting) and self.trouble is None

    def put(self, item: Clock | MeterEvent | Round) -> None:
        """Hand over a clock leaf, an event or a round of one bus, in the order they happened. Never waits."""
        if len(self._waiting) >= MAX_WAITING:
            oldest = next((waiting for waiting in self._waiting if isinstance(waiting, tuple)), None)
            if oldest is not None:
                self._waiting.remove(oldest)
                self.ledger.lost(oldest)
        self._waiting.append(item)
        self._wake.set()

    async def run(self) -> None:
        """Until cancelled. Raises MrvError when going on would be wrong (a damaged database, a broken rule).

        What is being recorded when the cancellation comes is recorded to its end: leaves that the disk took and the
        Book did not hear of would be covered again by the next `drain`.
        """
        while True:
            await self._wake.wait()
            self._wake.clear()
            await asyncio.shield(self.drain())

    async def drain(self) -> None:
        """Record everything handed over so far."""
        async with self._turn:
            while self._waiting:
                await self._record(self._waiting.popleft())

    async def append(self, leaves: Sequence[AnyLeaf], now: Moment) -> None:
        """Append leaves of the daemon's own (genesis, boot, config, gaps at start), and close what they complete."""
        async with self._turn:
            await self._append([Entry.of(fact) for fact in leaves], now)
            await self._close(now)

    async def note(self, leaves: Sequence[AnyLeaf], now: Moment) -> bool:
        """Append leaves that somebody will offer again if the disk cannot take them now; whether it did."""
        async with self._turn:
            try:
                await self._append([Entry.of(fact) for fact in leaves], now)
            except MrvError as error:
                self._failed(error)
                return False
            return True

    async def checkpoint(self, now: Moment, *, clean: bool = False) -> None:
        """Sign what is not signed yet, if anything; `clean` marks an orderly end."""
        async with self._turn:
            newest = self._store.newest_checkpoint()
            unsigned = self._store.size > (newest.size if newest else 0)
            if unsigned or clean:
                await self._commit([], now, cut=unsigned, clean=clean)

    async def _record(self, item: Clock | MeterEvent | Round) -> None:
        """A clock leaf or event is never lost: where the disk refuses it, it goes before what is appended next."""
        try:
            if not isinstance(item, tuple):
                if isinstance(item, Clock):
                    self.ledger.clock(item)
                elif any(entry.kind == "meter" for entry in self._owed):
                    return None  # named against a Book that has not heard the last one; it will be asked again
                self._owed.append(Entry.of(item if isinstance(item, Clock) else self.ledger.named(item)))
                return await self._append([], _moment(item))
            now = _moment(item[-1])
            if self._owed:  # first, because what a round owes is only known in the era it belongs to
                await self._append([], now)
            await self._append([Entry.of(fact) for fact in self.ledger.arrange(item, now)], now)
            await self._close(now)
        except MrvError as error:
            self._failed(error)
            if isinstance(item, tuple):
                self.ledger.lost(item)

    async def _close(self, now: Moment) -> None:
        while leaves := self.ledger.closing(now):
            entries = [Entry.of(fact) for fact in leaves]
            if not self._gauge.takes(b"\0\0".join(entry.data for entry in entries)):
                await self._commit([], now, cut=True)
            await self._commit(entries, now, cut=True)

    async def _append(self, entries: Sequence[Entry], now: Moment) -> None:
        """One transaction; more only where a checkpoint must come between them to keep bundles within their cap."""
        part: list[Entry] = []
        for entry in (*self._owed, *entries):
            if not self._gauge.takes(entry.data):
                await self._commit(part, now, cut=True)
                part = []
            part.append(entry)
            self._gauge.add(entry.data)
        if part:
            await self._commit(part, now, cut=self._gauge.full)

    async def _commit(self, entries: Sequence[Entry], now: Moment, *, cut: bool, clean: bool = False) -> None:
        """The commit point. What is in the Book and owed to nobody afterwards is on disk."""
        sign = self._sign if cut and self.signing else None
        await asyncio.wrap_future(self._store.append(entries, now.ts, sign, clean=clean))
        self._owed = [entry for entry in self._owed if entry not in entries]
        for entry in entries:
            self.ledger.add(entry.data)
        self.trouble = None
        if cut:
            self._gauge = Gauge()
            self._on_checkpoint()

    def _failed(self, error: MrvError) -> None:
        """Nothing of the last transaction happened. Going on is right only for what may pass by itself."""
        if not error.retryable:
            raise error
        if self.trouble is None:
            _log.error("%s", error)
        self.trouble = error.faults[0]
        self._measure()

    def _measure(self) -> None:
        """Gauge the leaves that no checkpoint has signed yet: at start, and after a failed append."""
        self._gauge = Gauge()
        newest = self._store.newest_checkpoint()
        for data in self._store.since(newest.size if newest else 0):
            self._gauge.add(data)


def _moment(fact: Reading | Gap | Clock | MeterEvent) -> Moment:
    """When a leaf was stamped: gaps before a round and the checkpoint after it say the same."""
    return Moment(boot=fact.boot, boottime=fact.boottime, ts=fact.ts, state=fact.clock, era=0)
