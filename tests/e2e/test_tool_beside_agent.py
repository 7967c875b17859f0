"""The tool on a line that a running agent polls: who has it when, what the log says meanwhile, and who goes on after.

Real processes on a serial port, through a serial server and on Modbus TCP. The recorder on each line would show two
questions that ran into each other as bytes that are no request, and a number of another meter as a wrong reading.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from floor import METERS, Floor, floor, now, until

pytestmark = pytest.mark.slow
MAINTENANCE = "maintenance"
#: Reasons a hole may have: the line was lent, or a busy machine was too slow. Two voices at once would be `garbled`.
HOLES = {MAINTENANCE, "timeout", "late", "quarantined"}


@pytest.fixture
def made(tmp_path: Path) -> Iterator[Floor]:
    with floor(tmp_path) as found:
        found.wired()
        found.agent.start()
        reads(found, 0)
        yield found
        assert found.all_true()
        found.asked()  # fails for bytes that are no whole request


def reads(made: Floor, after: int, *names: str) -> None:
    """The agent reads all meters (or these) again, by itself."""
    until(lambda: all(made.readings(name, after) > 1 for name in names or METERS), 60, made.agent.said)


def on(line: str) -> set[str]:
    return {name for name, (theirs, _, _) in METERS.items() if theirs == line}


def held(made: Floor, line: str) -> subprocess.Popen[str]:
    """A technician who watches the first meter of this line until he is stopped; he has seen it once."""
    name = min(on(line))
    process = made.start("mrv-meter", "watch", "--dir", "site", "--meter", name, "--every", "1", "--json")
    assert process.stdout
    look = json.loads(process.stdout.readline())
    assert float(look["values"]["active_energy_import"]) == METERS[name][2]
    return process


@pytest.mark.parametrize("line", ["usb", "box", "lan"])
def test_a_tool_borrows_the_line_and_gives_it_back(made: Floor, line: str) -> None:
    began = now()
    watching = held(made, line)
    until(lambda: {name for name, why in made.gaps(began) if why == MAINTENANCE} == on(line), 30, made.agent.said)
    reads(made, began, *(METERS.keys() - on(line)))
    states = _states(made)
    assert {name for name, state in states.items() if state == MAINTENANCE} == on(line)
    watching.send_signal(signal.SIGINT)
    assert watching.wait(20) == 0
    ended = now()
    reads(made, ended)
    assert {why for _, why in made.gaps(began)} <= HOLES


def _states(made: Floor) -> dict[str, str]:
    """What `mrv-agent status` says of each meter while the line is lent, which is nothing to be alarmed about."""
    found: dict[str, str] = {}

    def told() -> bool:
        _, out, _ = made.run("mrv-agent", "status", "--dir", "site", "--state", "state", "--json")
        status = json.loads(out)
        found.update({name: meter.get("state", "") for name, meter in status["meters"].items()})
        codes = {alarm["code"] for alarm in status["alarms"]}
        assert not {code for code in codes if code.startswith("meter.")}, codes
        return MAINTENANCE in found.values()

    until(told, 30, lambda: found)
    return found


def test_probe_and_commission_beside_it(made: Floor) -> None:
    """Short visits: each gets its turn, says the meter's own number, and the agent has at most a hole for it."""
    began = now()
    for line, end in made.ends.items():
        name = min(on(line))
        code, out, err = made.tool("probe", *end, "--seconds", "0.5", "--json")
        assert code == 0, out + err
        assert float(json.loads(out)["values"]["active_energy_import"]["value"]) == METERS[name][2]
    made.wired(*(METERS.keys() - {"machine-2"}))
    code, out, err = made.commission("machine-2")
    assert code == 1, out + err
    assert "machine-2" in (made.site / "site.yaml").read_text()
    reads(made, now())
    assert {why for _, why in made.gaps(began)} <= HOLES


def test_two_tools_at_once_and_one_that_is_killed(made: Floor) -> None:
    watching = held(made, "usb")
    code, out, err = made.tool("probe", "--dir", "site", "--meter", "machine-2")
    assert (code, out) == (3, "")
    assert re.search(rf"another tool is using this line \(process {watching.pid}\)", err), err
    code, _, err = made.tool("scan", *made.ends["usb"], "--listen", "0.1", "--lang", "vi")
    assert code == 3
    assert f"tiến trình {watching.pid}" in err
    watching.kill()
    watching.wait()
    reads(made, now())


def test_an_agent_that_does_not_let_go(made: Floor) -> None:
    """It hangs (frozen by the kernel, a dead disk): the tool waits, says for whom, and gives up with what to do."""
    made.agent.signal(signal.SIGSTOP)
    made.asked()
    code, out, err = made.tool("probe", "--dir", "site", "--meter", "machine-1")
    asked = made.asked()
    made.agent.signal(signal.SIGCONT)
    assert (code, out) == (3, "")
    waits, _, refusal = err.partition("machine-1" if "machine-1" in err else "did not let go")
    assert f"the line is in use (process {made.agent.pid}); waiting for it, at most 60 s" in " ".join(waits.split())
    assert refusal
    assert f"`ps -fp {made.agent.pid}`" in err
    assert set(asked["usb"]) == set(), "nothing is sent on a line that was not lent"
    reads(made, now())


def test_an_agent_that_is_started_beside_a_tool(made: Floor) -> None:
    """It does not fail and does not ask: it waits its turn and says why."""
    assert made.agent.stop() == 0
    watching = held(made, "usb")
    began = now()
    made.agent.start()
    reads(made, began, *(METERS.keys() - on("usb")))
    until(lambda: {name for name, why in made.gaps(began) if why == MAINTENANCE} == on("usb"), 30, made.agent.said)
    watching.send_signal(signal.SIGINT)
    watching.wait(20)
    reads(made, now())
