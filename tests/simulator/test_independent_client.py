"""A client library not written here reads from the running command what the plant shows."""

from __future__ import annotations

import json
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from pyModbusTCP.client import ModbusClient

COMMAND = [sys.executable, "-m", "drivers.simulator"]


@pytest.fixture
def running() -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    process = subprocess.Popen([*COMMAND, "--plant", "demo", "--speed", "20"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def client(ready: dict[str, Any], name: str) -> ModbusClient:
    device = next(device for device in ready["devices"] if device["name"] == name)
    bus = ready["buses"][device["bus"]]
    return ModbusClient(host=bus["host"], port=bus["port"], unit_id=device["unit"], timeout=2)


def test_an_independent_client_reads_the_plant(running: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    process, ready = running
    meter, inverter = client(ready, "pv-meter"), client(ready, "pv-inverter")
    words = meter.read_input_registers(0, 80)
    data = struct.pack(">80H", *words)
    (volts,) = struct.unpack_from(">f", data, 0)
    (watts,) = struct.unpack_from(">f", data, 2 * 52)
    (kwh,) = struct.unpack_from(">f", data, 2 * 74)
    assert 225 < volts < 235
    assert 50_000 < -watts < 480_000
    assert 12_345.6 < kwh < 12_350
    model = inverter.read_holding_registers(40070, 52)
    assert model is None  # registers beyond what the profile names are refused
    model = inverter.read_holding_registers(40070, 27)
    factor = model[15] - 0x10000 if model[15] > 0x7FFF else model[15]
    assert model[0] == 103
    assert 1.0 < model[14] * 10.0**factor / -watts < 1.05
    assert not meter.write_single_register(0, 1)
    meter.close()
    inverter.close()
    process.send_signal(signal.SIGTERM)
    assert process.wait(5) == 0


def test_a_taken_port_is_said(running: tuple[subprocess.Popen[str], dict[str, Any]]) -> None:
    _, ready = running
    taken = str(ready["buses"]["a"]["port"])
    second = subprocess.run([*COMMAND, "--port-a", taken], capture_output=True, text=True, timeout=20)
    assert second.returncode == 1
    assert "cannot listen" in second.stderr


@pytest.mark.parametrize("arguments", [["--meters", "0"], ["--speed", "0"], ["--plant", "moon"]])
def test_wrong_arguments_are_refused(arguments: list[str]) -> None:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 2


def test_the_load_site_answers_on_both_buses() -> None:
    process = subprocess.Popen([*COMMAND, "--plant", "load", "--meters", "20"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    try:
        ready = json.loads(process.stdout.readline())
        assert len(ready["devices"]) == 20
        for name in ("load-01", "load-20"):
            meter = client(ready, name)
            assert meter.read_input_registers(72, 2)
            meter.close()
    finally:
        process.terminate()
        assert process.wait(5) == 0
        process.stdout.close()
