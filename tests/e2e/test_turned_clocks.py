"""The site's clock unknown, an hour back, an hour forward: coverage exactly once, as office and auditor see it.

The agent's own daemon on a clock turned by hand; its bundles go through the collector's receiving and admission as they
would from the broker; `mrv.audit` judges what the office holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import pytest
from desk import Desk
from fakes import NEW_YEAR, FakeClock
from gateway import Gateway, Verdict, write

from agent.store import Store
from collector.admit import Admission
from collector.config import Folder, create
from mrv import leaf
from mrv.audit import SiteEvidence, audit
from mrv.leaf import Clock
from mrv.log.bundle import Bundle, pack
from mrv.log.checkpoint import peek
from mrv.log.note import VerifyKey
from mrv.reading import ClockState, Gap, Reading

ORIGIN = "example/mrv/demo-factory/k1"
HOUR = 3_600_000
#: A life: seconds that pass, or what happens to the clock (ms), to the synchronisation, to the programs.
Life = tuple[float | str, ...]
LIVES: dict[str, Life] = {
    "unknown at start, then right": ("unsync", "begin", 125, "sync", 300),
    "unknown at start, stopped, right": ("unsync", "begin", 65, "stop", 30, "begin", 65, "sync", 200),
    "unknown at start, killed, rebooted, right": ("unsync", "begin", 65, "reboot", 65, "sync", 200),
    "an hour back": ("begin", 305, "back", 3_900),
    "an hour back, killed before it is made up for": ("begin", 305, "back", 900, "kill", 20, "begin", 3_000),
    "an hour forward": ("begin", 305, "forward", 300),
    "an hour forward and back": ("begin", 305, "forward", 125, "back", 3_900),
    "an hour back and forward": ("begin", 305, "back", 125, "forward", 300),
    "an hour forward while it was down": ("begin", 125, "kill", "forward", "begin", 300),
    "an hour back while it was down": ("begin", 125, "stop", "back", "begin", 3_900),
    "unknown, wrong by an hour, right": ("unsync", "begin", 65, "forward", "sync", 125, "back", 3_900),
    "over and over": ("begin", 65, *("forward", 33, "back", 33) * 5, 4_000),
}


class Made:
    """A gateway, an office beside it, and what has passed between them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        write(folder)
        plan = folder / "plan.yaml"
        plan.write_text(plan.read_text().replace("min_coverage: 0.5", "min_coverage: 0"))
        create(Folder(folder / "office"), "example")
        self.desk = Desk(folder)
        self.clock = FakeClock()
        self.gateway: Gateway | None = None

    async def live(self, life: Life) -> None:
        for what in life:
            if isinstance(what, str):
                await getattr(self, f"_{what}")()
            elif self.gateway is not None:
                await self.gateway.pass_time(what)
            else:
                self.clock.pass_time(int(what * 1000))
            self.deliver()
        await self._stop()
        self.deliver()

    async def _begin(self) -> None:
        self.gateway = Gateway(self.folder, self.clock)
        await self.gateway.start()
        daemon = self.gateway.daemon
        papers = {"plan": leaf.canonical(daemon.setup.plan), "binding": leaf.canonical(daemon.setup.binding)}
        site = SimpleNamespace(site="demo-factory", key=daemon.key)
        self.desk.enroll(site, **{name: paper.decode() for name, paper in papers.items()})

    async def _stop(self) -> None:
        assert self.gateway is not None
        await self.gateway.stop()
        self.gateway = None

    async def _kill(self) -> None:
        assert self.gateway is not None
        await self.gateway.crash()
        self.gateway = None

    async def _reboot(self) -> None:
        """The power fails; boot time begins again, wall time is as wrong as at first."""
        await self._kill()
        self.clock = FakeClock(realtime=5_000, boottime=15_000, synchronised=False, boot="boot-b")
        await self._begin()

    async def _unsync(self) -> None:
        self.clock.synchronised, self.clock.realtime = False, 5_000

    async def _sync(self) -> None:
        self.clock.synchronised = True
        self.clock.realtime += NEW_YEAR

    async def _back(self) -> None:
        self.clock.step(-HOUR)

    async def _forward(self) -> None:
        self.clock.step(HOUR)

    def deliver(self) -> None:
        """What is signed goes to the office, which starts afresh for it, and judges."""
        path = self.folder / "state" / "log.sqlite"
        if self.gateway is None and not path.exists():
            return
        store = self.gateway.store if self.gateway else Store(path)
        for bundle in self.bundles(store):
            said = self.desk.deliver(bundle)
            assert peek(said.receipt).size == self.desk.archive.head(ORIGIN).size
            Admission(self.desk.archive, self.desk.registry).catch_up(ORIGIN, self.desk.now)
        if self.gateway is None:
            store.close()

    def bundles(self, store: Store) -> Iterator[bytes]:
        while (signed := store.next_checkpoint(self.desk.archive.head(ORIGIN).size, 100_000)) is not None:
            head = self.desk.archive.head(ORIGIN)
            leaves = store.leaves(head.size, signed.size)
            yield pack(Bundle(old=head.size, receipt=head.note, checkpoint=signed.note, leaves=leaves))


def slotless(fact: Reading | Gap) -> bool:
    return (fact.slot if isinstance(fact, Reading) else fact.start) is None


def placed(verdict: Verdict, meter: str) -> Iterator[int]:
    """The slots of leaves that carry none: by the next clock leaf of their boot that knew what time it was."""
    era: dict[int, Clock] = {}
    for fact in reversed(verdict.facts):
        if isinstance(fact, Clock) and fact.clock is not ClockState.UNKNOWN:
            era[fact.boot] = fact
        elif isinstance(fact, Reading | Gap) and fact.meter == meter and slotless(fact):
            at = fact.ts
            if fact.clock is ClockState.UNKNOWN and fact.boot in era:
                at = era[fact.boot].ts + fact.boottime - era[fact.boot].boottime
            yield at // 10_000 * 10_000


@pytest.mark.parametrize("name", LIVES)
def test_coverage_is_exactly_once(tmp_path: Path, name: str) -> None:
    made = Made(tmp_path)
    asyncio.run(made.live(LIVES[name]))
    archive, desk = made.desk.archive, made.desk
    verdict = Verdict(tmp_path)
    verdict.clean()
    assert list(archive.leaves(ORIGIN)) == verdict.leaves
    key = desk.registry.key(ORIGIN)
    assert key is not None
    head = archive.head(ORIGIN)
    report = audit(
        SiteEvidence(
            site_key=VerifyKey.parse(key.vkey),
            cosigners=(desk.identity.key.public,),
            leaves=archive.leaves(ORIGIN),
            checkpoints=tuple(note for _, note in archive.notes(ORIGIN)),
            receipt=head.note or "",
            approvals=desk.registry.approvals("demo-factory"),
        )
    )
    assert report.findings == ()
    assert [verdict.reasons for _, verdict in report.verdicts if not verdict.admitted] == []
    assert len(report.verdicts) == len(verdict.summaries) == len(archive.verdicts(origin=ORIGIN)) > 2
    assert all(row.admitted for row in archive.verdicts(origin=ORIGIN))
    for meter in ("pv-main", "pv-inverter", "chiller-1"):
        slots = sorted({*verdict.covered(meter), *(slot for slot in placed(verdict, meter) if slot > NEW_YEAR)})
        assert [pair for pair in pairwise(slots) if pair[1] - pair[0] != 10_000] == [], f"{meter} lost a slot"
    made.desk.database.close()
