"""The key is its owner's alone, and a state directory has one daemon."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from agent import keys
from agent.lock import locked
from mrv.errors import BadInput, Refused

NAME = "example/mrv/here/k1"


def test_a_key_is_made_once_and_read_back(tmp_path: Path) -> None:
    made = keys.make(tmp_path, NAME)
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o400
    assert (tmp_path / "site.vkey").read_text() == made.vkey + "\n"
    assert keys.load(tmp_path, NAME).vkey == made.vkey
    with pytest.raises(Refused) as caught:
        keys.make(tmp_path, NAME)
    assert caught.value.faults[0].code == "agent.key_exists"


@pytest.mark.parametrize(
    ("mode", "fine"),
    [(0o400, True), (0o600, False), (0o440, False), (0o404, False), (0o644, False), (0o700, False), (0o620, False)],
)
def test_a_key_others_may_read_is_refused(tmp_path: Path, mode: int, fine: bool) -> None:
    keys.make(tmp_path, NAME)
    (tmp_path / "key").chmod(mode)
    if fine:
        keys.load(tmp_path, NAME)
        return
    with pytest.raises(Refused) as caught:
        keys.load(tmp_path, NAME)
    assert caught.value.faults[0].code == "agent.key_readable"
    assert caught.value.faults[0].params == {"mode": f"{mode:04o}"}


@pytest.mark.parametrize("text", ["", "00" * 31, "zz" * 32, "00" * 33])
def test_a_damaged_key_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "key").write_text(text)
    (tmp_path / "key").chmod(0o400)
    with pytest.raises(BadInput) as caught:
        keys.load(tmp_path, NAME)
    assert caught.value.faults[0].code == "agent.key_malformed"


def test_a_missing_key_says_so(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught:
        keys.load(tmp_path, NAME)
    assert caught.value.faults[0].code == "agent.key_missing"


def test_the_second_daemon_is_told_the_pid_of_the_first(tmp_path: Path) -> None:
    code = "import sys, pathlib; from agent.lock import locked\nwith locked(pathlib.Path(sys.argv[1])): print('in')"
    with locked(tmp_path):
        done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
        assert f"'pid': '{os.getpid()}'" in done.stderr
        assert "agent.state_locked" in done.stderr
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True).stdout == b"in\n"


def test_no_state_directory_is_a_refusal(tmp_path: Path) -> None:
    with pytest.raises(Refused) as caught, locked(tmp_path / "nowhere"):
        pass
    assert caught.value.faults[0].code == "agent.no_state_directory"
