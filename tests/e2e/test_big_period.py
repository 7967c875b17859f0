"""Twenty meters every second for a quarter of an hour: one period, many bundles, all within the cap, admitted.

The agent's own daemon on a clock turned by hand writes the log; its publisher then brings it through a real broker to a
real collector in another process.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from brokers import mosquitto
from fakes import FakeBus, FakeClock
from gateway import Gateway
from world import until

from agent import config
from agent.clock import SystemClock
from agent.publish import Publisher
from agent.store import Store
from collector.archive import Archive
from collector.schema import METADATA, SCHEMA_VERSION
from demo import ends
from demo.ends import Office
from demo.processes import Processes, script
from link.database import Database
from link.mqtt import Endpoint, Message, Mqtt
from mrv import leaf
from mrv.leaf import Summary
from mrv.log.bundle import CAP, unpack
from mrv.log.checkpoint import open_checkpoint
from mrv.log.note import VerifyKey

pytestmark = [pytest.mark.slow, pytest.mark.real]
METERS, PERIOD = 20, 900
ORIGIN = "example/mrv/demo-factory/k1"
METER = "  - {{id: m{n}, point: P{n}, bus: line, unit: {n}, profile: eastron_sdm630, every: 1}}"
SITE = """
site: demo-factory
org: example
collector: {{host: 127.0.0.1, port: {port}, cosigners: [{key}]}}
buses:
  - {{kind: tcp, id: line, host: 127.0.0.1, port: 9}}
meters:
{meters}
"""
POINT = "  - {{id: P{n}, scope: AC output of inverter room {n}, evidence: meter}}"
TERM = "{{point: P{n}, register: active_energy_export}}"
PLAN = """
site: demo-factory
timezone: Asia/Ho_Chi_Minh
period: {period}
clock: [S, R]
min_coverage: 1
points:
{points}
projects:
  - id: pv
    title: Rooftop PV on many meters
    methodology: VN_AM007_ver01.0
    items:
      - id: roof
        ex_ante:
          EF_RE:
            value: 0.3
            unit: tCO2/MWh
            provenance: {{document: invented for this test, date: 2026-01-01, locator: none}}
        monitored:
          EG:
            plus: [{terms}]
"""


def write(folder: Path, port: int, cosigner: str) -> None:
    numbers = range(1, METERS + 1)
    folder.mkdir()
    meters = "\n".join(METER.format(n=n) for n in numbers)
    (folder / "site.yaml").write_text(SITE.format(port=port, key=cosigner, meters=meters))
    points = "\n".join(POINT.format(n=n) for n in numbers)
    terms = ", ".join(TERM.format(n=n) for n in numbers)
    (folder / "plan.yaml").write_text(PLAN.format(period=PERIOD, points=points, terms=terms))


class BusyLine(FakeBus):
    """Counters that count up, each at its own pace: words that do not compress like those of an idle plant."""

    async def read(self, unit: int, table: str, address: int, count: int) -> tuple[int, ...]:
        words: list[int] = []
        for register in range(address, address + count, 2):
            energy = 1000 * unit + register + self.clock.boottime * (unit * 7919 % 97 + register) / 1e6
            words += struct.unpack(">2H", struct.pack(">f", energy))
        return tuple(words[:count])


async def record(folder: Path) -> None:
    """A quarter of an hour, and the first second of the next one."""
    clock = FakeClock()
    gateway = Gateway(folder, clock, BusyLine(clock, latency=0))
    await gateway.start()
    await gateway.pass_time(PERIOD + 0.5)
    await gateway.stop()


async def send(folder: Path) -> None:
    """Until the office has signed for everything."""
    store, setup, news = Store(folder / "state" / "log.sqlite"), config.load(folder), asyncio.Event()
    vkey = VerifyKey.parse((folder / "state" / "site.vkey").read_text().strip())
    office = Endpoint(host=setup.site.collector.host, port=setup.site.collector.port)
    publisher = Publisher(
        "demo-factory", office, store, SystemClock(), key=vkey, cosigners=setup.cosigners, on_receipt=news.set
    )
    task = asyncio.create_task(publisher.run())
    async with asyncio.timeout(90):
        while publisher.received < store.size:
            await news.wait()
            news.clear()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await publisher.stop()
    store.close()


@contextmanager
def overheard(port: int) -> Iterator[list[Message]]:
    """Every bundle that passes the broker."""
    heard: list[Message] = []
    ear = Mqtt(Endpoint(host="127.0.0.1", port=port), "ear", ["mrv/1/+/up/log"], heard.append)
    ear.start()
    until(lambda: ear.up, 20)
    yield heard
    ear.stop()


@pytest.mark.timeout(240)
def test_a_period_larger_than_one_bundle(tmp_path: Path) -> None:
    site, log, binding = tmp_path / "site", tmp_path / "commands.log", tmp_path / "binding.json"
    office = Office(tmp_path / "office", log)
    cosigner = office.init("example")
    with mosquitto(tmp_path) as broker, Processes(tmp_path) as processes:
        write(site, broker.port, cosigner)
        asyncio.run(record(site))
        vkey = ends.Gateway(site, log).check(binding)
        office.enroll("demo-factory", site / "plan.yaml", binding, vkey)
        serve = [script("mrv-collector"), "run", "--dir", str(office.folder)]
        with overheard(broker.port) as bundles:
            processes.start("collector", [*serve, "--broker", f"127.0.0.1:{broker.port}"])
            asyncio.run(send(site))
        with closing(Database(office.folder / "collector.sqlite", METADATA, SCHEMA_VERSION)) as database:
            archive = Archive(database)
            until(lambda: archive.count(ORIGIN) != (0, 0), 30)
            assert archive.count(ORIGIN) == (1, 0)
            held = list(archive.leaves(ORIGIN))
    judged(site, held, [message.payload for message in bundles], VerifyKey.parse(vkey))
    office.export("demo-factory", tmp_path / "export")
    ends.audit(tmp_path / "export", vkey, cosigner, log)


def judged(site: Path, held: list[bytes], bundles: list[bytes], key: VerifyKey) -> None:
    store = Store(site / "state" / "log.sqlite")
    assert held == list(store.since(0))
    store.close()
    summary = next(fact for fact in map(leaf.decode, held) if isinstance(fact, Summary))
    assert (summary.expected, summary.read, summary.gap) == (METERS * PERIOD, METERS * PERIOD, 0)
    assert max(map(len, bundles)) <= CAP
    sizes = [open_checkpoint(unpack(body).checkpoint, key).size for body in bundles]
    before = sum(size < held.index(leaf.encode(summary)) for size in sizes)
    assert before >= 2, "the period went in several bundles"
    assert sizes == sorted(sizes), "one after the other; again only what the office was not there for"
    assert sizes[-1] == len(held)
