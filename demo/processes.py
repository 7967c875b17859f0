"""The programs of the demo as child processes: started with a log each, watched, and always reaped.

Every child leads a session of its own, so that Ctrl-C reaches only the demo, which then stops them in its own order.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from demo.errors import DemoError
from mrv.errors import fault

#: Seconds a child may take to end by itself after SIGTERM.
PATIENCE = 20
#: Seconds a command may take.
COMMAND_TIMEOUT = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A running program and the file its output goes to."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Processes:
    """Owns the children: leaving the context ends every one of them, the youngest first."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._children: dict[str, Child] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for name in reversed(tuple(self._children)):
            self.stop(name)

    def start(self, name: str, command: Sequence[str]) -> Child:
        """Start `command`; what it says goes to `<name>.log`."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._children[name] = Child(name=name, process=process, log=log)
        return self._children[name]

    def stop(self, name: str) -> int:
        """End a child: SIGTERM, and SIGKILL to its whole group when that does not help. Its exit code."""
        child = self._children.pop(name)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.process.pid, signal.SIGTERM)
        try:
            code = child.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.process.pid, signal.SIGKILL)
        child.process.wait()
        return code

    def check(self) -> None:
        """Raise DemoError when a child has ended by itself."""
        for child in self._children.values():
            code = child.process.poll()
            if code is not None:
                raise DemoError(fault("demo.child_ended", child.name, exit=code, log=child.log))

    def first_line(self, child: Child, timeout: float) -> dict[str, Any]:
        """The JSON object a child prints when it is ready. Raises DemoError when it does not come in `timeout` s."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            self.check()
            line, newline, _ = child.log.read_text().partition("\n")
            if newline:
                return dict(json.loads(line))
            time.sleep(0.05)
        raise DemoError(fault("demo.not_ready", child.name, log=child.log))


def script(name: str) -> str:
    """The console script `name` of the environment the demo runs in."""
    return str(Path(sys.executable).parent / name)


def run(command: Sequence[str], log: Path) -> str:
    """The standard output of a command that must succeed; `log` keeps what it said. Raises DemoError."""
    out = _said(command, log)
    _note(log, command, out)
    return out


def ask(command: Sequence[str], log: Path) -> Any:
    """What a command says with --json; asked often, so `log` hears of failures only. Raises DemoError."""
    return json.loads(_said([*command, "--json"], log))


def _said(command: Sequence[str], log: Path) -> str:
    words = " ".join([Path(command[0]).name, *command[1:2]])
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT,
            start_new_session=True,
        )
    except subprocess.TimeoutExpired as error:
        raise DemoError(fault("demo.command_hangs", words, seconds=COMMAND_TIMEOUT)) from error
    if done.returncode:
        _note(log, command, f"{done.stdout}{done.stderr}exit code {done.returncode}\n")
        problem = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise DemoError(fault("demo.command_failed", words, problem=problem, log=log))
    return done.stdout


def _note(log: Path, command: Sequence[str], said: str) -> None:
    with log.open("a") as file:
        file.write(f"$ {' '.join(command)}\n{said}")
