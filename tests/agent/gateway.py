"""A whole gateway without network: the daemon's own wiring on a clock turned by hand, and a judge of what it wrote."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fakes import FakeBus, FakeClock

from agent import config, keys
from agent.commands import init
from agent.daemon import Daemon
from agent.store import Store
from drivers.lease import Tenant
from mrv import leaf
from mrv.book import Book
from mrv.leaf import Summary
from mrv.reading import Gap, Reading

SITE = """
site: demo-factory
org: example
collector:
  host: 127.0.0.1
  port: 9
  cosigners:
    - {key}
clock:
  sync: {sync}
buses:
  - {{kind: tcp, id: line, host: 127.0.0.1, port: 9}}
meters:
{meters}
"""
METER = "  - {{id: {id}, point: {point}, bus: line, unit: {unit}, profile: eastron_sdm630, every: {every}}}"


def write(
    folder: Path, *, every: int = 10, period: int = 60, sync: str = "kernel", clock: str = "[S, R]", **replaced: str
) -> None:
    """site.yaml and plan.yaml of three SDM630 on one line."""
    meters = [("pv-main", "PV-AC", 1), ("pv-inverter", "PV-INV", 3), ("chiller-1", "CH-1", 7)]
    listed = "\n".join(METER.format(id=i, point=p, unit=u, every=every) for i, p, u in meters)
    text = SITE.format(key=config.example_cosigner(), sync=sync, meters=listed)
    plan = init.example("plan.yaml", "demo-factory", "example")
    plan = plan.replace("period: 900", f"period: {period}").replace("[S, R]", clock)
    for old, new in replaced.items():
        text = text.replace(old, new)
    (folder / "site.yaml").write_text(text)
    (folder / "plan.yaml").write_text(plan)


class Alone(Tenant):
    """A line nobody else wants: a run that crashes in this process would keep its lock."""

    async def ours(self) -> bool:
        return True


class Gateway:
    """One run of the daemon; `pass_time` lets its loops and its recorder work."""

    def __init__(self, folder: Path, clock: FakeClock, bus: FakeBus | None = None) -> None:
        state = folder / "state"
        if not state.exists():
            state.mkdir()
            keys.make(state, "example/mrv/demo-factory/k1")
        self.clock = clock
        self.bus = bus or FakeBus(clock)
        self.store = Store(state / "log.sqlite")
        key = keys.load(state, "example/mrv/demo-factory/k1")
        self.daemon = Daemon(config.load(folder), key, self.store, clock, state, lambda *_: self.bus, rent=Alone)
        self.tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        await self.daemon.begin()
        self.daemon.wire()
        jobs = [self.daemon.recorder.run(), *(loop.run() for loop in self.daemon.loops)]
        self.tasks = [asyncio.create_task(job) for job in jobs]

    async def settle(self) -> None:
        """Until nothing is left to do at this instant."""
        for _ in range(12):
            await asyncio.sleep(0)
        await self.daemon.recorder.drain()
        for _ in range(3):
            await asyncio.sleep(0)
        for task in self.tasks:
            if task.done():
                task.result()

    async def pass_time(self, seconds: float) -> None:
        await self.clock.run(int(seconds * 1000), self.settle)

    async def stop(self) -> None:
        await self.daemon.end(self.tasks)
        self.store.close()

    async def crash(self) -> None:
        """No goodbye: what was not committed is gone."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        self.store.close()


@asynccontextmanager
async def running(folder: Path, clock: FakeClock, bus: FakeBus | None = None) -> AsyncIterator[Gateway]:
    gateway = Gateway(folder, clock, bus)
    await gateway.start()
    yield gateway
    await gateway.stop()


class Verdict:
    """What an outsider makes of a log: judged again from raw words, and every slot counted by hand."""

    def __init__(self, folder: Path) -> None:
        store = Store(folder / "state" / "log.sqlite")
        self.leaves = list(store.since(0))
        store.close()
        self.facts = [leaf.decode(data) for data in self.leaves]
        self.book = Book()
        judged = [self.book.add(data) for data in self.leaves]
        self.summaries = [found.summary for found in judged if found]
        self.findings = [f for found in judged if found for f in found.findings] + list(self.book.open_findings)

    def covered(self, meter: str, every: int = 10) -> Counter[int]:
        """How often each slot of `meter` is claimed by a leaf that carries a slot."""
        slots: Counter[int] = Counter()
        for fact in self.facts:
            if isinstance(fact, Reading) and fact.meter == meter and fact.slot is not None:
                slots[fact.slot] += 1
            elif isinstance(fact, Gap) and fact.meter == meter and fact.start is not None and fact.end is not None:
                slots.update(range(fact.start, fact.end, every * 1000))
        return slots

    def gaps(self, meter: str) -> list[tuple[int, str]]:
        """(slots, reason) of each gap leaf with a range."""
        return [
            ((fact.end - fact.start) // 10_000, str(fact.why))
            for fact in self.facts
            if isinstance(fact, Gap) and fact.meter == meter and fact.start is not None and fact.end is not None
        ]

    def clean(self) -> None:
        """No finding, summaries without holes, no slot claimed twice."""
        assert not self.findings, self.findings
        for before, after in zip(self.summaries, self.summaries[1:], strict=False):
            assert before.end == after.start
            assert after.seq == before.seq + 1
        for meter in ("pv-main", "pv-inverter", "chiller-1"):
            assert max(self.covered(meter).values(), default=1) == 1
        for summary in self.summaries:
            assert isinstance(summary, Summary)
            assert summary.expected == summary.read + summary.gap
