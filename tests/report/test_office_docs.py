"""docs/office.md: every command in it is one, every sheet it names is there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from paper_material import material

from collector.cli import parser as collector
from collector.report.sheets import lay_out
from verify.cli import parser as verify

DOCS = (Path(__file__).resolve().parents[2] / "docs" / "office.md").read_text("utf-8")
COMMANDS = [line for block in re.findall(r"```\n(.*?)```", DOCS, re.DOTALL) for line in block.splitlines()]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one(command: str) -> None:
    name, *arguments = shlex.split(command)
    {"mrv-collector": collector, "mrv-verify": verify}[name]().parse_args(arguments)


def test_every_sheet_is_described() -> None:
    table = [cell for row in re.findall(r"^\| ([^|]+) \|", DOCS, re.MULTILINE) for cell in row.split(", ")]
    assert [name for name in table if name not in ("sheet", "---")] == [page.name for page in lay_out(material())]
