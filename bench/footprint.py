"""`python -m bench.footprint [--seconds 120] [--json FILE]`: what the agent costs a gateway, measured from outside.

The load site (20 SDM630, 8 quantities each, every second) with an office that sends receipts, so that all of the
agent's work is in the figures. Processor time and memory are the kernel's word on the agent's process alone; bytes are
counted in its log after it has stopped. Run it alone on a machine.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import sys
import tempfile
import time
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

from demo.ends import Gateway, Office
from demo.layout import free_port
from demo.processes import Processes
from mrv.log import bundle

SITE, ORG = "bench-load", "bench.example"
QUANTITIES = 8
#: Seconds between the first receipt and the first measurement: imports, connections and first closes are behind us.
SETTLE = 10
KIB = 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=120)
    parser.add_argument("--meters", type=int, default=20)
    parser.add_argument("--period", type=int, default=60)
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mrv-footprint-") as folder:
        figures = measure(Path(folder), options.meters, options.seconds, options.period)
    show(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")
    return 0


def measure(root: Path, meters: int, seconds: int, period: int) -> dict[str, Any]:
    """Run the load site for `seconds` and give the figures."""
    log = root / "commands.log"
    gateway, office = Gateway(root / "site", log), Office(root / "office", log)
    site, broker = gateway.folder, free_port()
    with Processes(root) as processes:
        simulator = [sys.executable, "-m", "drivers.simulator", "--plant", "load", "--meters", str(meters)]
        ready = processes.first_line(processes.start("simulator", simulator), 20)
        cosigner = office.init(ORG)
        gateway.init(SITE, ORG)
        (site / "site.yaml").write_text(wiring(ready, broker, cosigner))
        (site / "plan.yaml").write_text(plan(ready, period))
        office.enroll(SITE, gateway.check(root / "binding.json"), site / "plan.yaml", root / "binding.json")
        processes.start("collector", office.serve(broker))
        agent = processes.start("agent", gateway.serve)
        while not office.held(SITE):
            processes.check()
            time.sleep(1)
        time.sleep(SETTLE)
        before = sample(agent.process.pid, site)
        time.sleep(seconds)
        processes.check()
        after = sample(agent.process.pid, site)
        processes.stop("agent")
    return figures(before, after, meters, seconds, site)


def sample(pid: int, site: Path) -> dict[str, float]:
    """Processor seconds, resident memory in KiB and readings so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return {
        "cpu": (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"),
        "resident": int(status["VmRSS"].split()[0]),
        "peak": int(status["VmHWM"].split()[0]),
        "threads": int(status["Threads"]),
        "readings": log_rows(site)[0],
    }


def log_rows(site: Path) -> tuple[int, int]:
    """Readings in the agent's log and the bytes of their leaves."""
    file = site / "state" / "log.sqlite"
    if not file.exists():
        return 0, 0
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        bodies = "SELECT count(*), coalesce(sum(length(body)), 0) FROM leaf WHERE instr(body, ?)"
        count, size = connection.execute(bodies, (b'"k":"reading"',)).fetchone()
    return count, size


def sent(site: Path) -> int:
    """Bytes of all bundles this log makes: leaves between two checkpoints, packed as they are sent."""
    with closing(sqlite3.connect(f"file:{site}/state/log.sqlite?mode=ro", uri=True)) as connection:
        notes = dict(connection.execute("SELECT size, note FROM checkpoint ORDER BY size"))
        leaves = [body for (body,) in connection.execute("SELECT body FROM leaf ORDER BY idx")]
    return sum(
        len(
            bundle.pack(
                bundle.Bundle(old=old, receipt=notes.get(old), checkpoint=notes[new], leaves=tuple(leaves[old:new]))
            )
        )
        for old, new in pairwise([0, *notes])
    )


def figures(before: dict[str, float], after: dict[str, float], meters: int, seconds: int, site: Path) -> dict[str, Any]:
    count, leaf_bytes = log_rows(site)
    read = after["readings"] - before["readings"]
    cpu = after["cpu"] - before["cpu"]
    return {
        "meters": meters,
        "quantities": QUANTITIES,
        "seconds": seconds,
        "readings": int(read),
        "readings_expected": meters * seconds,
        "resident_mib": round(after["resident"] / KIB, 1),
        "peak_mib": round(after["peak"] / KIB, 1),
        "threads": int(after["threads"]),
        "cpu_ms_per_reading": round(1000 * cpu / read, 3),
        "cpu_percent_of_one_core": round(100 * cpu / seconds, 1),
        "bytes_per_reading_leaf": round(leaf_bytes / count),
        "bytes_per_reading_on_disk": round(sum(f.stat().st_size for f in site.glob("state/log.sqlite*")) / count),
        "bytes_per_reading_compressed": round(sent(site) / count, 1),
        "python": sys.version.split()[0],
        "machine": f"{os.uname().machine}, {os.cpu_count()} cores",
    }


def show(found: dict[str, Any]) -> None:
    for name, value in found.items():
        print(f"{name.replace('_', ' '):<32}{value:>12}" if not isinstance(value, str) else f"{name:<32}{value}")


def wiring(ready: dict[str, Any], broker: int, key: str) -> str:
    """site.yaml of the load site."""
    buses = "".join(
        f"  - {{id: {name}, kind: tcp, host: 127.0.0.1, port: {at['port']}}}\n" for name, at in ready["buses"].items()
    )
    devices = "".join(
        f"  - {{id: {device['name']}, point: P-{device['name']}, bus: {device['bus']}, unit: {device['unit']}, "
        f"profile: {device['profile']}, every: 1}}\n"
        for device in ready["devices"]
    )
    collector = f"collector: {{host: 127.0.0.1, port: {broker}, cosigners: ['{key}']}}\nclock: {{sync: assumed}}\n"
    return f"site: {SITE}\norg: {ORG}\n{collector}buses:\n{buses}meters:\n{devices}"


def plan(ready: dict[str, Any], period: int) -> str:
    """A plan that credits every meter of the load site as equipment of one project; all its values are inputs."""
    names = [device["name"] for device in ready["devices"]]
    points = "".join(f"  - {{id: P-{name}, scope: load of {name}, evidence: meter}}\n" for name in names)
    provenance = "{document: BENCHMARK INPUT not for submission, date: 2026-01-01, locator: none}"
    items = "".join(
        f"      - id: {name}\n"
        f"        ex_ante: {{EF_RE: {{value: 0.3, unit: tCO2/MWh, provenance: {provenance}}}}}\n"
        f"        monitored: {{EG: {{plus: [{{point: P-{name}, register: active_energy_import}}]}}}}\n"
        for name in names
    )
    return (
        f"site: {SITE}\ntimezone: Asia/Ho_Chi_Minh\nperiod: {period}\nclock: [I, S, R]\npoints:\n{points}"
        f"projects:\n  - id: load\n    title: Benchmark load\n    methodology: VN_AM007_ver01.0\n    items:\n{items}"
    )


if __name__ == "__main__":
    raise SystemExit(main())
