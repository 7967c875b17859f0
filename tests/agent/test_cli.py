"""The commands as a technician or a script meets them: output, exit codes, faults as what / where / next."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import FakeBus, FakeClock
from gateway import Gateway, running, write

from agent import keys
from agent.cli import main, parser
from agent.lock import locked
from drivers.errors import NoReply
from mrv.errors import fault
from mrv.messages import next_step, what

COMMANDS = ("init", "check", "run", "status", "backlog")


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = main(words)
    told = capsys.readouterr()
    return code, told.out, told.err


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert ended.value.code == 0
    assert f"example:\n  mrv-agent {command}" in capsys.readouterr().out
    assert "exit codes:" in parser().format_help()


def test_init_then_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = str(tmp_path / "d")
    code, said, _ = run(capsys, "init", "--dir", folder, "--site", "here", "--org", "example.vn", "--json")
    assert code == 0
    vkey = json.loads(said)["vkey"]
    binding = tmp_path / "binding.json"
    code, said, _ = run(capsys, "check", "--dir", folder, "--binding-out", str(binding), "--json")
    assert code == 0
    checked = json.loads(said)
    assert (checked["vkey"], checked["origin"], checked["site"]) == (vkey, "example.vn/mrv/here/k1", "here")
    assert [note["code"] for note in checked["notes"]] == ["agent.example_cosigner"]
    assert json.loads(binding.read_bytes())["site"] == "here"
    code, said, _ = run(capsys, "check", "--dir", folder)
    assert code == 0
    assert vkey in said


def test_check_forecasts_each_line_and_refuses_one_that_cannot_keep_its_interval(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path)
    keys.make(ready(tmp_path), "example/mrv/demo-factory/k1")
    code, said, _ = run(capsys, "check", "--dir", str(tmp_path), "--json")
    assert code == 0
    (line,) = json.loads(said)["lines"]
    assert (line["line"], line["meters"], line["interval"]) == ("line", 3, 10_000)
    assert 0 < line["cycle"] < line["worst"] < line["interval"]
    assert "with one silent" in run(capsys, "check", "--dir", str(tmp_path))[1]
    site = (tmp_path / "site.yaml").read_text()
    serial = "kind: rtu, id: line, port: /dev/ttyUSB0, baud: 1200"
    (tmp_path / "site.yaml").write_text(site.replace("kind: tcp, id: line, host: 127.0.0.1, port: 9", serial))
    code, said, _ = run(capsys, "check", "--dir", str(tmp_path), "--json")
    assert code == 0, "ten seconds are enough at 1200 baud"
    write(tmp_path, every=5)
    (tmp_path / "site.yaml").write_text(
        (tmp_path / "site.yaml").read_text().replace("kind: tcp, id: line, host: 127.0.0.1, port: 9", serial)
    )
    code, said, _ = run(capsys, "check", "--dir", str(tmp_path), "--json")
    assert code == 2
    (refused,) = json.loads(said)["faults"]
    assert refused["code"] == "meter.line_overbooked"
    assert re.fullmatch(r"site.yaml:\d+ buses\[0\]", refused["where"])
    assert (refused["params"]["baud"], refused["params"]["interval"]) == ("2400", "5000")


def ready(folder: Path) -> Path:
    state = folder / "state"
    state.mkdir()
    return state


def test_init_overwrites_nothing_unless_told_and_never_the_key(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    words = ("init", "--dir", str(tmp_path), "--site", "here", "--org", "example")
    assert run(capsys, *words)[0] == 0
    key = (tmp_path / "state" / "key").read_bytes()
    code, _, err = run(capsys, *words)
    assert code == 3
    assert err.count("-> edit it") == 2
    (tmp_path / "site.yaml").write_text("gone")
    assert run(capsys, *words, "--force")[0] == 0
    assert (tmp_path / "state" / "key").read_bytes() == key
    assert (tmp_path / "site.yaml").read_text().startswith("# The wiring")


def test_bad_names_are_told_both_at_once(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "init", "--dir", str(tmp_path / "x"), "--site", "Here!", "--org", "no spaces")
    assert code == 2
    assert "--site: " in err
    assert "--org: " in err
    assert not (tmp_path / "x").exists()


def test_check_tells_every_fault_for_people_and_for_scripts(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path, **{"unit: 3": "unit: 300", "  port: 9": "  prot: 9"})
    code, _, err = run(capsys, "check", "--dir", str(tmp_path), "--lang", "en")
    assert code == 2
    assert re.search(r"^site.yaml:6 collector.prot: .+\n  -> .+", err, flags=re.M)
    assert re.search(r"^site.yaml:\d+ meters\[1\].unit: .+\n  -> .+", err, flags=re.M)
    code, said, _ = run(capsys, "check", "--dir", str(tmp_path), "--json")
    assert code == 2
    assert {f["code"] for f in json.loads(said)["faults"]} == {"config.misspelt", "config.out_of_range"}


def test_check_says_that_a_clock_is_vouched_for_in_vain(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Such a site runs for months and nothing of it is ever admitted."""
    write(tmp_path, sync="assumed")
    (tmp_path / "state").mkdir()
    keys.make(tmp_path / "state", "example/mrv/demo-factory/k1")
    code, said, _ = run(capsys, "check", "--dir", str(tmp_path), "--json")
    assert code == 0
    assert "agent.clock_never_accepted" in {note["code"] for note in json.loads(said)["notes"]}
    write(tmp_path, sync="assumed", clock="[S, R, I]")
    said = run(capsys, "check", "--dir", str(tmp_path), "--json")[1]
    assert "agent.clock_never_accepted" not in {note["code"] for note in json.loads(said)["notes"]}


