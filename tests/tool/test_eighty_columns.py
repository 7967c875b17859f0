"""What a technician sees in a terminal of eighty columns: nothing cut short, and a command that can be copied."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest

from drivers.cli import main
from drivers.commands.common import show
from tests.tool.played import played

PLANT = """
what: one meter on a serial line
lines:
  - {id: usb, kind: rtu, baud: 115200}
meters:
  - {id: a, line: usb, unit: 1, profile: carlogavazzi_em330_em340, load: {watts: 36000}}
"""


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_table_is_folded_and_never_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    drawn = Terminal()
    row = ("9600 8N1", 1, "Carlo Gavazzi EM330", "000012345678", "carlogavazzi_em330_em340", "plausible, 5 fit")
    show(("speed", "id", "model", "serial", "profile", "how sure"), [row], drawn)
    said = re.sub(r"\x1b\[[0-9;]*m", "", drawn.getvalue())
    assert max(map(len, said.splitlines())) <= 80
    assert "…" not in said
    lines = said.splitlines()
    head = next(line for line in lines if "profile" in line)
    first, last = head.index("profile"), head.index("how sure")
    assert "carlogavazzi_em330_em340" in "".join(line[first:last].strip() for line in lines)


def test_a_port_by_a_relative_name_and_the_next_command_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "40")
    (tmp_path / "ports").mkdir()
    with played(PLANT, tmp_path / "ports", monkeypatch):
        terminal = Terminal()
        monkeypatch.setattr("sys.stderr", terminal)
        words = ("--listen", "0", "--timeout", "60", "--baud", "115200", "--expect", "1")
        assert main(("scan", "ports/usb", *words, "--lang", "en")) == 0
    port = tmp_path / "ports" / "usb"
    assert f"Next: mrv-meter probe {port} --baud 115200 --parity N --stop 1 --unit 1\n" in terminal.getvalue()
