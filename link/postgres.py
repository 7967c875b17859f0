"""A PostgreSQL database as several collectors share it: the same two verbs as the file of link.database.

Every write is one SERIALIZABLE transaction: what it read still held when it wrote, whoever else was at work. PostgreSQL
says so by refusing one of two that cannot both be true; that one is run again, so a job must do nothing but its
statements. A read is one snapshot (REPEATABLE READ), which is never refused for another's sake. Writes go
through one connection in the order they were asked for, readers have their own and cannot write. psycopg's and
SQLAlchemy's errors end here, as `link.errors`.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, MetaData, create_engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError

from link.errors import TooNew, from_postgres
from link.writer import Connections, Job
from mrv.errors import BadInput, Refused, fault

T = TypeVar("T")
#: Refused for the sake of another transaction (PostgreSQL, appendix A: 40001, 40P01): run it again.
_AGAIN = frozenset({"40001", "40P01"})
_TIMES = 50
#: Only one process at a time looks at the schema: a number of our own among the server's advisory locks.
_SCHEMA_LOCK = 0x4D5256
_log = logging.getLogger(__name__)


class PostgresDatabase(Connections):
    """Owns the connections. `version` is kept in the table `schema_version`."""

    def __init__(
        self, url: str, metadata: MetaData, version: int, upgrade: Callable[[Connection, int], None] | None = None
    ) -> None:
        """Connect to `url` (postgresql://user@host/name, passwords in ~/.pgpass) and make or upgrade the schema.

        Raises BadInput (no such URL), Refused (driver missing, TooNew), Unavailable.
        """
        super().__init__(
            _shown(url),
            _engine(url, readonly=False),
            _engine(url, readonly=True),
            lambda connection: self._prepare(connection, metadata, version, upgrade),
        )

    def _transaction(self, job: Job[Any]) -> Any:
        with self._border():
            for _ in range(_TIMES):
                try:
                    with self._engine.begin() as connection:
                        return job(connection)
                except OperationalError as error:
                    if _state(error) not in _AGAIN:
                        raise
                    time.sleep(random.uniform(0.001, 0.02))  # noqa: S311 (spread, not secrecy)
            with self._engine.begin() as connection:
                return job(connection)

    def _prepare(
        self,
        connection: Connection,
        metadata: MetaData,
        version: int,
        upgrade: Callable[[Connection, int], None] | None,
    ) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
        connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS schema_version (version integer NOT NULL)")
        found = connection.exec_driver_sql("SELECT coalesce(max(version), 0) FROM schema_version").scalar_one()
        if found > version:
            raise TooNew(fault("link.database_too_new", self.where, found=found, known=version))
        if found == 0:
            metadata.create_all(connection)
        elif found < version and upgrade is not None:
            upgrade(connection, found)
        if found < version:
            connection.exec_driver_sql("INSERT INTO schema_version VALUES (%(version)s)", {"version": version})

    @contextmanager
    def _border(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            raise from_postgres(_state(error), error.orig, self.where) from error


def _state(error: DBAPIError) -> str:
    """The SQLSTATE; empty for a connection that is gone."""
    return getattr(error.orig, "sqlstate", None) or ""


def _shown(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError as error:
        raise BadInput(fault("link.database_url", url="?")) from error


def _engine(url: str, *, readonly: bool) -> Engine:
    if make_url(url).get_backend_name() != "postgresql":
        raise BadInput(fault("link.database_url", url=_shown(url)))
    try:
        made = create_engine(
            make_url(url).set(drivername="postgresql+psycopg"),
            isolation_level="REPEATABLE READ" if readonly else "SERIALIZABLE",
            pool_pre_ping=True,  # a server that was restarted is found again by itself
            connect_args={"connect_timeout": 10, "application_name": "mrv-collector"},
            execution_options={"postgresql_readonly": readonly},
        )
    except (ModuleNotFoundError, NoSuchModuleError) as error:
        raise Refused(fault("link.no_driver", _shown(url))) from error
    return made
