"""Guides do what they say: every shell line runs, in the order written; both languages show the same lines."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from docs.pictures.draw import pictures

ROOT = Path(__file__).resolve().parents[1]
GUIDES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("??/*.md"))
BIN = Path(sys.executable).parent
#: What a line says before any daemon ran, where that is not 0.
CODES = {"mrv-agent status": 2, "mrv-agent backlog": 2, "mrv-verify audit": 2}


def lines(name: str) -> list[str]:
    blocks = re.findall(r"```sh\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.S)
    return [line for block in blocks for line in block.splitlines()]


def test_the_guides_that_are_promised() -> None:
    assert {"docs/en/technician.md", "docs/vi/technician.md", "docs/en/operator.md", "docs/en/auditor.md"} <= set(
        GUIDES
    )


@pytest.mark.parametrize("name", GUIDES)
def test_every_line_runs(name: str, tmp_path: Path) -> None:
    assert lines(name)
    for line in lines(name):
        words = shlex.split(line)
        done = subprocess.run(
            [BIN / words[0], *words[1:]], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == CODES.get(" ".join(words[:2]), 0), (line, done.stdout, done.stderr)


def test_both_technicians_read_the_same_commands() -> None:
    vietnamese = [line.replace(" --lang vi", "") for line in lines("docs/vi/technician.md")]
    assert vietnamese == lines("docs/en/technician.md")


@pytest.mark.parametrize("name", GUIDES)
def test_what_they_name_exists(name: str) -> None:
    text = (ROOT / name).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (ROOT / name).parent.joinpath(target).exists(), target
    for path in re.findall(r"`((?:deploy|tests|docs|config)/[A-Za-z0-9_./-]+)`", text):
        assert (ROOT / path.split()[0]).exists(), path


@cache
def overview(program: str) -> str:
    return subprocess.run([BIN / program, "--help"], capture_output=True, text=True, timeout=60, check=True).stdout


@pytest.mark.parametrize("name", GUIDES)
def test_every_command_named_in_passing_is_one(name: str) -> None:
    for program, command in re.findall(r"\b(mrv-(?:agent|meter|collector)) ([a-z]+)", (ROOT / name).read_text("utf-8")):
        assert re.search(rf"^\s+{command}\b", overview(program), re.M) or command in ("enroll",), (program, command)


@pytest.mark.parametrize("path", sorted(pictures()), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_pictures_are_drawn_from_their_texts(path: Path) -> None:
    assert path.read_text(encoding="utf-8") == pictures()[path], "run `make pictures`"
    assert f"({path.name})" in path.with_name("technician.md").read_text(encoding="utf-8")
