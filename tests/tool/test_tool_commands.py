"""scan, probe, watch on a plant that plays: what people see, what scripts get, what is sent, who has the line."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers import profiles
from drivers.cli import main
from drivers.port import SerialPort
from tests.tool.played import READS, Plant, played

PLANT = """
what: two meters behind a gateway, one of them with a CT turned around, and one on a serial line
seed: 3
lines:
  - {id: lan, kind: tcp}
  - {id: usb, kind: rtu, baud: 115200}
meters:
  - {id: a, line: lan, unit: 1, profile: eastron_sdm630, load: {watts: 36000}, opening: 18343.2}
  - {id: b, line: lan, unit: 2, profile: eastron_sdm630, load: {watts: 36000, power_factor: 0.9}}
  - {id: c, line: usb, unit: 7, profile: eastron_sdm630, load: {watts: 12000}}
faults:
  - {fault: reversed_ct, meter: b, phase: 2}
"""


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    with played(PLANT, tmp_path, monkeypatch) as found:
        yield found
        assert {function for _, _, function in found.asked} <= READS, "nothing else is ever sent"
        assert found.asked


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    told = capsys.readouterr()
    return code, told.out, told.err


def is_free(port: str) -> bool:
    """Whether somebody else can take the serial port now."""
    import asyncio

    async def taken() -> None:
        SerialPort(port, baud=9600, parity="N", stop=1, protocol=asyncio.Protocol()).close()

    asyncio.run(taken())
    return True


def test_a_scan_finds_who_is_there_and_which_they_are(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "scan", plant.end("lan"), "--json")
    told = json.loads(said)
    assert [(one["unit"], one["candidates"][0]["profile"]) for one in told["found"]] == [
        (1, "eastron_sdm630"),
        (2, "eastron_sdm630"),
    ]
    assert code == 0
    assert told["faults"] == []
    assert told["not_asked"] > 200


def test_a_scan_for_people_fits_eighty_columns(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, err = run(
        capsys, "scan", plant.end("usb"), "--listen", "0.1", "--baud", "115200", "--expect", "1", "--lang", "vi"
    )
    assert code == 0
    assert "Eastron SDM630" in said
    assert "115200 8N1" in said
    assert f"mrv-meter probe {plant.end('usb')} --baud 115200 --parity N --stop 1 --unit 7" in err
    assert is_free(plant.end("usb"))


def test_probe_shows_everything_with_marks_and_words(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "probe", plant.end("lan"), "--raw", "--seconds", "0.2")
    assert code == 0
    rows = {line.split("\t")[0]: line.split("\t") for line in said.splitlines() if "\t" in line}
    assert rows["frequency"][2:4] == ["Hz", "ok"]
    assert rows["active_energy_import"][4].startswith("i:72 ")
    assert rows.keys() >= set(profiles.library()["eastron_sdm630"].values)


def test_probe_accuses_a_reversed_ct_and_draws_phasors(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, _ = run(capsys, "probe", plant.end("lan"), "--unit", "2", "--seconds", "0.2")
    assert code == 1
    assert "L2: this phase runs against the others" in said
    assert "IL2" in said
    assert max(map(len, (line for line in said.splitlines() if "deg" in line))) <= 80
    code, said, _ = run(capsys, "probe", plant.end("lan"), "--unit", "2", "--seconds", "0.2", "--json")
    told = json.loads(said)
    assert [found["code"] for found in told["wiring"]] == ["tool.reversed_ct"]
    assert told["values"]["frequency"]["mark"] == "good"
    assert told["raw"]["i:0"]


def test_nobody_there_is_said_and_the_exit_code_says_try_again(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(capsys, "probe", plant.end("lan"), "--unit", "9")
    assert code == 4
    assert "0x0B" in err


def test_a_line_that_is_none(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, "scan", "roof:x")[0] == 2
    code, _, err = run(capsys, "scan", str(tmp_path / "ttyUSB9"), "--listen", "0.1")
    assert code == 4
    assert "ttyUSB9" in err


def test_watch_prints_a_line_per_look_where_there_is_no_terminal(
    plant: Plant, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("watch", plant.end("lan"), "--rounds", "2", "--every", "0.3")
    code, said, _ = run(capsys, *words)
    assert code == 0
    assert [line.split("\t")[0] for line in said.splitlines()] == ["unit 1"] * 2
    assert "errors=0/2" in said
    code, said, _ = run(capsys, *words, "--json")
    looks = [json.loads(line) for line in said.splitlines()]
    assert [look["looks"] for look in looks] == [1, 2]
    assert looks[1]["values"]["voltage_l1"]


def test_watch_goes_on_when_a_meter_fails(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    plant.keypad("a", unit=99)
    code, said, _ = run(
        capsys, "watch", plant.end("lan"), "--profile", "eastron_sdm630", "--rounds", "2", "--every", "0.1", "--json"
    )
    assert code == 1
    assert [json.loads(line)["errors"] for line in said.splitlines()] == [1, 2]


def test_ctrl_c_keeps_what_was_found_and_leaves_the_line_free(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    alarm = threading.Timer(2.0, lambda: os.kill(os.getpid(), signal.SIGINT))
    alarm.start()
    try:
        code, said, _ = run(
            capsys,
            "scan",
            plant.end("usb"),
            "--listen",
            "0.1",
            "--baud",
            "115200",
            "--timeout",
            "60",
            "--all",
            "--json",
        )
    finally:
        alarm.cancel()
    told = json.loads(said)
    assert code == 130
    assert told["interrupted"]
    assert [one["unit"] for one in told["found"]] == [7]
    assert is_free(plant.end("usb"))


def test_another_master_is_not_disturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    text = PLANT + "  - {fault: second_master, line: usb, unit: 7, pause: 100ms}\n"
    with played(text, tmp_path, monkeypatch) as plant:
        code, _, err = run(capsys, "scan", plant.end("usb"), "--baud", "115200", "--listen", "1")
        assert code == 3
        assert "ids 7 heard" in err
        assert [asked for asked in plant.asked if asked[0] == "usb"] == [], "not one byte was sent"


def test_one_by_one_the_technician_is_told_what_to_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two new meters, both id 1: the second one is renumbered when the tool says so."""
    monkeypatch.chdir(tmp_path)
    with played(PLANT, tmp_path, monkeypatch) as plant:
        plant.keypad("c", unit=1)
        answers = ["", "", "", "q"]

        def typed() -> str:
            if len(answers) == 2:  # the tool has said which id to set, and waits
                plant.keypad("c", unit=2)
            return answers.pop(0)

        monkeypatch.setattr("drivers.dialogue._line", typed)
        code, said, err = run(
            capsys,
            "scan",
            plant.end("usb"),
            "--one-by-one",
            "--baud",
            "115200",
            "--listen",
            "0",
            "--timeout",
            "60",
            "--json",
        )
        assert "set id 2 and 115200 8N1 on its keypad" in err
        assert code == 0
        assert [one["unit"] for one in json.loads(said)["found"]] == [1, 2]


def test_progress_is_written_over_itself_on_a_terminal_only() -> None:
    from drivers.commands.progress import Progress, spelled

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    now = iter([0.0, 1.0])
    drawn = Terminal()
    with Progress(drawn, lambda: next(now)) as progress:
        progress.show(1, 4, "x" * 200, 34.0)
        progress.show(2, 4, "y", None)
    assert drawn.getvalue().count("\r") == 3
    assert max(len(part) for part in drawn.getvalue().split("\r")) <= 79 + len("\x1b[K")
    assert drawn.getvalue().endswith("\r\x1b[K")
    seldom = io.StringIO()
    times = iter([0.0, 1.0, 11.0])
    with Progress(seldom, lambda: next(times)) as progress:
        progress.show(1, 4, "a")
        progress.show(3, 4, "b", 5)
    assert seldom.getvalue() == "[############....]  75 %  b  0:05\n"
    assert [spelled(s) for s in (0.4, 34, 725, 3725)] == ["0:00", "0:34", "12:05", "1:02:05"]
