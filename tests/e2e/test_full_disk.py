"""A disk that takes no more, at either end, and two daemons on one folder: said in words, survived, nothing lost.

RLIMIT_FSIZE of the running process stands for the full disk: no file grows beyond it, reading goes on.
"""

from __future__ import annotations

import resource
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from world import Program, World, until, world

from demo.processes import script

pytestmark = [pytest.mark.slow, pytest.mark.real]
FULL_S = 5
DISK = {"link.disk_full", "link.disk_error"}


def fill(program: Program, limit: int) -> None:
    hard = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (limit, hard))


def empty(program: Program) -> None:
    hard = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)[1]
    resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (hard, hard))


def reads(made: World) -> list[int]:
    return [meter["last_read"] for meter in made.status()["meters"].values()]


def test_the_site_disk_is_full(tmp_path: Path) -> None:
    """Large enough for the status file, too small for the log."""
    with world(tmp_path) as made:
        made.goes_on()
        fill(made.agent, 16 * 1024)
        until(lambda: made.site_alarms() & DISK, 20, made.status)
        made.check_world()
        size, seen = len(made.site().leaves), reads(made)
        time.sleep(FULL_S)
        until(lambda: all(now > before for now, before in zip(reads(made), seen, strict=True)), 20, made.status)
        assert made.agent.running, "polling goes on"
        assert len(made.site().leaves) == size
        empty(made.agent)
        made.goes_on(timeout=30)
        made.finish()
        assert made.gaps()["storage"] >= FULL_S


def test_the_site_disk_takes_nothing_at_all(tmp_path: Path) -> None:
    """Not even the status file: whoever asks is told that it is old, not that all is well."""
    with world(tmp_path) as made:
        made.goes_on()
        fill(made.agent, 64)
        until(lambda: made.site_alarms(), 60, made.status)
        made.check_world()
        assert made.agent.running
        empty(made.agent)
        made.goes_on(timeout=30)
        made.finish()


def test_the_site_disk_is_full_and_the_agent_is_stopped_and_started(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.goes_on()
        fill(made.agent, 16 * 1024)
        until(lambda: made.site_alarms() & DISK, 20, made.status)
        assert made.agent.stop() == 4, "what it could not sign is said, not hidden"
        assert any(word in made.agent.said() for word in ("disk", "device")), made.agent.said()
        made.check_world()
        made.agent.start()
        made.goes_on()
        made.finish()


def test_the_office_disk_is_full(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.goes_on()
        fill(made.collector, 16 * 1024)
        received = made.received()
        time.sleep(FULL_S)
        made.check_world()
        assert made.collector.running
        assert made.received() - received < 12, "no receipt without a disk"
        assert any(word in made.collector.said() for word in ("disk", "device")), made.collector.said()
        empty(made.collector)
        made.goes_on(timeout=100)
        made.finish()


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """Somebody has the file open and writes, as with a database browser."""
    with closing(sqlite3.connect(database, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_somebody_holds_the_site_database(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.goes_on()
        with locked(made.gateway.folder / "state" / "log.sqlite"):
            until(lambda: made.site_alarms() == {"link.database_locked"}, 20, made.status)
            time.sleep(FULL_S)
            assert made.agent.running
        made.goes_on(timeout=30)
        made.finish()


def test_somebody_holds_the_office_database(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        made.goes_on()
        with locked(made.office.folder / "collector.sqlite"):
            until(
                lambda: "locked" in made.collector.said() or "holds" in made.collector.said(), 30, made.collector.said
            )
            assert made.collector.running
        made.goes_on(timeout=100)
        made.finish()


def test_an_older_copy_of_the_site_log_is_put_back(tmp_path: Path) -> None:
    """Rollback: what the office holds beyond it is shown to the site, which signs nothing more, records and says so."""
    with world(tmp_path) as made:
        assert made.agent.stop() == 0
        state = made.gateway.folder / "state"
        copy = (state / "log.sqlite").read_bytes()
        assert not (state / "log.sqlite-wal").exists()
        made.agent.start()
        made.goes_on()
        assert made.agent.stop() == 0
        made.check_world()
        held = made.held()
        (state / "log.sqlite").write_bytes(copy)
        made.agent.start()
        until(lambda: made.site_alarms() == {"agent.rolled_back"}, 20, made.status)
        signed, size = set(made.site().checkpoints), len(made.site().leaves)
        until(lambda: len(made.site().leaves) > size + 6, 20)
        assert set(made.site().checkpoints) == signed, "nothing is signed on top of another history"
        made.agent.kill()
        made.agent.start()
        until(lambda: made.status()["pid"] == made.agent.pid, 20)
        until(lambda: made.site_alarms() == {"agent.rolled_back"}, 20, made.status)
        assert set(made.site().checkpoints) == signed, "nor after a restart"
        assert made.held() == held


def test_a_second_daemon_is_told_who_is_there(tmp_path: Path) -> None:
    with world(tmp_path) as made:
        second = subprocess.run(made.agent.command, capture_output=True, text=True, timeout=30)
        assert second.returncode == 3
        assert f"pid {made.agent.pid}" in second.stderr
        assert "stop it first" in second.stderr
        office = subprocess.run(made.collector.command, capture_output=True, text=True, timeout=30)
        assert office.returncode == 4
        assert "another process" in office.stderr
        commands = [[script("mrv-agent"), "status", "--dir"], [script("mrv-agent"), "backlog", "--dir"]]
        for command in commands:  # whoever only looks may look
            looked = [*command, str(made.gateway.folder)]
            assert subprocess.run(looked, capture_output=True, timeout=30).returncode == 0
        made.goes_on()
        made.finish()
