"""The demo itself, for real: processes, sockets, signatures, an export and the auditor's tool."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
#: Every process below the demo inherits this variable; that is how they are found.
MARK = "MRV_DEMO_TEST"
Demo = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def demo(tmp_path: Path, root: Path) -> Iterator[Demo]:
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-m", "demo", "--dir", str(tmp_path / "run"), *arguments],
            cwd=root,
            env=os.environ | {MARK: str(tmp_path)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()
    for pid in processes(tmp_path):
        os.kill(pid, signal.SIGKILL)


def processes(mark: Path, command: str = "") -> list[int]:
    """Living processes that inherited the mark and have `command` in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            environment = (entry / "environ").read_bytes().split(b"\0")
            words = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if f"{MARK}={mark}".encode() in environment and command in words:
            found.append(int(entry.name))
    return found


def output(process: subprocess.Popen[str]) -> str:
    said, _ = process.communicate(timeout=150)
    return said


def until_running(process: subprocess.Popen[str]) -> None:
    assert process.stdout
    said = ""
    while "RECEIPT" not in said:
        line = process.stdout.readline()
        said += line
        assert line, said


def test_a_site_is_shown_stopped_and_found_clean(demo: Demo, tmp_path: Path) -> None:
    process = demo("--for", "35")
    said = output(process)
    assert process.returncode == 0, said
    rows = [line for line in said.splitlines() if re.match(r"\d\d:\d\d:\d\d - ", line)]
    assert sum(row.endswith("admitted") for row in rows) >= 3, said
    assert all(float(row.split("|")[1].split()[0]) > 0 for row in rows), said
    assert "not for submission" in said
    assert "backlog 0" in said
    assert (tmp_path / "run" / "export" / "manifest.json").exists()
    assert processes(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_in_order_and_leaves_no_child(demo: Demo, tmp_path: Path, number: int) -> None:
    process = demo()
    until_running(process)
    time.sleep(2)
    assert len(processes(tmp_path)) >= 4
    process.send_signal(number)
    said = output(process)
    assert process.returncode == 0, said
    assert "The site is stopped" in said
    assert processes(tmp_path) == []


def test_a_dead_agent_is_named_and_the_rest_is_reaped(demo: Demo, tmp_path: Path) -> None:
    process = demo("--for", "60")
    until_running(process)
    (agent,) = processes(tmp_path, "mrv-agent run")
    os.kill(agent, signal.SIGKILL)
    said = output(process)
    assert process.returncode == 1
    assert "agent: this program ended by itself with exit code -9" in said
    assert "agent.log" in said
    assert processes(tmp_path) == []
