"""The whole process behind a real mosquitto: killed at each named point, nothing is lost and nothing counted twice."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from brokers import Mosquitto, free_port, mosquitto, until
from desk import Desk, PaperSite, filler
from running import Office, wire
from site_log import T0, SiteLog, demo_binding, demo_plan

from collector.config import FAILPOINTS
from mrv import leaf
from mrv.exchange import answer, topic

MADE = demo_plan(min_coverage=Decimal(0))
PLAN, BINDING = (leaf.canonical(value).decode() for value in (MADE, demo_binding()))


@pytest.fixture(name="broker")
def real_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


@pytest.fixture(name="office")
def process(tmp_path: Path, broker: Mosquitto) -> Iterator[Office]:
    made = Office(tmp_path / "office", "--broker", f"127.0.0.1:{broker.port}")
    yield made
    made.close()


@pytest.fixture(name="site")
def factory(tmp_path: Path) -> PaperSite:
    """Enrolled, with two admissible minutes."""
    made = PaperSite([])
    log = SiteLog(plan=MADE, key=made.key.vkey)
    log.run(T0, T0 + 120_000 + 10_000)
    made.leaves = log.leaves
    desk = Desk(tmp_path)
    desk.enroll(made, plan=PLAN, binding=BINDING)
    desk.database.close()
    return made


def summaries(office: Office) -> list[tuple[int, bool]]:
    done = office.call("summaries", "--dir", str(office.folder), "--json")
    return [(one["seq"], one["admitted"]) for one in json.loads(done.stdout)]


@pytest.mark.real
@pytest.mark.parametrize("failpoint", sorted(FAILPOINTS))
def test_killed_at_each_point(
    broker: Mosquitto, office: Office, site: PaperSite, tmp_path: Path, failpoint: str
) -> None:
    half, whole = len(site.leaves) // 2, len(site.leaves)
    with wire(broker.port, site) as heard:
        office.start()
        until(lambda: heard.office == "online", 20)
        heard.say(site.bundle(0, half))
        until(lambda: heard.received == half)
        assert office.stop() == 0
        until(lambda: heard.office == "offline")

        office.start(failpoint)
        until(lambda: heard.office == "online", 20)
        heard.say(site.bundle(half, whole))
        until(office.killed, 20)
        until(lambda: heard.office == "offline", 20)  # the last will

        office.start()
        until(lambda: heard.office == "online", 20)
        if failpoint in ("receipt.committed", "receipt.published", "verdict.settled"):
            heard.say(site.bundle(half, whole))  # its receipt may be lost: the site asks again
        until(lambda: heard.received == whole, 20)
        until(lambda: summaries(office) == [(0, True), (1, True)], 20)
        assert office.stop() == 0
    desk = Desk(tmp_path)
    assert list(desk.archive.leaves(site.origin)) == site.leaves
    assert [size for size, _ in desk.archive.notes(site.origin)] == [half, whole]
    desk.check_world(site)
    desk.database.close()


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_fifty_kills_at_random(broker: Mosquitto, office: Office, site: PaperSite, tmp_path: Path) -> None:
    """The site sends on as an agent would: from the last receipt, again and again; the office dies at any moment."""
    site.leaves += filler(2000)
    dice = random.Random(20261123)
    with wire(broker.port, site) as heard:
        for _ in range(50):
            office.start()
            time.sleep(0.8)  # most of it is the interpreter's start; what follows reaches into every stage
            end = time.monotonic() + dice.uniform(0, 0.8)
            while time.monotonic() < end:
                old = heard.received
                heard.say(site.bundle(old, min(len(site.leaves), old + dice.randint(1, 30))))
                time.sleep(dice.uniform(0, 0.03))
            office.close()
        assert heard.received > 0, "receipts were given between the kills"
        office.start()
        while heard.received < len(site.leaves):
            heard.say(site.bundle(heard.received, min(len(site.leaves), heard.received + 500)))
            time.sleep(0.3)
        until(lambda: summaries(office) == [(0, True), (1, True)], 20)
        assert office.stop() == 0
    desk = Desk(tmp_path)
    assert list(desk.archive.leaves(site.origin)) == site.leaves
    desk.check_world(site)
    desk.database.close()


@pytest.mark.real
def test_what_the_broker_held_while_the_office_was_away(broker: Mosquitto, office: Office, site: PaperSite) -> None:
    with wire(broker.port, site) as heard:
        office.start()
        until(lambda: heard.office == "online", 20)
        assert office.stop() == 0
        until(lambda: heard.office == "offline")
        heard.say(site.bundle(0, 20))
        office.start()
        until(lambda: heard.received == 20, 20)
        heard.say(b"noise")
        until(lambda: heard.heard[-1].topic == topic(site.site, "down/answer"))
        assert answer(heard.heard[-1].payload).code == 400


@pytest.mark.real
def test_the_broker_comes_late_and_goes_away(broker: Mosquitto, office: Office, site: PaperSite) -> None:
    broker.stop()
    office.start()
    broker.start()
    with wire(broker.port, site) as heard:
        until(lambda: heard.office == "online", 30)
        heard.say(site.bundle(0, 20))
        until(lambda: heard.received == 20)
        broker.stop()
        until(lambda: not heard.mqtt.up)
        broker.start()
        until(lambda: heard.mqtt.up, 30)
        until(lambda: len([m for m in heard.heard if m.payload.endswith(b'online","v":1}')]) > 1, 30)
        heard.say(site.bundle(20, 30))
        until(lambda: heard.received == 30, 20)


def test_with_its_own_broker_and_a_change_from_beside(tmp_path: Path) -> None:
    """The embedded broker, one collector per folder, and `enroll` handed to the daemon that runs."""
    port = free_port()
    office = Office(tmp_path / "office", "--embedded-broker", "--listen", f"127.0.0.1:{port}")
    folder = ["--dir", str(office.folder)]
    assert office.call("init", *folder, "--org", "example.org").returncode == 0
    site = PaperSite([])
    log = SiteLog(plan=MADE, key=site.key.vkey)
    log.run(T0, T0 + 70_000)
    site.leaves = log.leaves + filler(1000)
    (tmp_path / "binding.json").write_text(BINDING)
    try:
        office.start()
        with wire(port, site) as heard:
            until(lambda: heard.office == "online", 20)
            second = office.call("run", *folder)
            assert (second.returncode, "another process" in second.stderr) == (4, True)
            enrolled = office.call("enroll", site.site, *folder, "--key", site.key.vkey, "--json")
            assert json.loads(enrolled.stdout)["steps"] == ["enrolled", "key"]
            again = office.call("enroll", site.site, *folder, "--key", PaperSite([], seed=2).key.vkey)
            assert (again.returncode, "--epoch 2" in again.stderr) == (3, True)
            heard.say(site.bundle(0, len(site.leaves)))
            until(lambda: heard.received == len(site.leaves), 20)
            until(lambda: summaries(office) == [(0, False)], 20)
            desk = Desk(tmp_path)
            desk.database.close()
            approved = office.call("enroll", site.site, *folder, "--binding", str(tmp_path / "binding.json"), "--json")
            assert json.loads(approved.stdout)["steps"] == ["approve_binding"]
        assert office.stop() == 0
    finally:
        office.close()
