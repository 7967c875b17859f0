"""A long-running program of ours under test: started, killed, frozen and stopped, with all it says in a file."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path


class Program:
    """One of the long-running programs: started, killed, frozen and thawed as often as a test likes."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.kills = 0
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, failpoint: str = "") -> None:
        assert not self.running, f"{self.name} runs already"
        with self.log.open("ab") as out:
            self._process = subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, "MRV_FAILPOINT": failpoint},
            )

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def killed(self) -> bool:
        """Whether it ended by SIGKILL, ours or that of its failpoint."""
        return self._process is not None and self._process.poll() == -signal.SIGKILL

    def signal(self, number: int) -> None:
        assert self.running, f"{self.name} ended by itself: {self.said()}"
        assert self._process is not None
        self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL; fails when it had ended before."""
        self.signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait(10)
        self.kills += 1

    def stop(self) -> int:
        """SIGTERM; gives the exit code."""
        self.signal(signal.SIGTERM)
        assert self._process is not None
        return self._process.wait(40)

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.kill()
            self._process.wait()

    def said(self) -> str:
        """The end of its log, for the message of a test that fails."""
        return self.log.read_text(errors="replace")[-3000:]
