"""What the office holds: raw arrivals, leaves, checkpoints with our cosignature, refused evidence, verdicts.

Leaves, checkpoints and evidence are append-only, by triggers. A receipt is one transaction: the leaves, the cosigned
checkpoint, the moved head and the arrival that is done with, or none of them. The head moves only from the size the
decision was made on, so two writers cannot both extend a log. At most one admitted summary per (site, period) over all
key epochs is a unique index. It decides nothing else: `receive` and `admit` do.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, delete, func, insert, select, update

from collector.schema import ALARMS, CHECKPOINTS, EVIDENCE, HEADS, INBOX, LEAVES, VERDICTS
from collector.verdicts import Settlement, settle
from link.errors import Busy
from link.writer import Transactions
from mrv import leaf
from mrv.audit import Verdict
from mrv.errors import Fault, fault
from mrv.log.merkle import EMPTY, Frontier, leaf_hash

#: Leaves fetched by one query.
CHUNK = 2000
#: Messages of one topic that may wait; a site has one bundle in flight.
MAX_WAITING = 64
#: What another collector received and did not deal with for so long is anybody's.
OTHERS_MS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A message as it came, not yet dealt with; `arrived` is UTC ms."""

    id: int
    topic: str
    arrived: int
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """The newest state of one log: `note` is the cosigned checkpoint of `size`, None while nothing is held."""

    origin: str
    size: int
    forked: bool
    frontier: Frontier
    note: str | None
    arrived: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Extension:
    """What a receipt adds: the log grows from `old` by `leaves` to `frontier`; `note` carries our cosignature."""

    origin: str
    old: int
    leaves: tuple[bytes, ...]
    frontier: Frontier
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """A refused bundle under the site's own valid signature, kept once per (size, root, code)."""

    origin: str
    size: int
    root: str
    code: str


class _Kind(msgspec.Struct):
    k: str = ""


_KIND = msgspec.json.Decoder(_Kind)


