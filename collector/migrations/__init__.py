"""How a collector's database of an earlier version becomes one of this version: Alembic's home.

A new database is made from collector/schema.py at once and is of the newest version. Revisions are numbered like
SCHEMA_VERSION; running them all from nothing gives the very same schema (tested on both databases). They are run inside
the transaction that looks at the version, so an upgrade happens whole or not at all.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from collector.schema import SCHEMA_VERSION


def upgrade(connection: Connection, found: int) -> None:
    """Run the revisions behind version `found` (0: an empty database) up to this one."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["connection"] = connection
    if found:
        command.stamp(config, f"{found:04d}")
    command.upgrade(config, f"{SCHEMA_VERSION:04d}")
