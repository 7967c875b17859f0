"""Two meters under one id, one answering behind the other, so that nothing is garbled: scan, probe, watch, commission.

Only the first answer fits the question; without listening on, it would be believed, now that of one meter, now that of
the other.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from drivers.cli import main
from tests.tool.played import READS, Plant, played
from tests.tool.test_commission_command import SITE

PLANT = """
what: two new meters, both id 1 as they leave the factory, and one that stands alone
lines:
  - {id: usb, kind: rtu, baud: 115200}
  - {id: box, kind: rtu-over-tcp, baud: 115200}
meters:
  - {id: a, line: usb, unit: 1, profile: eastron_sdm630, load: {watts: 36000}, opening: 18343, turnaround: 5ms}
  - {id: b, line: usb, unit: 1, profile: eastron_sdm630, load: {watts: 900}, opening: 7, turnaround: 15ms}
  - {id: c, line: usb, unit: 2, profile: eastron_sdm630, load: {watts: 900}, opening: 7}
  - {id: d, line: box, unit: 1, profile: eastron_sdm630, load: {watts: 900}, opening: 7}
  - {id: e, line: box, unit: 1, profile: eastron_sdm630, load: {watts: 900}, opening: 7, turnaround: 10ms}
"""
SPEED = ("--baud", "115200")
NAMED = ("--profile", "eastron_sdm630")


@pytest.fixture
def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Plant]:
    monkeypatch.chdir(tmp_path)
    with played(PLANT, tmp_path, monkeypatch) as found:
        yield found
        assert {function for _, _, function in found.asked} <= READS


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    told = capsys.readouterr()
    return code, told.out, told.err


def test_scan_says_which_id_is_doubled(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--listen", "0", "--timeout", "60", "--expect", "2", "--json")
    code, said, _ = run(capsys, "scan", plant.end("usb"), *SPEED, *words)
    told = json.loads(said)
    assert code == 1
    assert {one["unit"]: one["doubt"] for one in told["found"]} == {1: "extra", 2: None}
    assert [(found["code"], found["params"]) for found in told["faults"]] == [("tool.double_extra", {"unit": "1"})]


@pytest.mark.parametrize("words", [NAMED, ()], ids=["named", "asked"])
@pytest.mark.parametrize("line", ["usb", "box"])
def test_probe_shows_numbers_of_neither(
    plant: Plant, capsys: pytest.CaptureFixture[str], line: str, words: tuple[str, ...]
) -> None:
    kind = ("--rtu-over-tcp",) if line == "box" else ()
    code, said, err = run(capsys, "probe", plant.end(line), *kind, *SPEED, *words, "--seconds", "0.1")
    assert (code, said) == (3, "")
    assert f"{plant.end(line)} unit 1: two meters answer as id 1" in err
    assert "give it another id on its own keypad" in err


def test_one_alone_is_not_accused(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    code, said, err = run(capsys, "probe", plant.end("usb"), *SPEED, "--unit", "2", *NAMED, "--seconds", "0.1")
    assert code == 0, err
    assert "active_energy_import" in said


def test_watch_counts_it_as_a_failure(plant: Plant, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("--rounds", "2", "--every", "0.1", "--json")
    code, said, _ = run(capsys, "watch", plant.end("usb"), *SPEED, *NAMED, *words)
    assert code == 1
    assert [(look["fault"], look["values"]) for look in map(json.loads, said.splitlines())] == [
        ("tool.double_extra", {})
    ] * 2


@pytest.mark.parametrize("words", [NAMED, ()], ids=["named", "asked"])
def test_commission_writes_nothing(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE)
    answers = ("--who", "Tran B", "--point", "A", "--name", "a", "--answer", "line=usb")
    code, _, err = run(capsys, "commission", plant.end("usb"), *SPEED, *words, "--dir", str(site), *answers)
    assert code == 3
    assert "two meters answer as id 1" in err
    assert (site / "site.yaml").read_text() == SITE
    assert not (site / "spool").exists()


def test_two_that_come_together_while_it_is_commissioned(
    plant: Plant, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one is connected after the first contact: the next comparison sees it."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "site.yaml").write_text(SITE)
    plant.plug("b", False)

    def typed() -> str:
        plant.plug("b", True)
        return plant.display("a", "active_energy_import", 0)

    monkeypatch.setattr("drivers.dialogue._line", typed)
    answers = ("--who", "Tran B", "--point", "A", "--name", "a", "--answer", "line=usb", "--every", "15")
    code, _, err = run(capsys, "commission", plant.end("usb"), *SPEED, *NAMED, "--dir", str(site), *answers)
    assert code == 3, err
    assert "two meters answer as id 1" in err
    assert (site / "site.yaml").read_text() == SITE
