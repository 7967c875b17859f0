"""A factory and its office as the real programs on a real mosquitto, and a judge of both databases at any moment.

with world(tmp_path) as made:         # simulator, mosquitto, collector, agent; a period of two seconds
    made.agent.kill()                 # as from a power cut
    made.check_world()                # holds after every step, whatever runs or not
    made.agent.start()
    made.finish()                     # drained, equal, admitted, exported, verified
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brokers import Mosquitto, free_port
from programs import Program

from demo.ends import Gateway, Office, audit
from demo.layout import ORG, SITE, adjusted, wiring
from demo.processes import script
from mrv import leaf
from mrv.book import Book
from mrv.leaf import Config, Summary
from mrv.log.checkpoint import cosigned, open_checkpoint
from mrv.log.merkle import EMPTY, Frontier, leaf_hash
from mrv.log.note import VerifyKey
from mrv.period import first_slot
from mrv.reading import Gap, Reading

ORIGIN = f"{ORG}/mrv/{SITE}/k1"
#: ms between two slots of every meter in the demo's wiring.
EVERY_MS = 1000


def until(condition: Callable[[], object], timeout: float, why: Callable[[], object] = lambda: "") -> None:
    """Wait for `condition()`; fails with what `why()` says then."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, f"did not happen within {timeout} s: {why()}"
        time.sleep(0.05)


@dataclass(frozen=True, kw_only=True)
class Site:
    """What the gateway's database holds, of one instant."""

    leaves: list[bytes]
    head: Frontier
    checkpoints: dict[int, str]
    receipts: dict[int, str]

    @property
    def received(self) -> int:
        return max(self.receipts, default=0)


@dataclass(frozen=True, kw_only=True)
class Held:
    """What the office's database holds, of one instant.

    `verdicts`: (index, seq, admitted); `aside`: why arrivals were put out of the way.
    """

    leaves: list[bytes]
    notes: dict[int, str]
    verdicts: list[tuple[int, int, int]]
    alarms: set[str]
    aside: list[str]
    evidence: set[str]


