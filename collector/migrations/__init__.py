"""How a collector's database of an earlier version becomes one of this version: Alembic's home.

A new database is made from collector/schema.py at once and is of the newest version, so the first revision does
nothing: it only is where the others begin. Revisions are numbered like SCHEMA_VERSION (`versions/0002_what.py`); a test
refuses a changed schema without one. They are run inside the transaction that looked at the version, so an upgrade
happens whole or not at all, and only one process does it.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection

from collector.schema import SCHEMA_VERSION

VERSIONS = Path(__file__).parent / "versions"


def upgrade(connection: Connection, found: int, *, to: int = SCHEMA_VERSION, versions: Path = VERSIONS) -> None:
    """Run the revisions behind version `found` up to version `to`."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.set_main_option("version_locations", str(versions))
    config.set_main_option("path_separator", "newline")
    config.attributes["connection"] = connection
    command.stamp(config, f"{found:04d}")
    command.upgrade(config, f"{to:04d}")
