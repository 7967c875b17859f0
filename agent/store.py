"""The log on disk: leaves, the frontier of their tree, checkpoints and receipts, in one SQLite file.

Append-only by triggers. One append is one transaction: leaf rows, frontier and head, and the checkpoint when one is
asked for, so the head is never ahead of or behind the leaves, whatever cuts the power. Signs what it has just written
and nothing else. Knows no meters, periods or topics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import DDL, Column, Connection, Index, Integer, LargeBinary, MetaData, Table, Text, event, text

from link.database import Database
from link.failpoint import reach
from mrv import leaf
from mrv.book import Book
from mrv.errors import BadInput, fault
from mrv.leaf import AnyLeaf
from mrv.log.checkpoint import peek
from mrv.log.merkle import EMPTY, HASH_SIZE, Frontier, leaf_hash

VERSION = 1
FILE = "log.sqlite"
#: Gives the signed note of the checkpoint of this size and root.
Signer = Callable[[int, bytes], str]
#: Leaves read at once.
_CHUNK = 500

METADATA = MetaData()
#: `landmark` marks the few kinds a Book is rebuilt from; readings and gaps have NULL, which costs no byte.
LEAF = Table(
    "leaf",
    METADATA,
    Column("idx", Integer, primary_key=True, autoincrement=False),
    Column("landmark", Integer),
    Column("body", LargeBinary, nullable=False),
    Index("leaf_landmark", "idx", sqlite_where=text("landmark IS NOT NULL")),
)
#: id 0: the head. id 1: the frontier at the newest checkpoint, from where a start re-hashes.
HEAD = Table(
    "head",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", Integer, nullable=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("clean", Integer, nullable=False),
)
#: `proof`: inclusion proof of the last leaf, where that is a summary.
CHECKPOINT = Table(
    "checkpoint",
    METADATA,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("created", Integer, nullable=False),
    Column("proof", LargeBinary),
)
RECEIPT = Table(
    "receipt",
    METADATA,
    Column("size", Integer, primary_key=True, autoincrement=False),
    Column("note", Text, nullable=False),
    Column("received", Integer, nullable=False),
)


def _append_only(table: Table, verb: str) -> None:
    rule: Any = DDL  # untyped in this version
    refuse = f"BEGIN SELECT RAISE(ABORT, '{table.name} is append-only'); END"
    trigger = f"CREATE TRIGGER {table.name}_no_{verb.lower()} BEFORE {verb} ON {table.name} {refuse}"
    event.listen(table, "after_create", rule(trigger))


for _table in (LEAF, CHECKPOINT, RECEIPT):
    _append_only(_table, "UPDATE")
    _append_only(_table, "DELETE")


@dataclass(frozen=True, slots=True)
class Entry:
    """One leaf to append."""

    kind: str
    data: bytes

    @classmethod
    def of(cls, fact: AnyLeaf) -> Entry:
        """Raises BadInput when the leaf is larger than a leaf may be."""
        return cls(str(type(fact).__struct_config__.tag), leaf.encode(fact))

    @property
    def landmark(self) -> int | None:
        """What the column says: a Book is rebuilt from this leaf (1) or need not see it."""
        return 1 if self.kind in Book.LANDMARKS else None


@dataclass(frozen=True, slots=True)
class Signed:
    """A stored checkpoint of this log."""

    size: int
    note: str
    created: int
    proof: tuple[bytes, ...] | None


@dataclass(frozen=True, slots=True)
class Backlog:
    """Leaves written, signed, acknowledged; checkpoints without receipt and when the oldest was made (UTC ms)."""

    size: int
    signed: int
    received: int
    waiting: int
    waiting_since: int | None


class Store:
    """Owns the log file. Reads are of durable state only."""

    def __init__(self, path: Path) -> None:
        """Open or create. Raises link.errors.*, and BadInput when leaves and head do not belong together."""
        self.path = path
        self._database = Database(path, METADATA, VERSION)
        try:
            self.clean, self._frontier = self._verified()
        except BaseException:
            self._database.close()
            raise

    def close(self) -> None:
        """Finish what is queued and let go of the file."""
        self._database.close()

    # -- appending --------------------------------------------------------------------------------------------

    def append(
        self, entries: Sequence[Entry], at: int, sign: Signer | None = None, *, clean: bool = False
    ) -> Future[int]:
        """Append in one transaction, with a checkpoint of the new size when `sign` is given; gives the new size.

        `at` (UTC ms) is the checkpoint's creation time; `clean` marks an orderly end until the next append. The
        future fails with link.errors.*; then nothing of it happened, as far as the disk can be believed.
        """
        future = self._database.write(lambda connection: self._append(connection, entries, at, sign, clean=clean))
        future.add_done_callback(lambda _done: reach("append.committed"))
        return future

    def _append(
        self, connection: Connection, entries: Sequence[Entry], at: int, sign: Signer | None, *, clean: bool
    ) -> int:
        reach("append.begun")
        (durable,) = connection.exec_driver_sql("SELECT coalesce(max(size), 0) FROM head WHERE id = 0").one()
        if durable != self._frontier.size:  # the transaction before this one failed
            _, self._frontier = _head(connection)
        first = self._frontier.size
        if entries:
            connection.exec_driver_sql(
                "INSERT INTO leaf (idx, landmark, body) VALUES (?, ?, ?)",
                [(first + i, entry.landmark, entry.data) for i, entry in enumerate(entries)],
            )
        reach("append.leaves")
        before = self._frontier.extend(leaf_hash(entry.data) for entry in entries[:-1])
        after = before.extend(leaf_hash(entry.data) for entry in entries[-1:])
        _put_head(connection, 0, after, clean=clean)
        reach("append.head")
        if sign and after.size:
            summary = bool(entries) and entries[-1].kind == "summary"
            _put_checkpoint(connection, after, sign, at, before.last_proof() if summary else None)
            reach("append.signed")
        self._frontier = after
        return after.size

    # -- receipts ---------------------------------------------------------------------------------------------

    def keep_receipt(self, size: int, note: str, at: int) -> Future[None]:
        """Keep a verified receipt; one of a size already held changes nothing."""

        def job(connection: Connection) -> None:
            connection.exec_driver_sql(
                "INSERT OR IGNORE INTO receipt (size, note, received) VALUES (?, ?, ?)", (size, note, at)
            )

        return self._database.write(job)

    def receipt(self) -> tuple[int, str] | None:
        """(size, note) of the largest receipt."""
        row = self._row("SELECT size, note FROM receipt ORDER BY size DESC LIMIT 1")
        return (row[0], row[1]) if row else None

    # -- reading ----------------------------------------------------------------------------------------------

    @property
    def size(self) -> int:
        """Leaves that are durable."""
        row = self._row("SELECT size FROM head WHERE id = 0")
        return int(row[0]) if row else 0

    def checkpoint(self, size: int) -> Signed | None:
        """The checkpoint of exactly this size."""
        return self._signed("WHERE size = ?", size)

    def newest_checkpoint(self) -> Signed | None:
        return self._signed("ORDER BY size DESC LIMIT 1")

    def newest_summary(self) -> tuple[Signed, bytes] | None:
        """The newest checkpoint that ends in a summary, and that summary."""
        found = self._signed("WHERE proof IS NOT NULL ORDER BY size DESC LIMIT 1")
        return (found, next(iter(self.leaves(found.size - 1, found.size)))) if found else None

    def next_checkpoint(self, old: int, limit: int) -> Signed | None:
        """The furthest checkpoint after `old` with at most `limit` bytes of leaves on the way, or the first one."""
        rows = self._rows("SELECT size FROM checkpoint WHERE size > ? ORDER BY size LIMIT 64", old)
        best, total, begin = None, 0, old
        for (size,) in rows:
            total += self._row(
                "SELECT coalesce(sum(length(body) + 2), 0) FROM leaf WHERE idx >= ? AND idx < ?", begin, size
            )[0]
            if best is not None and total > limit:
                break
            best, begin = size, size
        return self.checkpoint(best) if best is not None else None

    def leaves(self, start: int, end: int) -> tuple[bytes, ...]:
        """Leaves [start, end)."""
        rows = self._rows("SELECT body FROM leaf WHERE idx >= ? AND idx < ? ORDER BY idx", start, end)
        return tuple(bytes(body) for (body,) in rows)

    def backlog(self) -> Backlog:
        """What waits for a receipt."""
        receipt, newest = self.receipt(), self.newest_checkpoint()
        received = receipt[0] if receipt else 0
        count, since = self._row("SELECT count(*), min(created) FROM checkpoint WHERE size > ?", received)
        return Backlog(self.size, newest.size if newest else 0, received, count, since)

    # LeafSource (mrv.restore)

    def newest_first(self) -> Iterator[tuple[int, bytes]]:
        end = self.size
        while end > 0:
            start = max(0, end - _CHUNK)
            yield from reversed(list(enumerate(self.leaves(start, end), start)))
            end = start

    def landmarks(self, before: int) -> Iterator[tuple[int, bytes]]:
        query = "SELECT idx, body FROM leaf WHERE landmark IS NOT NULL AND idx >= ? AND idx < ? ORDER BY idx LIMIT ?"
        start = 0
        while rows := self._rows(query, start, before, _CHUNK):
            for index, body in rows:
                start = index + 1
                yield index, bytes(body)

    def since(self, index: int) -> Iterator[bytes]:
        yield from self._between(index, self.size)

    # -- integrity --------------------------------------------------------------------------------------------

    def rehash(self) -> None:
        """Read the whole log again. Raises BadInput naming the first checkpoint whose leaves are not what it signed."""
        tree, at = EMPTY, 0
        for size, root in self._roots():
            tree = tree.extend(leaf_hash(data) for data in self._between(at, size))
            at = size
            if tree.size != size or tree.root() != root:
                raise BadInput(fault("agent.log_damaged", str(self.path), size=size))

    def _between(self, start: int, end: int) -> Iterator[bytes]:
        """Leaves [start, end), read lazily."""
        for first in range(start, end, _CHUNK):
            yield from self.leaves(first, min(first + _CHUNK, end))

    def _roots(self) -> Iterator[tuple[int, bytes]]:
        size = 0
        while (found := self._signed("WHERE size > ? ORDER BY size LIMIT 1", size)) is not None:
            size = found.size
            yield size, peek(found.note).root

    def _verified(self) -> tuple[bool, Frontier]:
        """(orderly end, frontier): the leaves past the newest checkpoint must give the head that was written."""
        clean, head = self._database.read(_head)
        _, tree = self._database.read(lambda connection: _head(connection, 1))
        newest = self.newest_checkpoint()
        if newest and (newest.size, peek(newest.note).root) != (tree.size, tree.root()):
            raise BadInput(fault("agent.log_damaged", str(self.path), size=newest.size))
        tree = tree.extend(leaf_hash(data) for data in self.since(tree.size))
        (rows,) = self._row("SELECT coalesce(max(idx) + 1, 0) FROM leaf")
        if tree != head or rows != head.size:
            raise BadInput(fault("agent.log_damaged", str(self.path), size=head.size))
        return clean, head

    def _signed(self, where: str, *params: int) -> Signed | None:
        row = self._row(f"SELECT size, note, created, proof FROM checkpoint {where}", *params)  # noqa: S608
        if row is None:
            return None
        proof = None if row[3] is None else tuple(row[3][i : i + HASH_SIZE] for i in range(0, len(row[3]), HASH_SIZE))
        return Signed(row[0], row[1], row[2], proof)

    def _row(self, query: str, *params: int) -> Any:
        return self._database.read(lambda connection: connection.exec_driver_sql(query, params).first())

    def _rows(self, query: str, *params: int) -> list[Any]:
        return self._database.read(lambda connection: list(connection.exec_driver_sql(query, params)))


def _head(connection: Connection, which: int = 0) -> tuple[bool, Frontier]:
    row = connection.exec_driver_sql("SELECT clean, frontier FROM head WHERE id = ?", (which,)).first()
    return (bool(row[0]), Frontier.decode(bytes(row[1]))) if row else (False, EMPTY)


def _put_head(connection: Connection, which: int, frontier: Frontier, *, clean: bool) -> None:
    connection.exec_driver_sql(
        "INSERT INTO head (id, size, frontier, clean) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (id) DO UPDATE SET size = excluded.size, frontier = excluded.frontier, clean = excluded.clean",
        (which, frontier.size, frontier.encode(), int(clean)),
    )


def _put_checkpoint(
    connection: Connection, tree: Frontier, sign: Signer, at: int, proof: tuple[bytes, ...] | None
) -> None:
    connection.exec_driver_sql(
        "INSERT OR IGNORE INTO checkpoint (size, note, created, proof) VALUES (?, ?, ?, ?)",
        (tree.size, sign(tree.size, tree.root()), at, None if proof is None else b"".join(proof)),
    )
    _put_head(connection, 1, tree, clean=False)