def test_check_without_a_key_is_refused_as_run_would_be(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path)
    for command in ("check", "run"):
        (tmp_path / "state").mkdir(exist_ok=True)
        code, _, err = run(capsys, command, "--dir", str(tmp_path))
        assert code == 3
        assert "there is no key" in err


def test_messages_follow_the_language(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "vi_VN.UTF-8")
    assert "agent chưa chạy ở đây" in run(capsys, "status", "--dir", str(tmp_path))[2]
    assert "the agent has not run here yet" in run(capsys, "status", "--dir", str(tmp_path), "--lang", "en")[2]


async def test_status_and_backlog_of_a_site_that_ran(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path)
    clock = FakeClock()
    async with running(tmp_path, clock) as gateway:
        await gateway.pass_time(130.5)
    code, said, _ = run(capsys, "status", "--dir", str(tmp_path), "--json")
    status = json.loads(said)
    assert code == 0
    assert (status["state"], status["seq"], status["site"]) == ("stopped", 1, "demo-factory")
    assert set(status["meters"]) == {"pv-main", "pv-inverter", "chiller-1"}
    code, said, _ = run(capsys, "status", "--dir", str(tmp_path))
    assert "pv-main\t2026-01-01 00:02:10Z\t" in said
    code, said, _ = run(capsys, "backlog", "--dir", str(tmp_path), "--json")
    backlog = json.loads(said)
    assert code == 0
    assert backlog["size"] == backlog["signed"] > 40
    assert (backlog["received"], backlog["waiting"]) == (0, 3)
    assert "3 checkpoints wait" in run(capsys, "backlog", "--dir", str(tmp_path))[1]


async def test_status_shows_a_failing_meter_and_says_so_with_its_exit_code(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    write(tmp_path)
    clock = FakeClock()
    async with running(tmp_path, clock, FakeBus(clock, dead={3: NoReply})) as gateway:
        await gateway.pass_time(32)
    code, said, _ = run(capsys, "status", "--dir", str(tmp_path))
    assert code == 1
    assert re.search(r"^pv-inverter\tnever\t0\t.+ \(4\)$", said, flags=re.M)
    assert said.count("  -> ") == 1, "one meter asks for somebody, and it is said what to do"
    assert re.search(
        r"^pv-inverter: the meter does not answer\n  -> check its power, its unit number", said, flags=re.M
    )
    _, vietnamese, _ = run(capsys, "status", "--dir", str(tmp_path), "--lang", "vi")
    shared = [line for line in vietnamese.splitlines() if line.strip() and line in said.splitlines()]
    assert shared == [], "all of it is said in Vietnamese"


async def test_status_notices_that_the_daemon_is_gone(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    write(tmp_path)
    gateway = Gateway(tmp_path, FakeClock())
    await gateway.start()
    await gateway.pass_time(25)
    gateway.daemon._write_status()
    with locked(tmp_path / "state"):
        assert run(capsys, "status", "--dir", str(tmp_path))[0] == 0
    await gateway.crash()
    code, said, _ = run(capsys, "status", "--dir", str(tmp_path), "--json")
    assert code == 1
    assert json.loads(said)["state"] == "died"
    assert [alarm["code"] for alarm in json.loads(said)["alarms"]] == ["agent.not_running"]


async def test_status_notices_that_the_daemon_is_silent(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A disk that takes nothing leaves the last good news standing."""
    write(tmp_path)
    async with running(tmp_path, FakeClock()) as gateway:
        await gateway.pass_time(25)
        gateway.daemon._write_status()
        long_ago = time.time() - 31
        os.utime(tmp_path / "state" / "status.json", (long_ago, long_ago))
        with locked(tmp_path / "state"):
            code, said, _ = run(capsys, "status", "--dir", str(tmp_path), "--json")
    assert code == 1
    assert json.loads(said)["state"] == "silent"
    assert [alarm["code"] for alarm in json.loads(said)["alarms"]] == ["agent.status_old"]


def test_every_code_of_the_agent_has_a_text_and_a_next_step(root: Path) -> None:
    sources = [*(root / "agent").rglob("*.py"), *(root / "link").rglob("*.py")]
    codes = {code for path in sources for code in re.findall(r'"((?:agent|link)\.[a-z_]+)"', path.read_text())}
    assert len(codes) > 25
    for code in codes:
        assert what(fault(code)) != code, code
        assert next_step(fault(code)), code


def test_run_loads_no_simulator_terminal_or_office(tmp_path: Path) -> None:
    """What the gateway never needs is not in its memory."""
    code = (
        "import sys; from agent import cli, daemon; import agent.commands.run\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules} "
        "| {name for name in sys.modules if name.startswith('drivers.')}))"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert "agent" in loaded
    unwanted = {"rich", "collector", "verify", "amqtt", "demo", "drivers.simulator", "drivers.site_edit", "pytest"}
    assert not unwanted & set(loaded)
