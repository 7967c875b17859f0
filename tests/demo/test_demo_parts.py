"""The demo's own parts: its folder, its templates, what it prints, and that children never outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path

import pytest

from demo import ends, layout, view
from demo.errors import DemoError
from demo.processes import Processes, ask, run
from drivers import profiles, wiring
from drivers.simulator import sites
from drivers.simulator.plant import Clock
from mrv import plan
from mrv.messages import next_step, what
from mrv.period import zone
from mrv.plan import check_against
from mrv.reading import ClockState

VKEY = "demo.example/mrv/collector+0dfa8d52+BBYJjZGlkKi0pi9fvDaFYXb7yLFWzJ4fGhc3Ee5ONqOc"
PYTHON = sys.executable


def test_the_folder_is_made_and_an_earlier_one_wiped(tmp_path: Path) -> None:
    made = layout.prepare(tmp_path / "run")
    (made.logs / "old.log").write_text("old")
    again = layout.prepare(tmp_path / "run")
    assert list(again.logs.iterdir()) == []


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(DemoError) as refused:
        layout.prepare(tmp_path)
    assert refused.value.faults[0].code == "demo.folder_not_ours"
    assert (tmp_path / "thesis.txt").read_text() == "ten years"


def test_the_wiring_is_the_simulated_plant(root: Path) -> None:
    text = layout.wiring({"a": 5020, "b": 5021}, 1883, VKEY)
    site = wiring.load(text, "site.yaml", profiles.library()).value
    lines = {line.id: line.port for line in site.buses}
    found = {(meter.id, lines[meter.bus], meter.unit, meter.profile, meter.base) for meter in site.meters}
    ports = {"a": 5020, "b": 5021}
    assert found == {
        (device.name, ports[device.bus], device.unit, device.profile, device.settings.base)
        for device in sites.demo(Clock()).devices
    }
    adjusted = layout.adjusted((root / "config" / "plan.yaml").read_text(), 10)
    monitoring = plan.load(adjusted, "plan.yaml").value
    assert monitoring.period == 10
    assert ClockState.INFORMATIVE in monitoring.clock
    assert check_against(monitoring, wiring.binding(site), profiles.library()) == ()


def test_a_plan_it_does_not_know_is_refused() -> None:
    with pytest.raises(DemoError):
        layout.adjusted("period: 900\nclock: kernel\n", 10)


ENTRY = {
    "index": 41,
    "from": 1_795_000_000_000,
    "to": 1_795_000_010_000,
    "expected": 30,
    "read": 30,
    "verdict": "quarantined",
    "reasons": [{"code": "audit.plan_not_approved", "what": "nobody approved this plan"}],
    "projects": [{"project": "pv", "reduction": "0.328020"}, {"project": "chiller", "reduction": None}],
    "usages": [
        {"meter": "pv-meter", "registers": {"2.8.0": {"used": "1.193"}, "1.8.0": {"used": "0.100"}}},
        {"meter": "chiller-meter", "registers": {}},
    ],
}


def test_energy_is_what_the_plan_credits(root: Path) -> None:
    site = wiring.load(layout.wiring({"a": 1, "b": 2}, 3, VKEY), "site.yaml", profiles.library()).value
    monitoring = plan.load((root / "config" / "plan.yaml").read_text(), "plan.yaml").value
    terms = ends.ledger(monitoring, wiring.binding(site))
    assert terms == {
        "pv": (("pv-meter", "2.8.0", 1), ("pv-meter", "1.8.0", -1)),
        "chiller": (("chiller-meter", "1.8.0", 1),),
    }
    period = ends.period_of(ENTRY, terms)
    assert [(share.project, share.energy, share.reduction) for share in period.shares] == [
        ("pv", Decimal("1.093"), Decimal("0.328020")),
        ("chiller", None, None),
    ]
    assert (period.index, period.admitted, period.reasons) == (41, False, ("nobody approved this plan",))


PERIOD = view.Period(
    index=80,
    start=1_795_000_000_000,
    end=1_795_000_010_000,
    shares=(
        view.Share(project="pv", energy=Decimal("1.0934"), reduction=Decimal("0.328020")),
        view.Share(project="chiller", energy=None, reduction=None),
    ),
    expected=30,
    read=29,
    verdict="admitted",
)


def test_a_line_stands_under_its_head() -> None:
    head = view.head(("pv", "chiller")).splitlines()
    line = view.line(PERIOD, view.Standing(log=120, receipt=90), zone("Asia/Ho_Chi_Minh"))
    bars = [place for place, sign in enumerate(line) if sign == "|"]
    assert bars == [place for place, sign in enumerate(head[0]) if sign == "|"]
    assert bars == [place for place, sign in enumerate(head[1]) if sign == "|"]
    assert " ".join(line.split()) == "18:06:40 - 18:06:50 | 1.093 0.328 | - - | 29/30 | 120 90 | admitted"


def test_a_refused_period_says_why_and_does_not_count() -> None:
    refused = view.Period(
        index=90, start=PERIOD.start, end=PERIOD.end, shares=PERIOD.shares, expected=30, read=3,
        verdict="quarantined", reasons=("coverage",),
    )  # fmt: skip
    assert view.line(refused, view.Standing(log=1, receipt=1), zone("Asia/Ho_Chi_Minh")).endswith(
        "quarantined (coverage)"
    )
    text = view.totals([PERIOD, PERIOD, refused], 2)
    assert "2 periods admitted, 2 of them full" in text
    assert "2.187 kWh" in text
    assert "not for submission" in text


def test_children_are_reaped_even_when_they_refuse_to_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("demo.processes.PATIENCE", 0.3)
    stubborn = (
        "import signal, subprocess, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)']);"
        "print('{\"child\": %d}' % child.pid, flush=True); time.sleep(60)"
    )
    with Processes(tmp_path) as processes:
        child = processes.start("stubborn", [PYTHON, "-c", stubborn])
        grandchild = processes.first_line(child, 10)["child"]
    assert child.process.returncode == -signal.SIGKILL
    assert gone(grandchild)


def gone(pid: int) -> bool:
    for _ in range(100):
        state = Path(f"/proc/{pid}/stat")
        if not state.exists() or state.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.02)
    return False


def test_a_child_that_ends_by_itself_is_named_with_its_log(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("agent", [PYTHON, "-c", "raise SystemExit(3)"])
        child.process.wait(10)
        with pytest.raises(DemoError) as ended:
            processes.check()
    found = ended.value.faults[0]
    assert (found.code, found.where, found.params["exit"]) == ("demo.child_ended", "agent", "3")
    assert "agent.log" in next_step(found)


def test_a_failed_command_says_what_it_said(tmp_path: Path) -> None:
    log = tmp_path / "commands.log"
    with pytest.raises(DemoError) as failed:
        run([PYTHON, "-c", "raise SystemExit('no such meter')"], log)
    assert "no such meter" in what(failed.value.faults[0])
    assert "no such meter" in log.read_text()
    assert ask([PYTHON, "-c", "print(7)"], log) == 7


def test_ctrl_c_on_the_terminal_does_not_reach_the_children(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("sleeper", ["sleep", "60"])
        assert os.getsid(child.process.pid) != os.getsid(0)
        assert processes.stop("sleeper") == -signal.SIGTERM


def test_help_shows_an_example() -> None:
    done = subprocess.run([PYTHON, "-m", "demo", "--help"], capture_output=True, text=True, timeout=30)
    assert done.returncode == 0
    assert "--for 60" in done.stdout
