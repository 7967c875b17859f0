"""A factory floor as real processes: simulated meters on three kinds of line, a recorder on each, a site, an agent.

with floor(tmp_path) as made:
    made.tool("probe", made.ends["usb"], "--unit", "1")     `mrv-meter` as a process: (exit code, stdout, stderr)
    made.wired()                                            all five meters in site.yaml
    made.agent.start()
    made.leaves()                                           what its log holds

No power flows, so every counter stands where it began, at a number of its own: a reading that shows another number than
its meter's is wrong, whenever it was made.
"""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from programs import Program
from wiretap import PtyTap, TcpTap, functions_of_rtu, functions_of_tcp

from mrv import leaf
from mrv.reading import Gap, Reading
from tests.tool.test_newcomer import SITE
from tests.tool.test_newcomer import site as site_folder

BIN = Path(sys.executable).parent
BAUD = "19200"
#: Seconds between readings: what the serial lines can keep with one meter silent.
EVERY = 3
SCENARIO = """
what: five meters on three lines at which nothing flows
lines:
  - {id: usb, kind: rtu, baud: 19200}
  - {id: box, kind: rtu-over-tcp, baud: 19200, clients: 8}
  - {id: lan, kind: tcp, clients: 8}
meters:
"""
#: name -> line, unit, where its counter stands (kWh)
METERS = {
    "machine-1": ("usb", 1, 1001),
    "machine-2": ("usb", 2, 2002),
    "machine-3": ("box", 1, 3003),
    "machine-4": ("lan", 1, 4004),
    "machine-5": ("lan", 2, 5005),
}
ENERGY = "1.8.0"


def until(condition: Callable[[], object], timeout: float, why: Callable[[], object] = lambda: "") -> None:
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"did not happen within {timeout} s: {why()}"
        time.sleep(0.05)


