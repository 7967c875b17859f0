"""The README does what it says: its commands exist and run, its files are there."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TEXT = (ROOT / "README.md").read_text()
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.S) for line in block.splitlines()]
BIN = Path(sys.executable).parent
#: exit code of each program line, run one after the other in an empty folder before any daemon ran
BEFORE_THE_FIRST_RUN = {"mrv-agent status": 2, "mrv-agent backlog": 2, "mrv-collector export": 3, "mrv-verify": 2}


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    targets = {word for line in COMMANDS if line.startswith("make ") for word in [line.split()[1]]}
    assert targets == {"demo", "test"}
    for target in targets | set(re.findall(r"`make (\w+)", TEXT)):
        assert re.search(rf"^{target}:", makefile, re.M), target


def test_every_program_line_runs(tmp_path: Path) -> None:
    ran = []
    for line in COMMANDS:
        words = shlex.split(line)
        if words[0].startswith("mrv-") and "run" not in words:
            done = subprocess.run(
                [BIN / words[0], *words[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=60
            )
            name = " ".join(words[:2]) if words[0] != "mrv-verify" else words[0]
            assert done.returncode == BEFORE_THE_FIRST_RUN.get(name, 0), (line, done.stdout, done.stderr)
            ran.append(name)
    assert len(ran) == 10


@pytest.mark.parametrize("line", [line for line in COMMANDS if " run " in line])
def test_daemons_know_their_arguments(line: str) -> None:
    program, command, *options = shlex.split(line)
    shown = subprocess.run([BIN / program, command, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert all(option in shown.stdout for option in options if option.startswith("--"))


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / target).exists(), target
