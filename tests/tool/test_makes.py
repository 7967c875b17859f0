"""A silent meter and a technician who knows its make: what it needs is said, wherever it stays silent."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import profiles
from drivers.cli import main
from drivers.commands import makes
from drivers.commands.scan import _asks
from drivers.commands.where import Where
from drivers.scan_plan import Speed
from drivers.wiring import RtuLine, TcpLine
from mrv.errors import BadInput
from tests.tool.played import Plant, played

SILENT = """
what: a meter that still speaks another protocol is, on the wire, no meter at all
lines:
  - {id: usb, kind: rtu, baud: 115200}
  - {id: lan, kind: tcp}
meters:
  - {id: far, line: usb, unit: 200, profile: chint_ddsu666, load: {watts: 900}}
  - {id: old, line: lan, unit: 1, profile: chint_dtsu666, load: {watts: 900}}
"""
NEEDS = "It ships speaking DL/T645-2007: set the protocol to Modbus first."


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    with played(SILENT, tmp_path, monkeypatch) as found:
        yield found


def test_a_make_is_what_stands_on_the_nameplate() -> None:
    library = profiles.library()
    for said in ("chint", "CHINT", "DDSU666", "ddsu-666", "chint_ddsu666"):
        assert "chint_ddsu666" in {profile.id for profile in makes.chosen(library, said)}, said
    assert len(makes.chosen(library, "Carlo Gavazzi")) > 3
    for said in ("nokia", "", "-"):
        with pytest.raises(BadInput):
            makes.chosen(library, said)


def test_its_settings_are_asked_first() -> None:
    library = profiles.library()
    usual = [(ask.speed, ask.unit) for ask in _asks(Where(RtuLine(id="a", port="/dev/x"), False, False), library, None)]
    siemens = makes.chosen(library, "PAC3200")
    asks = _asks(Where(RtuLine(id="a", port="/dev/x"), False, False), library, None, siemens)
    assert (asks[0].speed, asks[0].unit) == (Speed(19200, "N", 2), 126)
    assert usual[0] != (Speed(19200, "N", 2), 126)
    assert {(ask.speed, ask.unit) for ask in asks} == set(usual), "and nothing is left out for it"
    sma = makes.chosen(library, "sunny tripower")
    assert _asks(Where(TcpLine(id="a", host="h"), True, False), library, None, sma)[0].unit == 3


def test_a_silent_line_says_what_the_make_needs(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--baud", "115200", "--listen", "0", "--timeout", "10", "--expect", "1")
    plant.plug("far", False)
    code = main(("scan", plant.end("usb"), *words, "--make", "chint"))
    told = capsys.readouterr()
    assert code == 1
    assert NEEDS in told.err
    assert "Chint DDSU666 (set at the factory to 9600 8N1, unit 1 (medium)), before it answers:" in told.err
    assert "Eastron" not in told.err


def test_who_does_not_say_the_make_is_told_to(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    plant.plug("far", False)
    words = ("--baud", "115200", "--listen", "0", "--timeout", "10", "--expect", "1")
    for tongue in ("en", "vi"):
        assert main(("scan", plant.end("usb"), *words, "--lang", tongue)) == 1
        told = capsys.readouterr()
        assert "--make chint" in told.out
        assert NEEDS not in told.out + told.err


def test_who_is_found_needs_nothing(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("scan", plant.end("lan"), "--make", "chint", "--json")) == 0
    told = capsys.readouterr()
    assert json.loads(told.out)["found"]
    assert NEEDS not in told.err


def test_a_refused_connection_says_it_too(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    """A dongle that serves one program refuses the next one."""
    assert main(("scan", "127.0.0.1:1", "--make", "huawei")) == 4
    assert "It answers one program at a time" in capsys.readouterr().err
    Path("site.yaml").write_text("buses: []\nmeters: []\n")
    for command in ("probe", "commission"):
        assert main((command, "127.0.0.1:1", "--profile", "huawei_sun2000")) == 4
        assert "It answers one program at a time" in capsys.readouterr().err, command


def test_a_block_the_firmware_lacks_says_it(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    """Illegal address: another firmware, or a meter whose protocol was never set right."""
    code = main(("probe", plant.end("lan"), "--profile", "fronius_sunspec", "--base", "60000", "--seconds", "0"))
    told = capsys.readouterr()
    assert code in (0, 1), told.err
    assert "Modbus must be switched on in the inverter's web page" in " ".join(told.out.split())


def test_profiles_takes_a_make_and_says_what_it_needs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(("profiles", "chint", "--json")) == 0
    assert [one["id"] for one in json.loads(capsys.readouterr().out)["profiles"]] == [
        "chint_ddsu666",
        "chint_dtsu666",
        "chint_dtsu666_401e",
    ]
    assert main(("profiles", "ddsu666")) == 0
    assert NEEDS in capsys.readouterr().out
    assert main(("profiles", "huawei", "--lang", "vi")) == 0
    assert "Nó chỉ trả lời một chương trình một lúc" in capsys.readouterr().out
