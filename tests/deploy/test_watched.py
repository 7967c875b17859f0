"""What systemd hears of the real programs: ready, alive while nothing answers, stopping."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from desk import Desk

from agent import keys
from demo.processes import script


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(str(tmp_path / "notify"))
    line.settimeout(45)
    yield line
    line.close()


def story(command: list[str], systemd: socket.socket, root: Path) -> list[str]:
    """What is said from the start until a second sign of life, and after SIGTERM."""
    environment = {**os.environ, "NOTIFY_SOCKET": str(root / "notify")}
    with (root / "log").open("wb") as log:
        running = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    heard: list[str] = []
    try:
        while heard.count("WATCHDOG=1") < 2:
            heard.append(systemd.recv(200).decode().partition("\n")[0])
        running.send_signal(signal.SIGTERM)
        while heard[-1] != "STOPPING=1":
            heard.append(systemd.recv(200).decode().partition("\n")[0])
        assert running.wait(45) == 0, (root / "log").read_text()
    finally:
        running.kill()
        running.wait()
    return heard


def test_a_gateway_whose_meters_and_broker_are_dead_is_alive(tmp_path: Path, systemd: socket.socket) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1] / "agent"))
    import gateway

    (tmp_path / "state").mkdir()
    gateway.write(tmp_path, sync="assumed")
    keys.make(tmp_path / "state", keys.origin("example", "demo-factory"))
    heard = story([script("mrv-agent"), "run", "--dir", str(tmp_path)], systemd, tmp_path)
    assert heard[-1] == "STOPPING=1"
    assert heard.count("READY=1") == 1


def test_an_office_without_a_broker_is_alive(
    tmp_path: Path, systemd: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    Desk(tmp_path).database.close()
    begin = "import collector.daemon as d; d.PRESENCE_S = 1; from collector.cli import main; raise SystemExit(main())"
    command = [sys.executable, "-c", begin, "run", "--dir", str(tmp_path / "office"), "--broker", "127.0.0.1:9"]
    heard = story(command, systemd, tmp_path)
    assert heard[0] == "READY=1"
    assert heard[-1] == "STOPPING=1"
