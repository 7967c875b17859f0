"""The real thing as a process: real Modbus, real SQLite, a real broker, killed and stopped; an office in the test."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Mosquitto, mosquitto, until
from gateway import Verdict

from agent import FAILPOINTS
from agent.commands import init
from agent.config import example_cosigner
from link.mqtt import Endpoint, Message, Mqtt
from mrv import exchange, leaf
from mrv.log.bundle import unpack
from mrv.log.checkpoint import cosign, open_checkpoint
from mrv.log.merkle import EMPTY, leaf_hash
from mrv.log.note import COSIGNATURE, SigningKey, VerifyKey
from mrv.reading import Reading

pytestmark = pytest.mark.real
SITE = "demo-factory"
KEY = SigningKey("example/mrv/collector", COSIGNATURE, bytes(range(2, 34)))


class Office:
    """Holds what it receives, and signs back; as little of a collector as an agent needs."""

    def __init__(self, port: int) -> None:
        self.leaves: list[bytes] = []
        self.sizes: list[int] = []
        self.states: list[str] = []
        self.vkey: VerifyKey | None = None
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        topics = [exchange.topic(SITE, "up/log"), exchange.topic(SITE, "up/state")]
        self.mqtt = Mqtt(Endpoint(host="127.0.0.1", port=port), "office", topics, self._inbox.put, self._linked)
        self.mqtt.start()

    def _linked(self, up: bool) -> None:
        if up:
            online = exchange.encode(exchange.Presence(version=1, state="online"))
            self.mqtt.publish(exchange.COLLECTOR_STATE, online, retain=True)

    def work(self) -> Office:
        """Answer everything that came."""
        while not self._inbox.empty():
            message = self._inbox.get()
            if message.topic.endswith("up/state"):
                self.states.append(exchange.presence(message.payload).state)
            else:
                self._bundle(message.payload)
        return self

    def _bundle(self, data: bytes) -> None:
        bundle = unpack(data)
        assert self.vkey is not None
        checkpoint = open_checkpoint(bundle.checkpoint, self.vkey)
        if checkpoint.size > len(self.leaves):
            held = [*self.leaves[: bundle.old], *bundle.leaves]
            assert held[: len(self.leaves)] == self.leaves, "the site sent other leaves than before"
            assert EMPTY.extend(map(leaf_hash, held)).root() == checkpoint.root
            self.leaves = held
            self.sizes.append(checkpoint.size)
        receipt = cosign(bundle.checkpoint, KEY, 1)
        self.mqtt.publish(exchange.topic(SITE, "down/receipt"), receipt.encode(), retain=True)


class Site:
    """The agent and the simulator as processes."""

    def __init__(self, folder: Path, broker: int) -> None:
        self.folder = folder
        self.simulator = subprocess.Popen(
            [sys.executable, "-m", "drivers.simulator", "--speed", "20"], stdout=subprocess.PIPE, text=True
        )
        assert self.simulator.stdout is not None
        ports = {name: bus["port"] for name, bus in json.loads(self.simulator.stdout.readline())["buses"].items()}
        self._write(ports, broker)
        self.agent: subprocess.Popen[bytes] | None = None

    def _write(self, ports: dict[str, int], broker: int) -> None:
        assert self.command("init", "--site", SITE, "--org", "example") == 0
        site = init.example("site.yaml", SITE, "example").replace(example_cosigner(), KEY.vkey)
        roof, rest = site.split("id: plant-room")
        roof, rest = roof.replace("port: 502", f"port: {ports['a']}"), rest.replace("port: 502", f"port: {ports['b']}")
        text = f"{roof}id: plant-room{rest}".replace("192.168.1.20", "127.0.0.1").replace("192.168.1.21", "127.0.0.1")
        text = text.replace("broker.example.org", "127.0.0.1").replace("port: 1883", f"port: {broker}")
        (self.folder / "site.yaml").write_text(text.replace("every: 15", "every: 1").replace("kernel\n", "assumed\n"))
        plan = init.example("plan.yaml", SITE, "example").replace("period: 900", "period: 2")
        (self.folder / "plan.yaml").write_text(plan.replace("[S, R]", "[I, S, R]"))

    @property
    def vkey(self) -> VerifyKey:
        return VerifyKey.parse((self.folder / "state" / "site.vkey").read_text().strip())

    def command(self, name: str, *words: str) -> int:
        return subprocess.run(
            [sys.executable, "-m", "agent", name, "--dir", str(self.folder), *words], capture_output=True
        ).returncode

    def start(self, failpoint: str = "") -> None:
        with (self.folder / "agent.log").open("ab") as log:
            self.agent = subprocess.Popen(
                [sys.executable, "-m", "agent", "run", "--dir", str(self.folder)],
                env={**os.environ, "MRV_FAILPOINT": failpoint},
                stderr=log,
            )

    def stop(self, office: Office, number: int = signal.SIGTERM) -> int:
        """End the agent while the office goes on answering; gives the exit code."""
        agent = self.agent
        assert agent is not None
        agent.send_signal(number)
        until(lambda: office.work() and agent.poll() is not None, 30)
        return int(agent.returncode)

    def close(self) -> None:
        for process in (self.agent, self.simulator):
            if process and process.poll() is None:
                process.kill()
            if process:
                process.wait()
        if self.simulator.stdout:
            self.simulator.stdout.close()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


@pytest.fixture
def site(tmp_path: Path, broker: Mosquitto) -> Iterator[Site]:
    folder = tmp_path / "site"
    made = Site(folder, broker.port)
    yield made
    made.close()


@pytest.fixture
def office(site: Site, broker: Mosquitto) -> Iterator[Office]:
    made = Office(broker.port)
    made.vkey = site.vkey
    yield made
    made.mqtt.stop()


def agree(site: Site, office: Office) -> Verdict:
    """The office holds the beginning of the site's log, byte for byte, and that log is without fault."""
    verdict = Verdict(site.folder)
    assert office.leaves == verdict.leaves[: len(office.leaves)]
    assert not verdict.findings, verdict.findings
    return verdict


