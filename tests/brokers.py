"""A real mosquitto on a free port of this machine, as a context manager; skips (or fails) where it is missing."""

from __future__ import annotations

import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from real import need


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """One broker process that can be stopped and started again on the same port."""

    def __init__(self, folder: Path, port: int, limit: int = 524288) -> None:
        """`limit`: bytes of a message it passes, 0 for any. It keeps nothing over a restart."""
        self.port = port
        self._config = folder / f"mosquitto-{port}.conf"
        self._config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmessage_size_limit {limit}\n")
        self._program = need("mosquitto")
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [self._program, "-c", str(self._config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: _answers(self.port))

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        """SIGSTOP makes it deaf and dumb with its connections open, SIGCONT ends that."""
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def until(condition: Callable[[], object], timeout: float = 30.0) -> None:
    """Wait for `condition()`; fails the test when it does not come true in `timeout` seconds."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"did not happen within {timeout} s"
        time.sleep(0.02)


@contextmanager
def mosquitto(folder: Path) -> Iterator[Mosquitto]:
    broker = Mosquitto(folder, free_port())
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
