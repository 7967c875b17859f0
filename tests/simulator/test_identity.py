"""Who a simulated meter says it is, wherever its profile looks."""

from __future__ import annotations

import struct

import msgspec

from drivers import profiles
from drivers.simulator import frames, scenario
from drivers.simulator.faults import Fault
from drivers.simulator.frames import Request
from drivers.simulator.line import answer
from drivers.simulator.meter import Simulated
from drivers.simulator.misfortune import Swapped
from drivers.simulator.plant import Clock
from mrv.binding import Settings
from mrv.profile_device import Chain

PROFILE = """
id: example
revision: 1
maker: Example
models: [EM-1, EM-3]
kind: meter
confidence: low
sources: [an example]
status: documented
table: holding
read: [voltage_l1]
values:
  voltage_l1: {at: 0, type: uint16, scale: 0.1, decimals: 1}
identify:
  - by: register
    item: {at: 11, type: uint16}
    means: {"341": EM-1, "342": EM-3}
  - by: server_id
    means: {"0x79": EM-1, "0x7a": EM-3}
  - by: device_id
    object: 1
    means: {EM-1: EM-1, EM-3: EM-3}
serial_number: {at: 20, type: ascii, count: 4}
firmware: {at: 24, type: uint16}
fingerprint:
  - {at: 30, type: uint32, name: ct}
requires:
  - item: {at: 40, type: uint16}
    equals: ["7"]
    hint: set application H
"""
CHAIN = msgspec.structs.replace(profiles.library()["sunspec_inverter_3p"], sunspec=Chain(models=(103,)))
LIBRARY = dict(profiles.library()) | {"example": profiles.load(PROFILE, "example.yaml"), "sunspec_inverter_3p": CHAIN}


def meter(*faults: Swapped, profile: str = "example", **fields: object) -> Simulated:
    spec = {"id": "m", "line": "a", "profile": profile, "load": scenario.Load(watts=1)} | fields  # type: ignore[arg-type]
    return Simulated(scenario.Meter(**spec), LIBRARY, Clock(), faults)  # type: ignore[arg-type]


def text(one: Simulated, t: float, address: int, count: int) -> str:
    return struct.pack(f">{count}H", *one.at(t, ()).read("h", address, count)).rstrip(b"\0").decode()


def test_registers_name_model_serial_firmware_and_settings() -> None:
    one = meter(model="EM-3", serial="SN000042", firmware="37")
    face = one.at(0.0, ())
    assert face.read("h", 11, 1) == (342,)
    assert text(one, 0.0, 20, 4) == "SN000042"
    assert face.read("h", 24, 1) == (37,)
    assert face.read("h", 30, 2) == (0, 0)
    assert face.read("h", 40, 1) == (7,)


def test_functions_0x11_and_0x2b_name_the_model() -> None:
    face = meter(model="EM-3", firmware="2.1").at(0.0, ())
    asked = Request(transaction=None, unit=1, function=frames.SERVER_ID)
    (sent,) = answer(face, asked, Fault())
    assert sent.data[:-2] == bytes.fromhex("01 11 02 7a ff")
    assert face.device_id() == {0: b"Example", 1: b"EM-3", 2: b"2.1"}
    refused = meter(profile="eastron_sdm630").at(0.0, ())
    asked = Request(transaction=None, unit=1, function=frames.DEVICE_ID, access=1)
    (sent,) = answer(refused, asked, Fault())
    assert sent.data[:-2] == bytes.fromhex("01 ab 01"), "a meter without identification refuses the function"


def test_another_meter_has_another_serial_number() -> None:
    one = meter(Swapped(meter="m", at="10s", serial="SN000099"), serial="SN000042")
    assert [text(one, t, 20, 4) for t in (9.9, 10.0)] == ["SN000042", "SN000099"]
    assert text(meter(Swapped(meter="m")), 1.0, 20, 4) != text(meter(), 1.0, 20, 4)


def test_a_sunspec_meter_stands_in_a_chain() -> None:
    """The walk of the specification: mark, model after model by their lengths, end."""
    one = meter(profile="sunspec_inverter_3p", settings=Settings(base=40070), serial="7E1504", firmware="3.18")
    face = one.at(0.0, ())
    assert face.read("h", 40000, 2) == (0x5375, 0x6E53)
    at, models = 40002, []
    while (found := face.read("h", at, 2))[0] != 0xFFFF:
        models.append(found[0])
        at += 2 + found[1]
    assert models == [1, 103]
    assert text(one, 0.0, 40052, 16) == "7E1504"
    assert text(one, 0.0, 40044, 8) == "3.18"
