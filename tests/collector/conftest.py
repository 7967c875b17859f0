"""A desk per test, over either database, closed at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk, PaperSite, filler
from postgres import Postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """One server for the whole run; each test gets a database of its own."""
    server = Postgres()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def desk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Desk]:
    """One suite for both: a file, and a real server."""
    server = request.getfixturevalue("postgres").database() if request.param == "postgresql" else None
    made = Desk(tmp_path, server)
    yield made
    made.database.close()


@pytest.fixture
def site(desk: Desk) -> PaperSite:
    """An enrolled site of forty leaves, none received yet."""
    made = PaperSite(filler(40))
    desk.enroll(made)
    return made
