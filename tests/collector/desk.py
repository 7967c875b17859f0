"""A collector without a broker, and a site on paper that can sign what it likes.

site = PaperSite([b'{"k":"x"}', ...])
desk = Desk(tmp_path)
desk.enroll(site)
desk.deliver(site.bundle(0, 2))     # -> what was published in answer
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from collector.archive import Archive, Arrival
from collector.config import Folder, create, load
from collector.database import opened
from collector.enroll import Request, carry_out
from collector.receive import Receiver
from collector.registry import Registry
from link.errors import DiskError
from link.writer import Transactions
from mrv.errors import fault
from mrv.exchange import Answer, answer, topic
from mrv.log.bundle import Bundle, pack
from mrv.log.checkpoint import Checkpoint, cosigned, issue, open_checkpoint, peek
from mrv.log.merkle import EMPTY, leaf_hash
from mrv.log.note import NOTE, SigningKey

ORG = "example.org"
NOW = 1_772_409_600_000


def filler(count: int, start: int = 0) -> list[bytes]:
    """Leaves of a kind nobody knows: kept and cosigned, never counted."""
    return [b'{"k":"test","n":%d}' % number for number in range(start, start + count)]


class PaperSite:
    """Leaves and a key. Signs any size of any leaves on request, honestly or not."""

    def __init__(self, leaves: Sequence[bytes], *, site: str = "demo-factory", epoch: int = 1, seed: int = 1) -> None:
        self.site = site
        self.leaves = list(leaves)
        self.key = SigningKey(f"{ORG}/mrv/{site}/k{epoch}", NOTE, bytes([seed]) * 32)

    @property
    def origin(self) -> str:
        return self.key.name

    def root(self, size: int) -> bytes:
        return EMPTY.extend(map(leaf_hash, self.leaves[:size])).root()

    def note(self, size: int) -> str:
        return issue(Checkpoint(self.origin, size, self.root(size)), self.key)

    def bundle(self, old: int, size: int, **changes: Any) -> bytes:
        """Leaves [old, size) under the checkpoint of `size`; `changes` are fields of Bundle."""
        fields = {"old": old, "receipt": None, "checkpoint": self.note(size), "leaves": tuple(self.leaves[old:size])}
        return pack(Bundle(**fields | changes))


class FaultyDatabase:
    """A database that fails its next write on request: `before` it happened, or `after` it did."""

    def __init__(self, real: Transactions) -> None:
        self._real = real
        self.armed: str | None = None
        self.read = real.read
        self.close = real.close

    def write(self, job: Any) -> Future[Any]:
        mode, self.armed = self.armed, None
        if mode is None:
            return self._real.write(job)
        if mode == "after":
            self._real.write(job).result()
        failed: Future[Any] = Future()
        failed.set_exception(DiskError(fault("link.disk_error", "test", problem=mode)))
        return failed


@dataclass(frozen=True)
class Said:
    """One published message."""

    topic: str
    payload: bytes
    retain: bool

    @property
    def answer(self) -> Answer:
        assert self.topic.endswith("/down/answer")
        assert not self.retain
        return answer(self.payload)

    @property
    def receipt(self) -> str:
        assert self.topic.endswith("/down/receipt")
        assert self.retain
        return self.payload.decode()


class Desk:
    """Archive, registry and receiver over a real database: a file, or `server` (the URL of a PostgreSQL one)."""

    def __init__(self, path: Path, server: str | None = None) -> None:
        self.folder = Folder(path / "office")
        self.identity = load(self.folder) if self.folder.key.exists() else create(self.folder, ORG, server)
        self.database = FaultyDatabase(opened(self.folder))
        self.archive = Archive(self.database)
        self.registry = Registry(self.database)
        self.said: list[Said] = []
        self.now = NOW
        self.receiver = Receiver(
            self.archive, self.registry, self.identity, lambda *message: self.said.append(Said(*message))
        )

    def enroll(self, enrolled: PaperSite, **changes: Any) -> tuple[str, ...]:
        request = Request(**{"site": enrolled.site, "who": "test", "key": enrolled.key.vkey} | changes)
        steps = carry_out(request, self.identity, self.registry, self.archive, self.now)
        return tuple(step.what for step in steps)

    def keep(self, body: bytes, site: str = "demo-factory") -> None:
        self.archive.keep(topic(site, "up/log"), body, self.now).result()

    def work(self) -> list[Said]:
        """Deal with everything that waits."""
        before = len(self.said)
        while arrival := self.archive.waiting():
            self.handle(arrival)
        return self.said[before:]

    def handle(self, arrival: Arrival) -> str | None:
        self.now += 1000
        return self.receiver.handle(arrival, self.now)

    def deliver(self, body: bytes, site: str = "demo-factory") -> Said:
        """The one message that a bundle is answered with."""
        self.keep(body, site)
        (only,) = self.work()
        return only

    def size(self, site: PaperSite) -> int:
        return self.archive.head(site.origin).size

    def check_world(self, site: PaperSite) -> None:
        """What must hold after every step: leaves byte-equal, roots right, receipts only for what is held."""
        head = self.archive.head(site.origin)
        assert list(self.archive.leaves(site.origin)) == site.leaves[: head.size]
        assert self.archive.intact(site.origin)
        sizes = [size for size, _ in self.archive.notes(site.origin)]
        assert sizes == sorted(set(sizes))
        assert (sizes[-1] if sizes else 0) == head.size
        for _, note in self.archive.notes(site.origin):
            claim = open_checkpoint(note, site.key.public)
            assert claim.root == site.root(claim.size)
            cosigned(note, (self.identity.key.public,))
        for said in self.said:
            if said.topic == topic(site.site, "down/receipt") and peek(said.receipt).origin == site.origin:
                assert open_checkpoint(said.receipt, site.key.public).size <= head.size
