"""`mrv-meter simulate` as a technician or a script meets it."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from pyModbusTCP.client import ModbusClient

from drivers import profiles
from drivers.cli import main

SCENARIO = """
what: one meter that falls silent
lines: [{{id: lan, kind: tcp, port: {port}}}, {{id: usb, kind: rtu}}]
meters:
  - {{id: one, line: lan, unit: 5, profile: eastron_sdm630, load: {{watts: 36000}}, values: {{voltage_l1: 230.2}}}}
faults: [{{fault: silent, meter: one, at: 10s, for: 1h, times: 1}}]
"""


def started(tmp_path: Path, *options: str, port: int = 0) -> subprocess.Popen[str]:
    (tmp_path / "scenario.yaml").write_text(SCENARIO.format(port=port))
    command = [sys.executable, "-m", "drivers", "simulate", str(tmp_path / "scenario.yaml"), *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_says_where_and_what_until_it_is_stopped(tmp_path: Path, number: signal.Signals) -> None:
    process = started(tmp_path, "--json", "--speed", "100", "--links", str(tmp_path))
    assert process.stdout
    lan, usb = (json.loads(process.stdout.readline()) for _ in range(2))
    assert (lan["event"], lan["line"], usb["path"]) == ("listens", "lan", str(tmp_path / "usb"))
    assert json.loads(process.stdout.readline())["event"] == "begins"
    client = ModbusClient(host=lan["host"], port=lan["port"], unit_id=5, timeout=0.3, auto_close=True)
    assert client.read_input_registers(0, 2) is None
    hit = json.loads(process.stdout.readline())
    assert (hit["event"], hit["fault"], hit["meter"]) == ("hits", "silent", "one")
    assert client.read_input_registers(0, 2) == [0x4366, 0x3333]
    process.send_signal(number)
    assert process.communicate(timeout=10) == ("", "")
    assert process.returncode == 0
    assert not (tmp_path / "usb").is_symlink()


def test_a_meter_may_have_a_profile_beside_the_site(tmp_path: Path) -> None:
    (tmp_path / profiles.OWN).mkdir()
    text = profiles.source_text("eastron_sdm630").replace("id: eastron_sdm630", "id: our_meter")
    text = text.replace("voltage_l1: {at: 0,", "voltage_l1: {at: 400,")
    (tmp_path / profiles.OWN / "our_meter.yaml").write_text(text)
    (tmp_path / "scenario.yaml").write_text(SCENARIO.format(port=0).replace("eastron_sdm630", "our_meter"))
    assert main(["simulate", str(tmp_path / "scenario.yaml"), "--json"]) == 2, "not beside the files of this folder"
    command = [sys.executable, "-m", "drivers", "simulate", str(tmp_path / "scenario.yaml"), "--dir", str(tmp_path)]
    process = subprocess.Popen([*command, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    lan = json.loads(process.stdout.readline())
    client = ModbusClient(host=lan["host"], port=lan["port"], unit_id=5, timeout=2, auto_close=True)
    assert client.read_input_registers(400, 2) == [0x4366, 0x3333]
    process.terminate()
    process.communicate(timeout=10)


def test_people_read_lines(tmp_path: Path) -> None:
    process = started(tmp_path, "--speed", "100", "--lang", "vi")
    assert process.stdout
    told = [process.stdout.readline() for _ in range(3)]
    process.terminate()
    process.communicate(timeout=10)
    assert "đường dây lan đang mở tại 127.0.0.1:" in told[0]
    assert "baud 9600" in told[1]
    assert "bắt đầu  silent  meter one" in told[2]


def test_a_taken_port_and_a_missing_file_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = started(tmp_path, port=taken.getsockname()[1])
        _, err = process.communicate(timeout=20)
    assert process.returncode == 4
    assert "cannot listen" in err
    assert main(["simulate", str(tmp_path / "nothing.yaml"), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["faults"][0]["code"] == "scenario.unreadable"


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "1e9"])
def test_an_impossible_speed_is_refused(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["simulate", "x.yaml", "--speed", speed])
    assert ended.value.code == 2
    assert "--speed" in capsys.readouterr().err
