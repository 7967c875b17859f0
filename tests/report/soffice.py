"""LibreOffice as the second pair of eyes: it opens a workbook, computes every formula itself and writes what it got."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import openpyxl
from real import need

#: Always recalculate on load (0), whoever wrote the file.
SETTINGS = """<?xml version="1.0" encoding="UTF-8"?>
<oor:items xmlns:oor="http://openoffice.org/2001/registry" xmlns:xs="http://www.w3.org/2001/XMLSchema">
<item oor:path="/org.openoffice.Office.Calc/Formula/Load">
<prop oor:name="OOXMLRecalcMode"><value>0</value></prop></item>
</oor:items>
"""


def recalculated(path: Path, folder: Path) -> openpyxl.Workbook:
    """`path` as LibreOffice computes it, with values in place of formulas."""
    (made,) = all_recalculated([path], folder)
    return made


def all_recalculated(paths: list[Path], folder: Path) -> Iterator[openpyxl.Workbook]:
    """As `recalculated`, for files of different names, starting the program once."""
    program = need("soffice")
    profile, out = folder / "profile", folder / "out"
    (profile / "user").mkdir(parents=True, exist_ok=True)
    (profile / "user" / "registrymodifications.xcu").write_text(SETTINGS)
    command = [program, "--headless", "--norestore", f"-env:UserInstallation={profile.as_uri()}"]
    command += ["--convert-to", "xlsx:Calc MS Excel 2007 XML", "--outdir", str(out), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    for path in paths:
        made = out / path.name
        assert made.exists(), done.stdout + done.stderr
        yield openpyxl.load_workbook(made, data_only=True)