def test_readings_arrive_and_a_stop_is_orderly(site: Site, office: Office) -> None:
    site.start()
    until(lambda: len(office.work().sizes) >= 3, 30)
    until(lambda: site.command("backlog") == 0)
    assert site.command("status") == 0
    assert site.command("run") == 3, "the state directory is taken"
    for _ in range(3):  # on a busy machine the last receipt may not come within the site's last seconds
        assert site.stop(office) == 0
        until(lambda: office.work().states[-1:] == ["offline"])
        verdict = agree(site, office)
        if len(office.leaves) == len(verdict.leaves):
            break
        site.start()
        until(lambda: office.work().states[-1:] == ["online"] and site.command("backlog") == 0, 30)
    assert len(office.leaves) == len(verdict.leaves), "the last checkpoint was sent before leaving"
    assert sum(isinstance(leaf.decode(data), Reading) for data in office.leaves) > 10


@pytest.mark.slow
def test_broker_absent_at_start_and_lost_later(site: Site, office: Office, broker: Mosquitto) -> None:
    broker.stop()
    site.start()
    until(lambda: (site.folder / "state" / "status.json").exists(), 30)
    until(lambda: json.loads((site.folder / "state" / "status.json").read_text())["log"]["signed"] > 30, 30)
    broker.start()
    until(lambda: len(office.work().sizes) >= 1, 30)
    broker.stop()
    before = len(office.leaves)
    broker.start()
    until(lambda: len(office.work().leaves) > before + 10, 40)
    assert site.stop(office) == 0
    agree(site, office)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_after_any_end_the_log_goes_on(site: Site, office: Office, number: int) -> None:
    site.start()
    until(lambda: len(office.work().sizes) >= 1, 30)
    site.stop(office, number)
    before = len(office.leaves)
    site.start()
    until(lambda: len(office.work().leaves) > before + 12, 30)
    assert site.stop(office) == 0
    agree(site, office)


@pytest.mark.slow
@pytest.mark.parametrize("turn", [1, 3])
@pytest.mark.parametrize("failpoint", sorted(FAILPOINTS))
def test_killed_at_a_failpoint_nothing_committed_is_lost(site: Site, office: Office, failpoint: str, turn: int) -> None:
    site.start(f"{failpoint}:{turn}")
    assert site.agent is not None
    until(lambda: office.work() and site.agent.poll() is not None, 40)
    assert site.agent.returncode == -signal.SIGKILL
    committed = Verdict(site.folder).leaves
    site.start()
    until(lambda: len(office.work().leaves) > len(committed) + 6, 40)
    assert site.stop(office) == 0
    assert office.leaves[: len(committed)] == committed
    agree(site, office)