@dataclass
class Floor:
    """`ends`: what a technician types for each line."""

    folder: Path
    taps: dict[str, TcpTap | PtyTap]
    ends: dict[str, tuple[str, ...]]
    agent: Program
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def site(self) -> Path:
        return self.folder / "site"

    @property
    def state(self) -> Path:
        return self.folder / "state"

    # -- programs ---------------------------------------------------------------------------------------------

    def start(self, program: str, *words: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [BIN / program, *words],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.running.append(process)
        return process

    def run(self, program: str, *words: str, typed: str = "", timeout: float = 120) -> tuple[int, str, str]:
        process = self.start(program, *words)
        out, err = process.communicate(typed, timeout)
        return process.returncode, out, err

    def tool(self, *words: str, typed: str = "") -> tuple[int, str, str]:
        return self.run("mrv-meter", *words, typed=typed)

    def close(self) -> None:
        for process in self.running:
            if process.poll() is None:
                process.kill()
            with process:  # closes its pipes
                pass

    # -- the site ---------------------------------------------------------------------------------------------

    def commission(self, name: str, *more: str) -> tuple[int, str, str]:
        line, unit, kwh = METERS[name]
        answers = {
            "line": line,
            "display.active_energy_import": str(kwh),
            "write": "y",
            "nameplate": "",
            "every": str(EVERY),
        }
        answers |= {"clamp.L1": "", "clamp.L2": "", "clamp.L3": "", "direction": ""}
        words = [word for key, value in answers.items() for word in ("--answer", f"{key}={value}")]
        who = ("--who", "Tran B", "--point", name.replace("machine", "M"), "--name", name, "--dir", "site")
        return self.tool(
            "commission", *self.ends[line], "--unit", str(unit), "--profile", "eastron_sdm630", *who, *words, *more
        )

    def wired(self, *names: str) -> None:
        """These meters in site.yaml (default: all), as if they had been commissioned."""
        path = self.site / "site.yaml"
        lines = [
            f"  - {{id: usb, kind: rtu, port: {self.ends['usb'][0]}, baud: {BAUD}}}",
            f"  - {{id: box, kind: rtu-over-tcp, host: 127.0.0.1, port: {self._port('box')}, baud: {BAUD}}}",
            f"  - {{id: lan, kind: tcp, host: 127.0.0.1, port: {self._port('lan')}}}",
        ]
        meters = [
            f"  - {{id: {name}, point: {name.replace('machine', 'M')}, bus: {line}, unit: {unit}, "
            f"profile: eastron_sdm630, every: {EVERY}}}"
            for name, (line, unit, _) in METERS.items()
            if name in (names or METERS)
        ]
        text = SITE
        for section, entries in (("buses", lines), ("meters", meters)):
            text = re.sub(rf"^{section}: \[\].*$", "\n".join((f"{section}:", *entries)), text, flags=re.MULTILINE)
        path.write_text(text)

    def _port(self, line: str) -> str:
        return self.ends[line][0].partition(":")[2]

    def leaves(self) -> list[Reading | Gap]:
        """What the agent has written down so far, in order."""
        path = self.state / "log.sqlite"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            try:
                rows = database.execute("SELECT body FROM leaf ORDER BY idx").fetchall()
            except sqlite3.OperationalError:  # it is being made
                return []
        return [one for one in (leaf.decode(row[0]) for row in rows) if isinstance(one, Reading | Gap)]

    def of(self, name: str, after: int = 0) -> list[Reading | Gap]:
        """The leaves of one meter since UTC ms `after`."""
        return [one for one in self.leaves() if one.meter == name and one.ts > after]

    def readings(self, name: str, after: int = 0) -> int:
        return sum(isinstance(one, Reading) for one in self.of(name, after))

    def gaps(self, after: int = 0) -> set[tuple[str, str]]:
        """(meter, reason) of every slot that has no reading."""
        return {(one.meter, str(one.why)) for one in self.leaves() if isinstance(one, Gap) and one.ts > after}

    def all_true(self) -> bool:
        """Whether every reading there is shows its own meter's number."""
        shown = {(one.meter, one.registers[ENERGY]) for one in self.leaves() if isinstance(one, Reading)}
        return all(float(number) == METERS[name][2] for name, number in shown)

    # -- the wire ---------------------------------------------------------------------------------------------

    def asked(self) -> dict[str, list[int]]:
        """The function codes on each line since last asked; fails for a byte that belongs to no whole request."""
        return {
            name: [
                function
                for stream in tap.taken()
                for function in (functions_of_tcp if name == "lan" else functions_of_rtu)(stream)
            ]
            for name, tap in self.taps.items()
        }


def now() -> int:
    """UTC ms."""
    return time.time_ns() // 1_000_000


@contextmanager
def floor(folder: Path) -> Iterator[Floor]:
    text = SCENARIO + "".join(
        f"  - {{id: {name}, line: {line}, unit: {unit}, profile: eastron_sdm630, load: {{watts: 0}}, opening: {kwh}}}\n"
        for name, (line, unit, kwh) in METERS.items()
    )
    (folder / "scenario.yaml").write_text(text)
    (folder / "ports").mkdir()
    site_folder(folder / "site")
    words = ["simulate", str(folder / "scenario.yaml"), "--json", "--links", str(folder / "ports")]
    simulator = Program("simulator", [str(BIN / "mrv-meter"), *words], folder / "simulator.log")
    agent = ["run", "--dir", str(folder / "site"), "--state", str(folder / "state")]
    with ExitStack() as stack:
        stack.callback(simulator.close)
        simulator.start()
        until(lambda: simulator.log.read_text().count('"listens"') == 3, 20, simulator.said)
        where = {event["line"]: event for event in map(json.loads, simulator.log.read_text().splitlines())}
        taps: dict[str, TcpTap | PtyTap] = {name: TcpTap(where[name]["port"]) for name in ("box", "lan")}
        taps["usb"] = PtyTap(where["usb"]["path"], folder / "ports" / "adapter")
        for tap in taps.values():
            stack.enter_context(tap)
        ends = {
            "usb": (str(folder / "ports" / "adapter"), "--baud", BAUD),
            "box": (f"127.0.0.1:{taps['box'].port}", "--rtu-over-tcp", "--baud", BAUD),  # type: ignore[union-attr]
            "lan": (f"127.0.0.1:{taps['lan'].port}",),  # type: ignore[union-attr]
        }
        program = Program("agent", [str(BIN / "mrv-agent"), *agent], folder / "agent.log")
        made = Floor(folder, taps, ends, program)
        stack.callback(made.close)
        stack.callback(program.close)
        code, out, err = made.run(
            "mrv-agent", "init", "--dir", "init", "--state", "state", "--site", "demo-factory", "--org", "example"
        )
        assert code == 0, out + err
        yield made
        assert simulator.running, simulator.said()
