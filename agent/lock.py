"""One daemon per state directory: two would write two histories under one name.

The lock is flock(2), so the kernel lets go of it however the holder ends; the pid in the file only serves the message.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mrv.errors import Refused, fault

FILE = "lock"


@contextmanager
def locked(state: Path) -> Iterator[None]:
    """Hold the state directory. Raises Refused naming the holder's pid, or when there is no such directory."""
    path = state / FILE
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Refused(fault("agent.no_state_directory", str(state), problem=error.strerror)) from error
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = path.read_text().strip() or "?"
            raise Refused(fault("agent.state_locked", str(state), pid=holder)) from error
        os.ftruncate(handle, 0)
        os.write(handle, f"{os.getpid()}\n".encode())
        yield
    finally:
        os.close(handle)


def held(state: Path) -> bool:
    """Whether a daemon holds the state directory now; also when it died without a word, the kernel knows."""
    try:
        with (state / FILE).open("rb") as handle:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
