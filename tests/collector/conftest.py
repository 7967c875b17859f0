"""A desk per test, closed at its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk, PaperSite, filler


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    yield made
    made.database.close()


@pytest.fixture
def site(desk: Desk) -> PaperSite:
    """An enrolled site of forty leaves, none received yet."""
    made = PaperSite(filler(40))
    desk.enroll(made)
    return made
