"""Three collectors on one database and a shared subscription, one killed every ten seconds, two hundred sites.

A site is what it is for the office: it sends the next bundle when it holds the receipt for the last, and sends again
what got none. At the end nothing may be lost, and no period admitted twice.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from brokers import Mosquitto, mosquitto
from desk import Desk, PaperSite
from postgres import Postgres
from programs import Program
from site_log import T0, SiteLog, demo_binding, demo_plan

from demo.processes import script
from link.mqtt import Endpoint, Message, Mqtt
from mrv import leaf
from mrv.errors import MrvError
from mrv.exchange import site_of, topic
from mrv.log.checkpoint import open_checkpoint
from mrv.log.note import NOTE, SigningKey

pytestmark = [pytest.mark.real, pytest.mark.slow, pytest.mark.timeout(900)]
SITES, COLLECTORS, PERIODS = 200, 3, 6
KILL_EVERY_S, AGAIN_S = 10.0, 5.0


@pytest.fixture
def postgres() -> Iterator[Postgres]:
    server = Postgres()
    server.start()
    yield server
    server.close()


def factory(number: int) -> tuple[PaperSite, bytes, bytes]:
    """A site with some minutes of readings, its plan and its binding."""
    name = f"site-{number:03d}"
    seed = bytes([number % 251 + 1, number // 251 + 1]) * 16
    made = PaperSite([], site=name)
    made.key = SigningKey(made.key.name, NOTE, seed)
    plan = demo_plan(site=name, min_coverage=Decimal(0))
    binding = msgspec.structs.replace(demo_binding(), site=name)
    log = SiteLog(plan=plan, binding=binding, key=made.key.vkey, site=name)
    log.run(T0, T0 + PERIODS * 60_000 + 10_000)
    made.leaves = log.leaves
    return made, leaf.canonical(plan), leaf.canonical(binding)


class Sites:
    """All sites' ends of the wire, on one connection: the broker here keeps nobody apart."""

    def __init__(self, port: int, sites: list[PaperSite]) -> None:
        self.sites = {site.site: site for site in sites}
        self.received = dict.fromkeys(self.sites, 0)
        self.sent_at = dict.fromkeys(self.sites, 0.0)
        self.sent = 0
        self._notes = {site.site: list(self._sizes(site)) for site in sites}
        self.mqtt = Mqtt(Endpoint(host="127.0.0.1", port=port), "sites", ["mrv/1/+/down/receipt"], self._heard)
        self.mqtt.start()

    def _sizes(self, site: PaperSite) -> Iterator[int]:
        """A checkpoint behind every summary and one at the end, as an agent cuts them."""
        for size, data in enumerate(site.leaves, 1):
            if b'"k":"summary"' in data or size == len(site.leaves):
                yield size

    def _heard(self, message: Message) -> None:
        name = site_of(message.topic)
        try:
            found = open_checkpoint(message.payload, self.sites[name].key.public)
        except MrvError:
            return
        if found.size > self.received[name]:
            self.received[name] = found.size
            self.sent_at[name] = 0.0

    @property
    def waiting(self) -> list[str]:
        return [name for name, site in self.sites.items() if self.received[name] < len(site.leaves)]

    def turn(self, now: float) -> None:
        """Every site that has something to send and is not waiting for a receipt sends."""
        for name in self.waiting:
            if self.mqtt.up and now - self.sent_at[name] > AGAIN_S:
                old = self.received[name]
                size = next((size for size in self._notes[name] if size > old), None)
                if size is None:  # its last receipt has come this very moment
                    continue
                if self.mqtt.publish(topic(name, "up/log"), self.sites[name].bundle(old, size)).accepted:
                    self.sent_at[name] = now
                    self.sent += 1


def test_two_hundred_sites_three_collectors_and_a_killer(
    tmp_path: Path, postgres: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = Desk(tmp_path, postgres.database())
    made = [factory(number) for number in range(SITES)]
    for site, plan, binding in made:
        desk.enroll(site, plan=plan.decode(), binding=binding.decode())
    with mosquitto(tmp_path) as broker:
        collectors = [_collector(tmp_path, broker, str(n + 1)) for n in range(COLLECTORS)]
        for collector in collectors:
            collector.start()
        sites = Sites(broker.port, [site for site, _, _ in made])
        began = time.monotonic()
        kills = _until_all_received(sites, collectors)
        took = time.monotonic() - began
        _until_all_judged(desk, sites)
        sites.mqtt.stop()
        for collector in collectors:
            collector.close()
    for site, _, _ in made:
        assert list(desk.archive.leaves(site.origin)) == site.leaves, f"{site.site}: every leaf, byte for byte"
        rows = desk.archive.verdicts(origin=site.origin)
        assert [row.admitted for row in rows] == [1] * PERIODS, rows[0].reasons
        assert max(Counter(row.start for row in rows).values()) == 1, "no period twice"
    assert desk.archive.alarms() == []
    assert kills >= 2
    bundles = SITES * (PERIODS + 1)
    said = f"{bundles} bundles of {SITES} sites, {sites.sent} sent, {kills} kills, {took:.0f} s"
    with capsys.disabled():
        sys.stdout.write(f"\n{said}\n")
    desk.database.close()


def _collector(root: Path, broker: Mosquitto, name: str) -> Program:
    command = [script("mrv-collector"), "run", "--dir", str(root / "office"), "--name", name]
    return Program(name, [*command, "--broker", f"127.0.0.1:{broker.port}"], root / f"collector-{name}.log")


def _until_all_received(sites: Sites, collectors: list[Program]) -> int:
    """Let everything be sent while one collector after the other is killed and started again; how many kills."""
    kills, end, next_kill = 0, time.monotonic() + 600, time.monotonic() + KILL_EVERY_S
    victims = itertools.cycle(collectors)
    while sites.waiting or kills < 2:
        now = time.monotonic()
        assert now < end, f"{len(sites.waiting)} sites still wait: {[c.said() for c in collectors]}"
        sites.turn(now)
        if now > next_kill:
            victim = next(victims)
            victim.kill()
            victim.start()
            kills, next_kill = kills + 1, now + KILL_EVERY_S
        time.sleep(0.05)
    return kills


def _until_all_judged(desk: Desk, sites: Sites) -> None:
    end = time.monotonic() + 300
    while any(sum(desk.archive.count(site.origin)) < PERIODS for site in sites.sites.values()):
        assert time.monotonic() < end, "verdicts are missing"
        time.sleep(0.5)
