"""The newcomer's day: five meters of five makers as they leave the factory, one RS-485 line, a laptop.

What is physically possible is what is played. New meters cannot share a line: three of the five ship as id 1 at 9600
baud and answer at once, the others listen at 19200 and 38400. So the technician connects them one at a time, the tool
says which id and speed to set (on the meter's own keys, nobody else can), and only then they hang on one line. A
pseudo terminal knows no even parity: meters that ship with it are heard with none, which makes their scan no shorter.

The default run plays it at 115200 baud with short patience, and only two of the five are new; the slow one has five new
ones, 9600 baud, 10 s of listening, and the patience and the counters of the real thing, within `MOST_SECONDS`.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from agent import cli as agent_cli
from drivers import commission_decode, profiles, scan_verdict, wiring
from drivers.cli import main
from mrv import commissioning
from tests.tool.played import READS, Plant, played

#: Bound of the slow run: listening, five times one new meter, the scan of all five, five commissionings of which each
#: waits for 20 counts, with a technician who types at once.
MOST_SECONDS = 900

#: maker's profile -> factory speed, id, load in watts, the decimals of its display
MAKERS = {
    "eastron_sdm630": ({"baud": 9600}, 1, 360_000, 2),
    "carlogavazzi_em330_em340": ({"baud": 9600}, 1, 270_000, 1),
    "abb_b21_b23_b24": ({"baud": 9600, "parity": "N"}, 1, 180_000, 2),
    "schneider_iem3155_iem3255": ({"baud": 19200, "parity": "N"}, 1, 450_000, 2),
    "socomec_diris_a10_a14": ({"baud": 38400}, 5, 540_000, 2),
}
SCENARIO = """
what: five new meters of five makers
lines:
  - {{id: usb, kind: rtu, baud: {baud}}}
meters:
"""
SITE = """site: demo-factory
org: example
collector:
  host: broker.example.org
  cosigners:
    - example/mrv/collector+67efe43c+BGVaa3UyIqZj/Y9rrqFDdajyzfyB0+j+mh323i31oxhc
clock: {sync: assumed}   # a person looks after it
buses: []                # what the tool finds comes here
meters: []
"""
PLAN = """site: demo-factory
timezone: Asia/Ho_Chi_Minh
period: 900
clock: [S, R, I]
min_coverage: 0.5
points:
"""
PROJECT = """projects:
  - id: chillers
    title: Five machines
    methodology: EFFICIENCY_RATIO_ver01.0
    ex_ante:
      EF_elec: {value: 0.6, unit: tCO2/MWh, provenance: {document: DEMO INPUT, date: 2026-01-01, locator: none}}
    items:
"""
ITEM = """      - id: machine-{n}
        ex_ante:
          COP_PJ: {{value: 6.5, unit: "1", provenance: {{document: DEMO INPUT, date: 2026-01-01, locator: none}}}}
          COP_RE: {{value: 5.2, unit: "1", provenance: {{document: DEMO INPUT, date: 2026-01-01, locator: none}}}}
        monitored:
          EC: {{plus: [{{point: M-{n}, register: active_energy_import}}]}}
