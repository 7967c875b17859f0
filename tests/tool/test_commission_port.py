"""A meter on a serial port is written down under the name that stays, and found again under any of its names."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import ports, profiles, wiring
from drivers.cli import main
from drivers.port_advice import Better
from mrv.errors import fault
from tests.tool.played import Plant, played
from tests.tool.test_commission_command import SITE

PLANT = """
what: two meters on a serial port
lines:
  - {id: usb, kind: rtu, baud: 115200}
meters:
  - {id: a, line: usb, unit: 1, profile: eastron_sdm630, load: {watts: 36000}, opening: 18343}
  - {id: b, line: usb, unit: 2, profile: eastron_sdm630, load: {watts: 36000}, opening: 18343}
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "site.yaml").write_text(SITE)
    monkeypatch.setattr("drivers.dialogue._line", ended)
    with played(PLANT, tmp_path, monkeypatch) as found:
        by_id = tmp_path / "by-id"
        by_id.symlink_to(found.end("usb"))
        why = fault("meter.port_renumbered", found.end("usb"), better=by_id)
        monkeypatch.setattr(ports, "better", lambda _: Better(str(by_id), why))
        yield found


def ended() -> str:
    raise EOFError


def commission(plant: Plant, end: str, unit: int, **answers: str) -> int:
    display = plant.display("a", "active_energy_import", 0)
    every = {"display.active_energy_import": display, "line": "usb", "wait": "n", "every": "15"} | answers
    every |= {"display.active_energy_export": "-"}
    words = [word for key, value in every.items() for word in ("--answer", f"{key}={value}")]
    where = ("--baud", "115200", "--unit", str(unit), "--who", "Tran B", "--point", f"M-{unit}", "--name", f"m-{unit}")
    return main(("commission", end, *where, "--profile", "eastron_sdm630", *words))


def written() -> list[str]:
    site = wiring.load(Path("site.yaml").read_text(), "site.yaml", profiles.library()).value
    return [line.end for line in site.buses]


def test_the_better_name_is_written(plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert commission(plant, plant.end("usb"), 1) == 1
    assert written() == [str(tmp_path / "by-id")]
    err = capsys.readouterr().err
    assert "this name is dealt out anew" in err
    assert "Port to write into site.yaml" in err
    assert main(("probe", plant.end("usb"), "--unit", "2", "--profile", "eastron_sdm630", "--seconds", "0")) == 0
    capsys.readouterr()
    assert commission(plant, plant.end("usb"), 2) == 1
    assert written() == [str(tmp_path / "by-id")], "it is the same line, under whatever name"
    assert "nobody asked for `line`" in capsys.readouterr().err
    assert commission(plant, plant.end("usb"), 1) == 3
    assert "unit 1 (usb) is taken by meter m-1" in capsys.readouterr().err


def test_a_person_may_insist(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert commission(plant, plant.end("usb"), 1, port=plant.end("usb")) == 1
    assert written() == [plant.end("usb")]


def test_another_port_is_not_meant(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert commission(plant, plant.end("usb"), 1, port="/dev/ttyUSB9") == 2
    assert "port: `/dev/ttyUSB9` is no name of this port" in capsys.readouterr().err
    assert Path("site.yaml").read_text() == SITE


def test_a_scan_of_a_line_of_the_site_knows_its_speed(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert commission(plant, plant.end("usb"), 1) == 1
    capsys.readouterr()
    words = ("--listen", "0", "--timeout", "60", "--expect", "2", "--json")
    assert main(("scan", plant.end("usb"), *words)) == 0
    assert [one["baud"] for one in json.loads(capsys.readouterr().out)["found"]] == [115200, 115200]