class Archive:
    """Reads and extends the archive in `database`. Futures and reads raise `link.errors`."""

    def __init__(self, database: Transactions, keeper: str = "1") -> None:
        """`keeper`: the name of this collector among those that share the database."""
        self.database = database
        self._keeper = keeper

    # -- arrivals ---------------------------------------------------------------------------------------------

    def keep(self, topic: str, body: bytes, at: int) -> Future[bool]:
        """Make raw bytes durable before anybody looks at them; the same bytes already waiting are kept once.

        False: one sender has MAX_WAITING messages waiting already, which no honest one has; dropped, to be sent again.
        """
        digest = leaf.digest(topic.encode() + b"\0" + body)

        def job(connection: Connection) -> bool:
            if connection.execute(select(INBOX.c.id).where(INBOX.c.digest == digest)).first() is not None:
                return True
            mine = select(func.count()).where(INBOX.c.topic == topic, INBOX.c.failed.is_(None))
            if connection.execute(mine).scalar_one() >= MAX_WAITING:
                return False
            values = {"digest": digest, "topic": topic, "keeper": self._keeper, "arrived": at, "body": body}
            connection.execute(insert(INBOX).values(values))
            return True

        return self.database.write(job)

    def waiting(self, now: int | None = None) -> Arrival | None:
        """The oldest arrival not dealt with nor set aside.

        With `now` (UTC ms) only such as this collector kept, or another one that has left them for OTHERS_MS.
        """
        query = select(INBOX).where(INBOX.c.failed.is_(None)).order_by(INBOX.c.id).limit(1)
        if now is not None:
            query = query.where((INBOX.c.keeper == self._keeper) | (INBOX.c.arrived < now - OTHERS_MS))
        row = self._first(query)
        return Arrival(id=row.id, topic=row.topic, arrived=row.arrived, body=row.body) if row else None

    def set_aside(self, arrival: Arrival, why: str) -> Future[None]:
        """Keep an arrival that we failed to deal with out of the others' way, for a person to look at."""

        def job(connection: Connection) -> None:
            connection.execute(update(INBOX).where(INBOX.c.id == arrival.id).values(failed=why))

        return self.database.write(job)

    # -- logs -------------------------------------------------------------------------------------------------

    def head(self, origin: str) -> Head:
        """The newest state of `origin`; size 0 while nothing is held."""
        query = select(HEADS.c.size, HEADS.c.forked, CHECKPOINTS).where(
            HEADS.c.origin == origin, CHECKPOINTS.c.origin == origin, CHECKPOINTS.c.size == HEADS.c.size
        )
        row = self._first(query)
        if row is None:
            return Head(origin=origin, size=0, forked=False, frontier=EMPTY, note=None, arrived=0)
        return Head(
            origin=origin,
            size=row.size,
            forked=bool(row.forked),
            frontier=Frontier.decode(row.frontier),
            note=row.note,
            arrived=row.arrived,
        )

    def frontier(self, origin: str, size: int) -> Frontier:
        """The tree of the first `size` leaves held, from the nearest checkpoint below it."""
        query = (
            select(CHECKPOINTS.c.frontier)
            .where(CHECKPOINTS.c.origin == origin, CHECKPOINTS.c.size <= size)
            .order_by(CHECKPOINTS.c.size.desc())
            .limit(1)
        )
        row = self._first(query)
        start = Frontier.decode(row.frontier) if row else EMPTY
        return start.extend(map(leaf_hash, self.leaves(origin, start.size, size)))

    def leaves(
        self, origin: str, start: int = 0, stop: int | None = None, kinds: Iterable[str] = ()
    ) -> Iterator[bytes]:
        """Leaves [start, stop) in order (`stop` None: all there are), only those of `kinds` if any are named."""
        for _, body in self.indexed(origin, start, stop, kinds):
            yield body

    def indexed(
        self, origin: str, start: int = 0, stop: int | None = None, kinds: Iterable[str] = ()
    ) -> Iterator[tuple[int, bytes]]:
        """As `leaves`, with their indices."""
        query = select(LEAVES.c.idx, LEAVES.c.body).where(LEAVES.c.origin == origin).order_by(LEAVES.c.idx)
        query = query if stop is None else query.where(LEAVES.c.idx < stop)
        if wanted := sorted(kinds):
            query = query.where(LEAVES.c.kind.in_(wanted), LEAVES.c.kind.not_in(["reading", "gap", ""]))
        while rows := self._all(query.where(LEAVES.c.idx >= start).limit(CHUNK)):
            yield from ((index, body) for index, body in rows)
            start = rows[-1].idx + 1

    def newest_first(self, origin: str, stop: int) -> Iterator[tuple[int, bytes]]:
        """(index, bytes) of the leaves below `stop`, from the last to the first."""
        query = select(LEAVES.c.idx, LEAVES.c.body).where(LEAVES.c.origin == origin).order_by(LEAVES.c.idx.desc())
        while rows := self._all(query.where(LEAVES.c.idx < stop).limit(CHUNK)):
            yield from ((index, body) for index, body in rows)
            stop = rows[-1].idx

    def root(self, origin: str, size: int) -> bytes | None:
        """The root at a size that we cosigned; None for any other size."""
        query = select(CHECKPOINTS.c.frontier).where(CHECKPOINTS.c.origin == origin, CHECKPOINTS.c.size == size)
        row = self._first(query)
        return Frontier.decode(row.frontier).root() if row else None

    def intact(self, origin: str) -> bool:
        """Whether the leaves held, hashed again from the first, give the root that was cosigned."""
        head = self.head(origin)
        return EMPTY.extend(map(leaf_hash, self.leaves(origin, 0, head.size))) == head.frontier

    def damaged(self) -> Iterator[str]:
        """The origins of logs that are not `intact`; reads all of the archive."""
        for row in self._all(select(HEADS.c.origin).order_by(HEADS.c.origin)):
            if not self.intact(row.origin):
                yield row.origin

    def notes(self, origin: str) -> Iterator[tuple[int, str]]:
        """(size, cosigned checkpoint), oldest first."""
        query = select(CHECKPOINTS.c.size, CHECKPOINTS.c.note).where(CHECKPOINTS.c.origin == origin)
        yield from ((row.size, row.note) for row in self._all(query.order_by(CHECKPOINTS.c.size)))

    def extend(self, extension: Extension, at: int, arrival: int) -> Future[None]:
        """The commit point of a receipt. The future raises Busy when the head has moved since it was read."""
        return self.database.write(lambda connection: _extend(connection, extension, at, arrival))

    def dismiss(
        self, arrival: Arrival, at: int, exhibit: Exhibit | None = None, alarm: Fault | None = None, fork: bool = False
    ) -> Future[None]:
        """Be done with an arrival that adds nothing, keeping what it proves."""

        def job(connection: Connection) -> None:
            if exhibit is not None:
                _exhibit(connection, exhibit, arrival)
            if alarm is not None:
                _alarm(connection, exhibit.origin if exhibit else "", alarm, at)
            if fork and exhibit is not None:
                connection.execute(update(HEADS).where(HEADS.c.origin == exhibit.origin).values(forked=1))
            connection.execute(delete(INBOX).where(INBOX.c.id == arrival.id))

        return self.database.write(job)

    # -- verdicts and alarms ----------------------------------------------------------------------------------

    def judged(self, origin: str) -> Iterator[int]:
        """The indices of the summaries of `origin` that have a verdict, newest first."""
        query = select(VERDICTS.c.idx).where(VERDICTS.c.origin == origin).order_by(VERDICTS.c.idx.desc()).limit(CHUNK)
        rows = self._all(query)
        while rows:
            yield from (row.idx for row in rows)
            rows = self._all(query.where(VERDICTS.c.idx < rows[-1].idx))

    def behind(self, origin: str) -> bool:
        """Whether a summary of `origin` is held that has no verdict yet."""
        judged = select(func.coalesce(func.max(VERDICTS.c.idx), -1)).where(VERDICTS.c.origin == origin)
        found = (
            select(LEAVES.c.idx)
            .where(LEAVES.c.origin == origin, LEAVES.c.kind == "summary", LEAVES.c.kind.not_in(["reading", "gap", ""]))
            .where(LEAVES.c.idx > judged.scalar_subquery())
        )
        return self._first(found.limit(1)) is not None

    def settle(self, site: str, origin: str, found: Sequence[Settlement], at: int) -> Future[tuple[Verdict, ...]]:
        """Store verdicts, all or none; a period that another admitted summary of the site covers is not admitted again.

        What was decided comes back as it was stored.
        """
        return self.database.write(lambda connection: tuple(settle(connection, site, origin, one, at) for one in found))

    def verdicts(self, site: str | None = None, origin: str | None = None) -> Sequence[Row[Any]]:
        """Rows of verdicts joined with the summary's bytes (`body`), by site, start and index."""
        joined = VERDICTS.join(LEAVES, (LEAVES.c.origin == VERDICTS.c.origin) & (LEAVES.c.idx == VERDICTS.c.idx))
        query = select(VERDICTS, LEAVES.c.body).select_from(joined)
        query = query if site is None else query.where(VERDICTS.c.site == site)
        query = query if origin is None else query.where(VERDICTS.c.origin == origin)
        return self._all(query.order_by(VERDICTS.c.site, VERDICTS.c.start, VERDICTS.c.origin, VERDICTS.c.idx))

    def admitted(self, origin: str, start: int, end: int) -> Sequence[Row[Any]]:
        """idx, start, end of the admitted summaries of `origin` with a part of [start, end), in order."""
        query = select(VERDICTS.c.idx, VERDICTS.c.start, VERDICTS.c.end).where(
            VERDICTS.c.origin == origin, VERDICTS.c.admitted == 1, VERDICTS.c.start < end, VERDICTS.c.end > start
        )
        return self._all(query.order_by(VERDICTS.c.idx))

    def quarantined(self, origin: str, start: int, end: int) -> Sequence[Row[Any]]:
        """start, end, reasons of the summaries of `origin` that do not count in [start, end), by start."""
        query = select(VERDICTS.c.start, VERDICTS.c.end, VERDICTS.c.reasons).where(
            VERDICTS.c.origin == origin, VERDICTS.c.admitted == 0, VERDICTS.c.start < end, VERDICTS.c.end > start
        )
        return self._all(query.order_by(VERDICTS.c.start, VERDICTS.c.idx))

    def first_admitted(self, site: str) -> int | None:
        """Start (UTC ms) of the earliest admitted summary of `site`."""
        query = select(func.min(VERDICTS.c.start)).where(VERDICTS.c.site == site, VERDICTS.c.admitted == 1)
        found: int | None = self.database.read(lambda connection: connection.execute(query).scalar_one())
        return found

    def waiting_verdicts(self, origin: str) -> Sequence[Row[Any]]:
        """idx and reasons of the quarantined summaries of `origin`."""
        query = select(VERDICTS.c.idx, VERDICTS.c.reasons)
        return self._all(query.where(VERDICTS.c.origin == origin, VERDICTS.c.admitted == 0))

    def count(self, origin: str) -> tuple[int, int]:
        """How many summaries of `origin` are admitted, and how many quarantined."""
        query = select(func.count(), func.coalesce(func.sum(VERDICTS.c.admitted), 0)).where(VERDICTS.c.origin == origin)
        total, admitted = self.database.read(lambda connection: connection.execute(query).one())
        return admitted, total - admitted

    def alarm(self, origin: str, what: Fault, at: int) -> Future[None]:
        """Raise or repeat an alarm."""
        return self.database.write(lambda connection: _alarm(connection, origin, what, at))

    def alarms(self) -> Sequence[Row[Any]]:
        """origin, code, params (JSON), first, last (UTC ms), times."""
        return self._all(select(ALARMS).order_by(ALARMS.c.origin, ALARMS.c.code))

    def exhibits(self, origin: str) -> Sequence[Row[Any]]:
        """The refused bundles kept for `origin`."""
        return self._all(select(EVIDENCE).where(EVIDENCE.c.origin == origin).order_by(EVIDENCE.c.arrived))

    def _all(self, query: Any) -> Sequence[Row[Any]]:
        return self.database.read(lambda connection: connection.execute(query).all())

    def _first(self, query: Any) -> Row[Any] | None:
        return self.database.read(lambda connection: connection.execute(query).first())


