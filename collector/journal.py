"""The journal of each site as it is stored: appended to in the caller's transaction, read as bytes.

What a line is, and whether a journal is whole, is said in mrv.journal; this module only puts the next one behind the
last. The table refuses every other change.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, select

from collector.schema import JOURNAL
from link.writer import Transactions
from mrv import journal, leaf
from mrv.errors import Unavailable, fault, raise_all
from mrv.journal import Journal, Line
from mrv.records import AnyRecord

#: How far (ms) the clock may stand behind the last line: the line then bears that line's time.
TOLERANCE = 60_000


def append(
    connection: Connection,
    site: str,
    *,
    at: int,
    by: str,
    what: str,
    detail: dict[str, str] | None = None,
    record: AnyRecord | None = None,
) -> Line:
    """Put the next line behind the journal of `site`. Raises Unavailable when our clock was turned back."""
    newest = select(func.max(JOURNAL.c.number)).where(JOURNAL.c.site == site)
    number = connection.execute(newest).scalar_one()
    last = _line(connection, site, number) if number is not None else None
    if last is not None and at < last.at - TOLERANCE:
        raise Unavailable(fault("collector.clock_behind_journal", site, now=at, last=last.at))
    moment = max(at, last.at) if last else at
    made = journal.line(last, site=site, at=moment, by=by, what=what, detail=detail or {}, record=record)
    values: dict[str, Any] = {"site": site, "number": made.number, "what": what, "line": leaf.canonical(made)}
    connection.execute(insert(JOURNAL).values(values))
    return made


def _line(connection: Connection, site: str, number: int) -> Line:
    query = select(JOURNAL.c.line).where(JOURNAL.c.site == site, JOURNAL.c.number == number)
    return msgspec.json.decode(connection.execute(query).scalar_one(), type=Line)


def enter(database: Transactions, site: str, records: Sequence[AnyRecord], *, at: int, by: str) -> Future[None]:
    """Put `records` behind the journal of `site`, all or none. The future raises BadInput (mrv.journal.misfits)."""

    def job(connection: Connection) -> None:
        held = journal.read(_lines(connection, site), site).entries
        for record in records:
            raise_all(journal.misfits(record, held))
            made = append(connection, site, at=at, by=by, what=journal.RECORD, record=record)
            held = (*held, journal.entry(made))

    return database.write(job)


def lines(database: Transactions, site: str) -> tuple[bytes, ...]:
    """Every line of the journal of `site`, in order, as stored."""
    return database.read(lambda connection: _lines(connection, site))


def held(database: Transactions, site: str) -> Journal:
    """The journal of `site`, read and checked."""
    return journal.read(lines(database, site), site)


def _lines(connection: Connection, site: str) -> tuple[bytes, ...]:
    query = select(JOURNAL.c.line).where(JOURNAL.c.site == site).order_by(JOURNAL.c.number)
    return tuple(connection.execute(query).scalars().all())
