"""What systemd hears on its socket, and that nothing happens where there is none."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from link.notify import Notifier


@pytest.fixture
def heard(tmp_path: Path) -> socket.socket:
    line = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    line.bind(str(tmp_path / "notify"))
    line.settimeout(5)
    yield line
    line.close()


def test_the_words_arrive(heard: socket.socket) -> None:
    notifier = Notifier({"NOTIFY_SOCKET": heard.getsockname()})
    notifier.ready()
    notifier.alive("3 meters")
    notifier.stopping()
    assert [heard.recv(200) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1\nSTATUS=3 meters", b"STOPPING=1"]


def test_an_abstract_socket() -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind("\0mrv-test-notify")
        line.settimeout(5)
        Notifier({"NOTIFY_SOCKET": "@mrv-test-notify"}).alive()
        assert line.recv(100) == b"WATCHDOG=1"


def test_nobody_listens(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Notifier({}).ready()
    assert not caplog.records
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "nothing")}).ready()
    assert "does not listen" in caplog.text
