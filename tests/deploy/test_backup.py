"""A copy made while the database is open, put back elsewhere: the same receipts, the same verdicts, the same key."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk, PaperSite, filler
from postgres import Postgres

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "backup.sh"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.real)])
def server(request: pytest.FixtureRequest) -> Postgres | None:
    return request.getfixturevalue("postgres") if request.param == "postgresql" else None


def call(*words: object, code: int = 0) -> str:
    environment = {**os.environ, "PATH": f"/usr/lib/postgresql/15/bin:{os.environ['PATH']}"}
    done = subprocess.run(
        [SCRIPT, *map(str, words)], capture_output=True, text=True, timeout=60, check=False, env=environment
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_there_and_back(tmp_path: Path, server: Postgres | None) -> None:
    desk = Desk(tmp_path, server.database() if server else None)
    site = PaperSite(filler(40))
    desk.enroll(site)
    receipt = desk.deliver(site.bundle(0, 20)).receipt
    call(desk.folder.path, tmp_path / "copy")  # while it is open
    later = desk.deliver(site.bundle(20, 30)).receipt
    desk.database.close()

    (tmp_path / "elsewhere").mkdir()
    if server:
        (tmp_path / "copy" / "database").write_text(server.database())
        sums = tmp_path / "copy" / "SHA256SUMS"
        sums.write_text(
            "".join(line for line in sums.read_text().splitlines(keepends=True) if not line.endswith("./database\n"))
        )
    call("restore", tmp_path / "copy", tmp_path / "elsewhere" / "office")
    restored = Desk(tmp_path / "elsewhere")
    assert restored.identity.key.vkey == desk.identity.key.vkey
    assert list(restored.archive.leaves(site.origin)) == site.leaves[:20]
    assert restored.archive.head(site.origin).note == receipt
    assert list(restored.archive.damaged()) == []
    said = restored.deliver(site.bundle(30, 40, receipt=later)).answer
    assert (said.code, said.fault) == (409, "collector.archive_lost"), "an old copy never signs over what it lost"
    restored.database.close()


def test_what_cannot_be_copied_or_put_back_says_so(tmp_path: Path) -> None:
    assert "not a collector's folder" in call(tmp_path, tmp_path / "copy", code=2)
    desk = Desk(tmp_path)
    desk.database.close()
    call(desk.folder.path, tmp_path / "copy")
    assert "there already" in call(desk.folder.path, tmp_path / "copy", code=2)
    assert "office in" in call("restore", tmp_path / "copy", desk.folder.path, code=2)
    with (tmp_path / "copy" / "collector.sqlite").open("r+b") as file:
        file.seek(5000)
        file.write(b"flip")
    assert "damaged" in call("restore", tmp_path / "copy", tmp_path / "third", code=2)
    assert not (tmp_path / "third").exists()


def test_the_copy_is_for_its_owner_only(tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    desk.database.close()
    call(desk.folder.path, tmp_path / "copy")
    assert (tmp_path / "copy").stat().st_mode & 0o077 == 0
    assert (tmp_path / "copy" / "key").stat().st_mode & 0o777 == 0o400
