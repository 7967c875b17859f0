"""A changed schema needs a version and a revision; an upgrade happens whole or not at all, on either database."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from postgres import Postgres
from sqlalchemy import Connection, inspect
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateIndex, CreateTable

from collector import migrations
from collector.schema import METADATA, SCHEMA_VERSION
from link.database import Database
from link.errors import TooNew
from link.postgres import PostgresDatabase
from link.writer import Transactions

#: Version -> SHA-256 of what creates its tables on both databases. Lines are added, with a revision, never changed.
KNOWN = {
    1: "02d69f443cdeb7afd42f4223d8c47586e01ca1853110030b6ded6636e6108421",
}
REVISION = """
from alembic import op
import sqlalchemy as sa
revision, down_revision = "0002", "0001"
def upgrade():
    op.add_column("alarms", sa.Column("seen", sa.Text))
    {then}
"""


def created() -> str:
    dialects: tuple[Dialect, ...] = (postgresql.dialect(), sqlite.dialect())
    statements = [
        str(made.compile(dialect=dialect))
        for table in METADATA.sorted_tables
        for made in (CreateTable(table), *map(CreateIndex, sorted(table.indexes, key=lambda index: str(index.name))))
        for dialect in dialects
    ]
    return hashlib.sha256("\n".join(statements).encode()).hexdigest()


def test_a_changed_schema_has_a_version_of_its_own() -> None:
    assert created() == KNOWN[SCHEMA_VERSION], "tables changed: let SCHEMA_VERSION grow and write a revision"
    written = sorted(int(path.name[:4]) for path in migrations.VERSIONS.glob("[0-9]*.py"))
    assert written == list(range(1, SCHEMA_VERSION + 1))


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    server: Postgres | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    return server.database() if server else tmp_path / "office.sqlite"


def opened(place: str | Path, version: int, versions: Path | None = None) -> Transactions:
    def upgrade(connection: Connection, found: int) -> None:
        assert versions is not None
        migrations.upgrade(connection, found, to=version, versions=versions)

    if isinstance(place, Path):
        return Database(place, METADATA, version, upgrade)
    return PostgresDatabase(place, METADATA, version, upgrade)


def columns(database: Transactions) -> set[str]:
    return database.read(lambda connection: {c["name"] for c in inspect(connection).get_columns("alarms")})


def revisions(folder: Path, then: str = "") -> Path:
    folder.mkdir()
    (folder / "0001_first.py").write_text((migrations.VERSIONS / "0001_first_released.py").read_text())
    (folder / "0002_seen.py").write_text(REVISION.format(then=then))
    return folder


def test_an_older_database_is_brought_up_to_date_once(place: str | Path, tmp_path: Path) -> None:
    opened(place, 1).close()
    versions = revisions(tmp_path / "versions")
    for _ in range(2):
        database = opened(place, 2, versions)
        assert "seen" in columns(database)
        database.close()
    with pytest.raises(TooNew):
        opened(place, 1)


def test_an_upgrade_that_fails_leaves_the_database_as_it_was(place: str | Path, tmp_path: Path) -> None:
    opened(place, 1).close()
    versions = revisions(tmp_path / "versions", then="op.execute('SELECT no_such_thing')")
    with pytest.raises(Exception, match="no_such_thing"):
        opened(place, 2, versions)
    database = opened(place, 1)
    assert "seen" not in columns(database)
    database.close()


def test_the_tables_refuse_what_they_must_on_either_database(place: str | Path) -> None:
    """The triggers are there after `create_all`; what each refuses is tested where it matters (test_admit)."""
    database = opened(place, 1)
    names = database.read(lambda connection: connection.exec_driver_sql(_TRIGGERS[connection.dialect.name]).all())
    assert {"leaves_no_update", "leaves_no_delete", "heads_no_update"} <= {name for (name,) in names}
    database.close()


_TRIGGERS = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'trigger'",
    "postgresql": "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal",
}
