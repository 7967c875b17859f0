"""Which database an office keeps its records in, opened: a file in its folder, or the server that `database` names."""

from __future__ import annotations

from sqlalchemy import Connection

from collector.config import Folder
from collector.schema import METADATA, SCHEMA_VERSION
from link.database import Database
from link.postgres import PostgresDatabase
from link.writer import Transactions
from mrv.errors import Refused, fault


def opened(folder: Folder) -> Transactions:
    """The database of `folder`, made or brought up to date first. Raises link.errors."""
    if (url := folder.server) is not None:
        return PostgresDatabase(url, METADATA, SCHEMA_VERSION, _upgrade)
    return Database(folder.database, METADATA, SCHEMA_VERSION, _upgrade)


def _upgrade(connection: Connection, found: int) -> None:
    """From version `found` to this one. Raises Refused when Alembic is not installed."""
    try:
        from collector import migrations
    except ImportError as error:
        raise Refused(fault("collector.no_migrations")) from error
    migrations.upgrade(connection, found)