class World:
    """All of it. `alarms`: codes the office may raise in this test; any other fails `check_world`."""

    def __init__(self, root: Path, *, period: int = 2, limit: int = 524288) -> None:
        self.root = root
        self.alarms: set[str] = set()
        self.broker = Mosquitto(root, free_port(), limit)
        self.gateway = Gateway(root / "site", root / "commands.log")
        self.office = Office(root / "office", root / "commands.log")
        self.simulator = self._program("simulator", [sys.executable, "-m", "drivers.simulator", "--speed", "60"])
        self.simulator.start()
        try:
            self.cosigner = self.office.init(ORG)
            self.gateway.init(SITE, ORG)
            self._configure(period)
        except BaseException:
            self.simulator.close()  # nobody has this world yet to close it, and the next test would be blamed
            raise
        serve = [script("mrv-collector"), "run", "--dir", str(self.office.folder)]
        self.collector = self._program("collector", [*serve, "--broker", f"127.0.0.1:{self.broker.port}"])
        self.agent = self._program("agent", self.gateway.serve)
        self._book = Book()
        self._seen: list[bytes] = []
        self._tree = EMPTY
        self._roots: dict[int, bytes] = {}
        self._kept: list[bytes] = []
        self._slots: Counter[tuple[str, int]] = Counter()
        self._summaries: list[tuple[int, Summary]] = []

    def _program(self, name: str, command: list[str]) -> Program:
        return Program(name, command, self.root / f"{name}.log")

    def _configure(self, period: int) -> None:
        until(lambda: "\n" in self.simulator.log.read_text(), 20, self.simulator.said)
        ready = json.loads(self.simulator.log.read_text().partition("\n")[0])
        ports = {name: bus["port"] for name, bus in ready["buses"].items()}
        # A simulator that is started again listens where the first one did.
        self.simulator.command += [word for name in ports for word in (f"--port-{name}", str(ports[name]))]
        (self.gateway.folder / "site.yaml").write_text(wiring(ports, self.broker.port, self.cosigner))
        plan = self.gateway.folder / "plan.yaml"
        text = adjusted(plan.read_text(), period)
        assert "min_coverage: 0.5" in text
        plan.write_text(text.replace("min_coverage: 0.5", "min_coverage: 0"))
        binding = self.root / "binding.json"
        self.vkey = self.gateway.check(binding)
        self.office.enroll(SITE, plan, binding, self.vkey)

    def start(self) -> None:
        """Everything, and wait for the first receipt."""
        self.broker.start()
        self.collector.start()
        self.agent.start()
        self.goes_on(leaves=1)

    def close(self) -> None:
        for program in (self.agent, self.collector, self.simulator):
            program.close()
        self.broker.stop()

    # -- looking ----------------------------------------------------------------------------------------------

    def site(self) -> Site:
        """What the site has on disk; nothing while its database is being made."""
        try:
            return self._site()
        except sqlite3.OperationalError:
            return Site(leaves=[], head=EMPTY, checkpoints={}, receipts={})

    def _site(self) -> Site:
        with closing(_opened(self.gateway.folder / "state" / "log.sqlite")) as database:
            database.execute("BEGIN")
            head = database.execute("SELECT frontier FROM head WHERE id = 0").fetchone()
            return Site(
                leaves=[row[0] for row in database.execute("SELECT body FROM leaf ORDER BY idx")],
                head=Frontier.decode(head[0]) if head else EMPTY,
                checkpoints=dict(database.execute("SELECT size, note FROM checkpoint")),
                receipts=dict(database.execute("SELECT size, note FROM receipt")),
            )

    def held(self) -> Held:
        with closing(_opened(self.office.folder / "collector.sqlite")) as database:
            database.execute("BEGIN")
            mine = "WHERE origin = ? ORDER BY"
            return Held(
                leaves=[row[0] for row in database.execute(f"SELECT body FROM leaves {mine} idx", [ORIGIN])],
                notes=dict(database.execute(f"SELECT size, note FROM checkpoints {mine} size", [ORIGIN])),
                verdicts=database.execute(f"SELECT idx, seq, admitted FROM verdicts {mine} idx", [ORIGIN]).fetchall(),
                alarms={row[0] for row in database.execute("SELECT code FROM alarms")},
                aside=[row[0] for row in database.execute("SELECT failed FROM inbox WHERE failed IS NOT NULL")],
                evidence={row[0] for row in database.execute("SELECT code FROM evidence")},
            )

    def received(self) -> int:
        """Leaves the site has a receipt for."""
        return self.site().received

    def status(self) -> dict[str, Any]:
        """`mrv-agent status --json`."""
        command = [script("mrv-agent"), "status", "--dir", str(self.gateway.folder), "--json"]
        found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, timeout=30).stdout)
        return found

    def site_alarms(self) -> set[str]:
        """Codes of the alarms that stand at the site; each with words on what is wrong and what to do."""
        alarms = self.status()["alarms"]
        for alarm in alarms:
            assert alarm["what"] not in ("", alarm["code"]), alarm
            assert alarm["next"] not in ("", f"{alarm['code']}.next"), alarm
        return {alarm["code"] for alarm in alarms}

    # -- judging ----------------------------------------------------------------------------------------------

    def check_world(self) -> None:
        """What must hold at every instant, whoever runs.

        Nothing durable ever changes at either end; the office holds the beginning of the site's log byte for byte;
        tree, checkpoints and receipts fit the leaves; no slot is covered twice; the judge finds nothing; summaries
        have dense numbers, follow each other and are admitted, each once; nothing was put aside.
        """
        received = self.received()
        held, site = self.held(), self.site()
        assert held.leaves[: len(self._kept)] == self._kept
        assert site.leaves[: len(self._seen)] == self._seen
        assert held.leaves == site.leaves[: len(held.leaves)]
        assert received <= len(held.leaves)
        assert len(held.leaves) == max(held.notes, default=0)
        self._fold(site)
        self._kept = held.leaves
        assert site.head == self._tree
        self._check_notes(site, held)
        self._check_verdicts(held)
        assert held.alarms <= self.alarms
        assert held.aside == []

    def _fold(self, site: Site) -> None:
        for index, data in enumerate(site.leaves[len(self._seen) :], len(self._seen)):
            self._tree = self._tree.append(leaf_hash(data))
            self._roots[self._tree.size] = self._tree.root()
            judgement = self._book.add(data)
            found = (*self._book.open_findings, *(judgement.findings if judgement else ()))
            assert not found, found
            self._cover(leaf.decode(data))
            if judgement is not None:
                self._follow(index, judgement.summary)
        self._seen = site.leaves

    def _cover(self, fact: object) -> None:
        """Count by hand which slots a leaf claims."""
        slots: range | tuple[int, ...] = ()
        if isinstance(fact, Reading) and fact.slot is not None:
            slots = (fact.slot,)
        elif isinstance(fact, Gap) and fact.start is not None and fact.end is not None:
            slots = range(fact.start, fact.end, EVERY_MS)
        if isinstance(fact, Reading | Gap):
            for slot in slots:
                self._slots[fact.meter, slot] += 1
                assert self._slots[fact.meter, slot] == 1, f"{fact.meter} covers {slot} twice"

    def _follow(self, index: int, summary: Summary) -> None:
        assert summary.seq == len(self._summaries)
        if self._summaries:
            assert summary.start == self._summaries[-1][1].end
        assert summary.expected == summary.read + summary.gap
        self._summaries.append((index, summary))

    def _check_notes(self, site: Site, held: Held) -> None:
        key, office = VerifyKey.parse(self.vkey), VerifyKey.parse(self.cosigner)
        for size, note in (*site.checkpoints.items(), *site.receipts.items(), *held.notes.items()):
            claim = open_checkpoint(note, key)
            assert (claim.size, claim.root) == (size, self._roots[size])
        for note in (*site.receipts.values(), *held.notes.values()):
            cosigned(note, (office,))
        assert set(site.receipts) <= set(site.checkpoints)

    def _check_verdicts(self, held: Held) -> None:
        known = [(index, summary.seq, 1) for index, summary in self._summaries]
        assert held.verdicts == known[: len(held.verdicts)]

    def goes_on(self, leaves: int = 10, timeout: float = 60) -> None:
        """The site gets receipts for so many leaves more than it has receipts for now."""
        wanted = self.received() + leaves
        until(lambda: self.received() >= wanted, timeout, lambda: self.agent.said() + self.collector.said())
        self.check_world()

    def finish(self) -> None:
        """Drain, stop in order, compare everything, export, and let the auditor's tool judge."""
        self.goes_on()
        until(lambda: not self.site_alarms(), 20, self.status)
        for _ in range(3):  # on a busy machine the last receipt may not come within the site's last seconds
            assert self.agent.stop() == 0
            if self.received() == len(self.site().leaves):
                break
            self.agent.start()
            self.goes_on()
        until(lambda: len(self.held().verdicts) == sum(b'"k":"summary"' in data for data in self.site().leaves), 20)
        assert self.collector.stop() == 0
        self.check_world()
        assert self._kept == self._seen
        assert self.received() == len(self._seen)
        assert len(self.held().verdicts) == len(self._summaries) > 0
        self._check_nothing_lost()
        export = self.root / "export"
        self.office.export(SITE, export)
        audit(export, self.vkey, self.cosigner, self.root / "commands.log")

    def _check_nothing_lost(self) -> None:
        """Every slot from the config leaf to the end of the newest period is covered."""
        config = next(fact for fact in map(leaf.decode, self._seen) if isinstance(fact, Config))
        binding = self._book.binding
        assert binding is not None
        start, end = first_slot(config.ts, EVERY_MS // 1000), self._summaries[-1][1].end
        for bound in binding.meters:
            missing = [slot for slot in range(start, end, EVERY_MS) if not self._slots[bound.meter, slot]]
            assert missing == [], f"{bound.meter} lost {missing}"

    def gaps(self) -> Counter[str]:
        """How many slots were gaps, by reason."""
        found: Counter[str] = Counter()
        for fact in map(leaf.decode, self._seen):
            if isinstance(fact, Gap) and fact.start is not None and fact.end is not None:
                found[str(fact.why)] += (fact.end - fact.start) // EVERY_MS
        return found


def _opened(path: Path) -> sqlite3.Connection:
    """Read only: looking at a database that its owner lost must not repair it."""
    return sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)


@contextmanager
def world(root: Path, *, limit: int = 524288, start: bool = True) -> Iterator[World]:
    made = World(root, limit=limit)
    try:
        if start:
            made.start()
        yield made
    finally:
        made.close()
