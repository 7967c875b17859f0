"""One SQLite file with one writer thread: the only way either end's records reach the disk.

All writes and WAL checkpoints go through one connection on one thread, in the order they were asked for, each in its
own BEGIN IMMEDIATE ... COMMIT with synchronous=FULL: when the future is done, the power may go. Readers have their own
connections, see a snapshot and cannot write. SQLAlchemy errors end here, as `link.errors`.

    database = Database(path, metadata, version=1)
    future = database.write(lambda connection: connection.execute(...).rowcount)
    rows = database.read(lambda connection: connection.execute(...).all())
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError

from link.errors import TooNew, from_sqlite
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


class Database:
    """Owns the file. `version` is kept in PRAGMA user_version; DDL events of `metadata` (triggers) run at creation."""

    def __init__(self, path: Path, metadata: MetaData, version: int) -> None:
        """Open or create the file at `path`. Raises link.errors.*: TooNew for a file of a later version."""
        self.path = path
        self._writer = _engine(path, _PRAGMAS, "BEGIN IMMEDIATE")
        self._reader = _engine(path, _READER_PRAGMAS, "BEGIN")
        self._jobs: SimpleQueue[tuple[Callable[[Connection], Any], Future[Any]] | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"writer of {path.name}", daemon=True)
        self._thread.start()
        try:
            self.write(lambda connection: self._prepare(connection, metadata, version)).result()
        except BaseException:
            self.close()
            raise

    def write(self, job: Callable[[Connection], T]) -> Future[T]:
        """Queue `job` for the writer thread; the future is done once it is durable, or failed and rolled back."""
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise RuntimeError(f"{self.path} is closed")
            self._jobs.put((job, future))
        return future

    def read(self, job: Callable[[Connection], T]) -> T:
        """Run `job` now, on this thread, on a snapshot. Raises link.errors.*."""
        with self._border(), self._reader.begin() as connection:
            return job(connection)

    def close(self) -> None:
        """Finish what is queued, then let go of the file. Calling it again does nothing."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._reader.dispose()
        self._writer.dispose()

    def _prepare(self, connection: Connection, metadata: MetaData, version: int) -> None:
        found: int = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found > version:
            raise TooNew(fault("link.database_too_new", str(self.path), found=found, known=version))
        if found < version:
            metadata.create_all(connection)  # a later version only ever adds tables
            connection.exec_driver_sql(f"PRAGMA user_version={version}")

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                with self._border(), self._writer.begin() as connection:
                    result = job(connection)
            except BaseException as error:  # a job boundary: whatever it is belongs to the one who asked
                future.set_exception(error)
            else:
                future.set_result(result)

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
