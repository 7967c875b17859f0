"""A failpoint kills only when armed, and at its turn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

LOOP = "from link.failpoint import reach\nfor i in range(4): reach('here'); print(i, flush=True)"


@pytest.mark.parametrize(
    ("armed", "printed", "died"),
    [("", "0123", False), ("elsewhere", "0123", False), ("here", "", True), ("here:3", "01", True)],
)
def test_it_dies_at_the_armed_turn(armed: str, printed: str, died: bool) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOP], env={**os.environ, "MRV_FAILPOINT": armed}, capture_output=True, text=True
    )
    assert done.stdout.split() == list(printed)
    assert done.returncode == (-signal.SIGKILL if died else 0)
