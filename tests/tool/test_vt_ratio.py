"""A meter that knows nothing of its transformers: commission asks for both ratios, and guesses neither."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from drivers import plausible, profiles, wiring
from drivers.cli import main
from mrv.measurand import Measurand
from tests.tool.played import Plant, played
from tests.tool.test_commission_command import SITE

PROFILE = "acrel_adl400"
#: Primary volts to neutral, and the VT the meter stands behind.
PLANTS = {"behind a VT": (12_702, "22000/110"), "at low voltage": (230, "1/1")}
SCENARIO = """
what: one meter on the secondary side of everything
lines: [{{id: lan, kind: tcp}}]
meters:
  - id: it
    line: lan
    profile: acrel_adl400
    load: {{watts: 360000}}
    opening: 18343
    settings: {{ratio: 400/5, vt_ratio: {vt}}}
    values: {{voltage_l1: {volts}, voltage_l2: {volts}, voltage_l3: {volts}}}
"""


@pytest.fixture(params=PLANTS)
def plant(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    volts, vt = PLANTS[request.param]
    (tmp_path / "site.yaml").write_text(SITE)
    with played(SCENARIO.format(volts=volts, vt=vt), tmp_path, monkeypatch) as found:
        yield found


def commissioned(plant: Plant, tmp_path: Path, typed: list[str], monkeypatch: pytest.MonkeyPatch) -> int:
    def read() -> str:
        if not typed:
            raise EOFError
        return typed.pop(0)

    monkeypatch.setattr("drivers.dialogue._line", read)
    answers = {"line": "lan", "every": "15", "candidate": "1", "wait": "n", "nameplate": "400/5", "direction": "import"}
    answers |= {"ratio": "400/5", "clamp.L1": "", "clamp.L2": "", "clamp.L3": "", "write": "y"}
    answers["display.active_energy_absolute"] = plant.display("it", "active_energy_absolute", 0)
    words = [word for key, value in answers.items() for word in ("--answer", f"{key}={value}")]
    who = ("--who", "Tran B", "--point", "HV-1", "--name", "hv-1", "--dir", str(tmp_path))
    return main(("commission", plant.end("lan"), "--profile", PROFILE, *who, *words))


def written(tmp_path: Path) -> wiring.Meter:
    (meter,) = wiring.load((tmp_path / "site.yaml").read_text(), "site.yaml", profiles.library()).value.meters
    return meter


@pytest.mark.parametrize("plant", ["behind a VT"], indirect=True)
def test_a_secondary_is_never_taken_for_low_voltage(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commissioned(plant, tmp_path, [""], monkeypatch) == 2
    err = capsys.readouterr().err
    assert "The meter sees 63.5 / 63.5 / 63.5 V:" in err, "and nothing stands ready behind Enter"
    assert "is no ratio of voltage transformers" in err
    assert "no answer to `vt_ratio`" in err
    assert (tmp_path / "site.yaml").read_text() == SITE
    assert commissioned(plant, tmp_path, ["110/22000", "22 kV", "22000/110"], monkeypatch) == 1
    assert capsys.readouterr().err.count("is no ratio of voltage transformers") == 2
    assert (written(tmp_path).ratio, written(tmp_path).vt_ratio) == ("400/5", "22000/110")


@pytest.mark.parametrize("plant", ["at low voltage"], indirect=True)
def test_at_low_voltage_enter_means_none(
    plant: Plant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert commissioned(plant, tmp_path, [""], monkeypatch) == 1
    assert "The meter sees 230 / 230 / 230 V [1/1]:" in capsys.readouterr().err.replace("230.0", "230")
    assert (written(tmp_path).ratio, written(tmp_path).vt_ratio) == ("400/5", "1/1")


@pytest.mark.parametrize(
    ("volts", "sure"),
    [
        ({Measurand.VOLTAGE_L1: 230}, True),
        ({Measurand.VOLTAGE_L1: 0, Measurand.VOLTAGE_L2: 0, Measurand.VOLTAGE_L3: 228}, True),
        ({Measurand.VOLTAGE_L1_L2: 400}, True),
        ({Measurand.VOLTAGE_L1: 398, Measurand.VOLTAGE_L1_L2: 690}, True),
        ({Measurand.VOLTAGE_L1: 63.5, Measurand.VOLTAGE_L1_L2: 110}, False),
        ({Measurand.VOLTAGE_L1: 57.7}, False),
        ({Measurand.VOLTAGE_L1: 110}, False),
        ({Measurand.VOLTAGE_L1: 110, Measurand.VOLTAGE_L1_L2: 190}, False),
        ({Measurand.VOLTAGE_L1_L2: 6300}, False),
        ({Measurand.FREQUENCY: 230}, False),
        ({}, False),
    ],
)
def test_volts_that_no_secondary_has(volts: dict[Measurand, float], sure: bool) -> None:
    assert plausible.low_voltage({name: Decimal(str(value)) for name, value in volts.items()}) is sure