"""


def scenario(line: int, baud: int | None) -> str:
    """The plant; `baud` replaces every factory speed where the run is scaled.

    Meters then answer at once and count ten times as fast.
    """
    turnaround, busy = ("0ms", 10) if baud else ("40ms", 1)
    text = SCENARIO.format(baud=line)
    for number, (profile, (speed, unit, watts, _)) in enumerate(MAKERS.items(), start=1):
        set_to = {"baud": baud} if baud else speed
        keys = ", ".join(f"{key}: {value}" for key, value in set_to.items())
        text += f"  - {{id: m{number}, line: usb, unit: {unit}, profile: {profile}, {keys}, "
        text += f"load: {{watts: {watts * busy}}}, opening: {18_000 + number}, turnaround: {turnaround}}}\n"
    return text


def site(folder: Path) -> Path:
    points = "".join(f"  - {{id: M-{n}, scope: machine {n}, evidence: meter}}\n" for n in range(1, 6))
    items = "".join(ITEM.format(n=n) for n in range(1, 6))
    folder.mkdir()
    (folder / "site.yaml").write_text(SITE)
    (folder / "plan.yaml").write_text(PLAN + points + PROJECT + items)
    return folder


@dataclass
class Technician:
    """Reads what the tool says and does it: plugs, presses keys, reads displays and clamps."""

    plant: Plant
    capsys: pytest.CaptureFixture[str]
    new: int
    connected: int = 0
    heard: str = ""
    told: list[str] = field(default_factory=list)

    def typed(self) -> str:
        self.heard += self.capsys.readouterr().err
        prompt = self.heard.rstrip().splitlines()[-1]
        answer = next(act(self, prompt) for mark, act in ACTS.items() if mark in prompt)
        self.told.append(f"{prompt} {answer}")
        assert len(self.told) < 200, self.heard[-2000:]
        return answer

    @property
    def meter(self) -> str:
        return f"m{self.connected}"

    def next_one(self, _: str) -> str:
        self.connected += 1
        if self.connected > self.new:
            return "q"
        for number in range(1, len(MAKERS) + 1):
            self.plant.plug(f"m{number}", number == self.connected)
        return ""

    def press_keys(self, _: str) -> str:
        told = re.findall(r"set id (\d+) and (\d+) 8([NEO])([12]) on its keypad", self.heard)
        assert told, self.heard
        unit, baud, parity, stop = told[-1]
        self.plant.keypad(self.meter, unit=int(unit), baud=int(baud), parity=parity, stop=int(stop))
        return ""

    def read_display(self, _: str) -> str:
        decimals = list(MAKERS.values())[self.connected - 1][3]
        return self.plant.display(self.meter, "active_energy_import", decimals)

    def read_nameplate(self, _: str) -> str:
        """Two families of one maker say the same: the type on the front tells which it is."""
        mine = list(MAKERS)[self.connected - 1]
        return re.findall(rf"^([1-5])\t{mine}\t-\t", self.heard, re.MULTILINE)[-1]

    def read_clamp(self, prompt: str) -> str:
        phase = re.findall(r"Clamp at L([123])", prompt)[-1]
        return f"{self.plant.shows(self.meter, f'current_l{phase}'):.1f}"


ACTS: dict[str, Callable[[Technician, str], str]] = {
    "connect it alone": Technician.next_one,
    "look again": Technician.press_keys,
    "on the display now": Technician.read_display,
    "Clamp at": Technician.read_clamp,
    "Nameplate": lambda _, __: "2000/5",
    "take energy now": lambda _, __: "import",
    "Wait?": lambda _, __: "y",
    "add up its phases": lambda _, __: "vector",
    "Which one": Technician.read_nameplate,
    "Write this": lambda _, __: "y",
    "Name of this line": lambda _, __: "machine-hall",
}


@dataclass(frozen=True)
class Pace:
    """How the day is played: line speed, factory speeds replaced by it or not, patience of the tool, meters that are
    new (the others have been set before)."""

    line: int
    baud: int | None
    words: tuple[str, ...]
    new: int = 5


def day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], pace: Pace) -> float:
    """From the box to a green check; seconds it took."""
    monkeypatch.chdir(tmp_path)
    folder, state = site(tmp_path / "site"), tmp_path / "state"
    with played(scenario(pace.line, pace.baud), tmp_path, monkeypatch) as plant:
        technician = Technician(plant, capsys, pace.new)
        for number in range(pace.new + 1, 6):
            plant.keypad(f"m{number}", unit=number)
        monkeypatch.setattr("drivers.dialogue._line", technician.typed)
        began = time.monotonic()
        _one_by_one(plant, technician, capsys, pace)
        _all_together(plant, capsys, pace)
        for number in range(1, 6):
            technician.connected, technician.heard = number, ""
            _commissioned(plant, technician, capsys, folder, number, pace)
        took = time.monotonic() - began
        assert {function for _, _, function in plant.asked} <= READS
    _checked(folder, state, capsys)
    return took


def _one_by_one(plant: Plant, technician: Technician, capsys: pytest.CaptureFixture[str], pace: Pace) -> None:
    code = main(("scan", plant.end("usb"), "--one-by-one", "--baud", str(pace.line), *pace.words, "--json"))
    told = json.loads(capsys.readouterr().out)
    assert code == 0, technician.heard
    assert sorted(one["unit"] for one in told["found"]) == list(range(1, pace.new + 1))
    assert [one["candidates"][0]["profile"] for one in told["found"]] == list(MAKERS)[: pace.new]


def _all_together(plant: Plant, capsys: pytest.CaptureFixture[str], pace: Pace) -> None:
    for number in range(1, 6):
        plant.plug(f"m{number}", True)
    code = main(("scan", plant.end("usb"), "--baud", str(pace.line), "--expect", "5", *pace.words, "--json"))
    told = json.loads(capsys.readouterr().out)
    assert (code, told["faults"]) == (0, [])
    found = {one["unit"]: one["candidates"][0]["profile"] for one in told["found"]}
    assert found == {plant.meter(f"m{n}").spec.unit: profile for n, profile in enumerate(MAKERS, start=1)}


def _commissioned(
    plant: Plant, technician: Technician, capsys: pytest.CaptureFixture[str], folder: Path, number: int, pace: Pace
) -> None:
    unit = plant.meter(f"m{number}").spec.unit
    where = (plant.end("usb"), "--unit", str(unit), "--baud", str(pace.line), "--dir", str(folder))
    code = main(
        (
            "commission",
            *where,
            "--who",
            "Tran B",
            "--point",
            f"M-{number}",
            "--name",
            f"machine-{number}",
            "--every",
            "30",
        )
    )
    told = capsys.readouterr()
    assert code == 0, technician.heard + told.err + told.out


def _checked(folder: Path, state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was written is what a person would have: the agent starts with it."""
    text = (folder / "site.yaml").read_text()
    assert "# a person looks after it" in text
    assert "# what the tool finds comes here" in text
    found = wiring.load(text, "site.yaml", profiles.library()).value
    assert [(meter.id, meter.profile) for meter in found.meters] == [
        (f"machine-{n}", profile) for n, profile in enumerate(MAKERS, start=1)
    ]
    records = [commissioning.decode(path.read_bytes()) for path in sorted((folder / "spool").glob("*.json"))]
    assert [record.details["decode"] for record in records] == ["proved"] * 5
    assert [record.details["installation"] for record in records] == ["proved"] * 5
    (folder.parent / "init").mkdir()
    agent_cli.main(
        [
            "init",
            "--dir",
            str(folder.parent / "init"),
            "--state",
            str(state),
            "--site",
            "demo-factory",
            "--org",
            "example",
        ]
    )
    capsys.readouterr()
    code = agent_cli.main(["check", "--dir", str(folder), "--state", str(state)])
    told = capsys.readouterr()
    assert code == 0, told.err + told.out


@pytest.mark.timeout(300)
def test_five_makers_on_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commission_decode, "LEAST_PAUSE", 0.1)
    monkeypatch.setattr(scan_verdict, "IDENTITY_READS", 5)
    monkeypatch.setattr(wiring.RtuLine, "lateness", property(lambda _: 100))
    words = ("--listen", "0.1", "--timeout", "100")
    day(tmp_path, monkeypatch, capsys, Pace(115_200, 115_200, words, new=2))


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_five_makers_with_factory_settings_and_real_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    took = day(tmp_path, monkeypatch, capsys, Pace(9600, None, ()))
    assert took < MOST_SECONDS