def _extend(connection: Connection, extension: Extension, at: int, arrival: int) -> None:
    origin, size = extension.origin, extension.frontier.size
    if extension.old == 0 and connection.execute(select(HEADS).where(HEADS.c.origin == origin)).first() is None:
        connection.execute(insert(HEADS).values(origin=origin, size=size, forked=0))
    else:
        head = update(HEADS).where(HEADS.c.origin == origin, HEADS.c.size == extension.old, HEADS.c.forked == 0)
        if connection.execute(head.values(size=size)).rowcount != 1:
            raise Busy(fault("collector.head_moved", origin, size=extension.old))
    rows = [
        {"origin": origin, "idx": index, "kind": _kind(body), "body": body}
        for index, body in enumerate(extension.leaves, extension.old)
    ]
    connection.execute(insert(LEAVES), rows)
    connection.execute(
        insert(CHECKPOINTS).values(
            origin=origin, size=size, frontier=extension.frontier.encode(), note=extension.note, arrived=at
        )
    )
    connection.execute(delete(INBOX).where(INBOX.c.id == arrival))


def _kind(body: bytes) -> str:
    """The kind of a leaf if this version knows it: what rebuilding a Book selects by. Unknown and broken ones: ''."""
    try:
        found = _KIND.decode(body).k
    except (msgspec.DecodeError, UnicodeDecodeError):
        return ""
    return found if found in leaf.KINDS else ""


def _exhibit(connection: Connection, exhibit: Exhibit, arrival: Arrival) -> None:
    key = {"origin": exhibit.origin, "size": exhibit.size, "root": exhibit.root, "code": exhibit.code}
    if connection.execute(select(EVIDENCE.c.size).filter_by(**key)).first() is None:
        connection.execute(insert(EVIDENCE).values(**key, arrived=arrival.arrived, body=arrival.body))


def _alarm(connection: Connection, origin: str, what: Fault, at: int) -> None:
    known = connection.execute(
        update(ALARMS)
        .where(ALARMS.c.origin == origin, ALARMS.c.code == what.code)
        .values(params=json.dumps(what.params, sort_keys=True), last=at, times=ALARMS.c.times + 1)
    )
    if known.rowcount == 0:
        params = json.dumps(what.params, sort_keys=True)
        connection.execute(
            insert(ALARMS).values(origin=origin, code=what.code, params=params, first=at, last=at, times=1)
        )
