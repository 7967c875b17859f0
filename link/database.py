"""One SQLite file with one writer thread: the only way either end's records reach the disk.

All writes and WAL checkpoints go through one connection on one thread, in the order they were asked for, each in its
own BEGIN IMMEDIATE ... COMMIT with synchronous=FULL: when the future is done, the power may go. Readers have their own
connections, see a snapshot and cannot write. SQLAlchemy errors end here, as `link.errors`.

    database = Database(path, metadata, version=1)
    future = database.write(lambda connection: connection.execute(...).rowcount)
    rows = database.read(lambda connection: connection.execute(...).all())
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError

from link.errors import TooNew, from_sqlite
from link.writer import Connections, Job
from mrv.errors import fault

T = TypeVar("T")

BUSY_TIMEOUT_MS = 5000
WAL_LIMIT = 16 * 1024 * 1024
_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA wal_autocheckpoint=1000",
    f"PRAGMA journal_size_limit={WAL_LIMIT}",
    "PRAGMA trusted_schema=OFF",
    "PRAGMA cell_size_check=ON",
)
_READER_PRAGMAS = (f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}", "PRAGMA trusted_schema=OFF", "PRAGMA query_only=ON")


class Database(Connections):
    """Owns the file. `version` is kept in PRAGMA user_version; DDL events of `metadata` (triggers) run at creation."""

    def __init__(
        self, path: Path, metadata: MetaData, version: int, upgrade: Callable[[Connection, int], None] | None = None
    ) -> None:
        """Open or create the file at `path`; `upgrade` brings one of an earlier version up to this one.

        Raises link.errors.*: TooNew for a file of a later version.
        """
        self.path = path
        engine, reader = _engine(path, _PRAGMAS, "BEGIN IMMEDIATE"), _engine(path, _READER_PRAGMAS, "BEGIN")
        super().__init__(
            path.name, engine, reader, lambda connection: self._prepare(connection, metadata, version, upgrade)
        )

    def _prepare(
        self,
        connection: Connection,
        metadata: MetaData,
        version: int,
        upgrade: Callable[[Connection, int], None] | None,
    ) -> None:
        found: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found > version:
            raise TooNew(fault("link.database_too_new", str(self.path), found=found, known=version))
        if found == 0:
            metadata.create_all(connection)
        elif found < version and upgrade is not None:
            upgrade(connection, found)
        if found < version:
            connection.exec_driver_sql(f"PRAGMA user_version={version}")

    def _transaction(self, job: Job[Any]) -> Any:
        with self._border(), self._engine.begin() as connection:
            return job(connection)

    @contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise from_sqlite(error.orig, str(self.path)) from error


def _engine(path: Path, pragmas: tuple[str, ...], begin: str) -> Engine:
    engine = create_engine(f"sqlite:///{path}", connect_args={"isolation_level": None, "check_same_thread": False})

    def opened(connection: Any, _record: object) -> None:
        for pragma in pragmas:
            connection.execute(pragma)

    event.listen(engine, "connect", opened)
    # The driver's own transactions are off: it would begin late and DEFERRED, and a writer must not start as a reader.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine
