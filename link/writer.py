"""One thread that carries out jobs in the order they were asked for, each with a future: how a database is written.

It knows no database: `transaction` runs one job inside a transaction of its own, or raises.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from queue import SimpleQueue
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Engine

T = TypeVar("T")
Job = Callable[[Connection], T]


class Transactions(Protocol):
    """A database as the archive and the registry use it: SQLite (link.database) or PostgreSQL (link.postgres)."""

    def write(self, job: Job[T]) -> Future[T]:
        """Queue `job`; the future is done once it is durable, or failed (link.errors) and rolled back."""

    def read(self, job: Job[T]) -> T:
        """Run `job` now, on this thread, on a snapshot. Raises link.errors."""

    def close(self) -> None:
        """Finish what is queued, then let go. Calling it again does nothing."""


class Writer:
    """Owns the thread. `where` names the database in messages."""

    def __init__(self, where: str, transaction: Callable[[Job[Any]], Any]) -> None:
        self._where = where
        self._transaction = transaction
        self._jobs: SimpleQueue[tuple[Job[Any], Future[Any]] | None] = SimpleQueue()
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._work, name=f"writer of {where}", daemon=True)
        self._thread.start()

    def put(self, job: Job[T]) -> Future[T]:
        """Queue `job`. Raises RuntimeError after `close`."""
        future: Future[T] = Future()
        with self._closing:
            if self._closed:
                raise RuntimeError(f"{self._where} is closed")
            self._jobs.put((job, future))
        return future

    def close(self) -> bool:
        """Finish what is queued and end the thread; False when that was done before."""
        with self._closing:
            if self._closed:
                return False
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        return True

    def _work(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, future = item
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = self._transaction(job)
            except BaseException as error:  # a job boundary: whatever it is belongs to the one who asked
                future.set_exception(error)
            else:
                future.set_result(result)


class Connections(ABC):
    """What both databases do alike: one engine that only the writer thread uses, and one that only reads."""

    def __init__(self, where: str, engine: Engine, reader: Engine, prepare: Job[None]) -> None:
        """`prepare` is the first job. Raises what it raises, with everything closed again."""
        self.where = where
        self._engine = engine
        self._reader = reader
        self._writer = Writer(where, self._transaction)
        try:
            self.write(prepare).result()
        except BaseException:
            self.close()
            raise

    def write(self, job: Job[T]) -> Future[T]:
        """Queue `job` for the writer thread; the future is done once it is durable, or failed and rolled back."""
        return self._writer.put(job)

    def read(self, job: Job[T]) -> T:
        """Run `job` now, on this thread, on a snapshot. Raises link.errors.*."""
        with self._border(), self._reader.begin() as connection:
            return job(connection)

    def close(self) -> None:
        """Finish what is queued, then let go of the connections. Calling it again does nothing."""
        if self._writer.close():
            self._reader.dispose()
            self._engine.dispose()

    @abstractmethod
    def _transaction(self, job: Job[Any]) -> Any:
        """Run `job` in a transaction of its own on the writer's engine."""

    @abstractmethod
    def _border(self) -> AbstractContextManager[None]:
        """Turns the driver's errors into link.errors."""
