"""Every line of the broker's shipped configuration, attacked: nothing is delivered, and the honest site goes on."""

from __future__ import annotations

import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from brokers import until
from secure import SecureBroker, csr, now

from collector.ca import Pair, create
from link.mqtt import Message, Mqtt
from link.tls import Tls
from mrv.log.bundle import CAP

pytestmark = pytest.mark.real
FOREIGN = "mrv/1/site-a/up/log"


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureBroker]:
    made = SecureBroker(tmp_path_factory.mktemp("broker"))
    made.start()
    yield made
    made.stop()


class Client:
    """An Mqtt with what it heard; `ready` waits for the link."""

    def __init__(self, broker: SecureBroker, name: str, files: Tls | None, *topics: str, **more: object) -> None:
        self.heard: list[Message] = []
        self.mqtt = Mqtt(broker.endpoint(files), name, topics, self.heard.append, **more)
        self.mqtt.start()

    def ready(self) -> Client:
        until(lambda: self.mqtt.up)
        return self


Connect = Callable[..., Client]


@pytest.fixture
def connect(broker: SecureBroker) -> Iterator[Connect]:
    made: list[Client] = []

    def build(name: str, files: Tls | None, *topics: str, **more: object) -> Client:
        made.append(Client(broker, name, files, *topics, **more))
        return made[-1]

    yield build
    for client in made:
        client.mqtt.stop()


@pytest.fixture
def office(broker: SecureBroker, connect: Connect) -> Client:
    """The collector: it hears whatever any site gets delivered."""
    return connect("whatever", broker.office("1"), "mrv/1/+/up/#").ready()


@pytest.fixture
def honest(broker: SecureBroker, connect: Connect) -> Client:
    return connect("whatever", broker.site("site-a"), "mrv/1/site-a/down/receipt", "mrv/1/collector/state").ready()


@pytest.fixture(autouse=True)
def all_goes_on(office: Client, honest: Client) -> Iterator[None]:
    """After every attack: the site is still connected, what it sends arrives, what it is sent arrives."""
    yield
    office.heard.clear()
    assert honest.mqtt.publish(FOREIGN, b"honest").wait(10)
    until(lambda: [m.payload for m in office.heard] == [b"honest"])
    assert office.mqtt.publish("mrv/1/site-a/down/receipt", b"receipt").wait(10)
    until(lambda: any(m.payload == b"receipt" for m in honest.heard))
    assert honest.mqtt.modern
    assert office.mqtt.modern


def anew(broker: SecureBroker, *clients: Client) -> None:
    """A broker that remembers no session of earlier tests: mosquitto 2.0.11 now and then ends with a segmentation fault
    in its list of sessions that run out, after many clients of one name, once it is busy."""
    broker.stop()
    until(lambda: not any(client.mqtt.up for client in clients))
    broker.start()
    for client in clients:
        client.ready()


def quiet(office: Client) -> None:
    """Nothing has been delivered, and nothing is on its way."""
    time.sleep(0.3)
    assert office.heard == []


@pytest.mark.parametrize(
    "topic", [FOREIGN, "mrv/1/site-a/up/state", "mrv/1/site-a/down/receipt", "mrv/1/collector/state"]
)
def test_another_sites_topics_cannot_be_written(
    topic: str, broker: SecureBroker, connect: Connect, office: Client, honest: Client
) -> None:
    site = connect("b", broker.site("site-b")).ready()
    sent = site.mqtt.publish(topic, b"forged", retain=True)
    assert sent.wait(10)
    assert "Not authorized" in sent.refused, "MQTT 5 says so in the acknowledgement"
    quiet(office)
    assert honest.heard == []


@pytest.mark.parametrize(
    "topic", ["#", "mrv/1/+/up/#", "mrv/1/site-a/down/receipt", "mrv/1/#", "$share/x/mrv/1/+/up/log"]
)
def test_what_is_not_yours_cannot_be_heard(
    topic: str, broker: SecureBroker, connect: Connect, office: Client, honest: Client
) -> None:
    """mosquitto grants a wildcard and then delivers nothing that the list does not allow; a plain topic it refuses."""
    spy = connect("b", broker.site("site-b"), topic)
    until(lambda: spy.mqtt.up or spy.mqtt.trouble is not None)
    assert office.mqtt.publish("mrv/1/site-a/down/receipt", b"for a only").wait(10)
    assert honest.mqtt.publish(FOREIGN, b"for the office only").wait(10)
    until(lambda: office.heard)
    until(lambda: honest.heard)
    time.sleep(0.3)
    assert spy.heard == []
    office.heard.clear()
    honest.heard.clear()


def test_a_last_will_is_no_way_around(broker: SecureBroker, connect: Connect, office: Client) -> None:
    will = Message(topic=FOREIGN, payload=b"from the grave")
    site = connect("b", broker.site("site-b"), will=will)
    until(lambda: site.mqtt.up or site.mqtt.trouble is not None)
    site.mqtt.drop()
    quiet(office)


def test_a_client_id_cannot_be_squatted(broker: SecureBroker, connect: Connect, honest: Client) -> None:
    """Asking for the honest site's client id gets the intruder its own: the honest one is not thrown out."""
    connect("site-a", broker.site("site-b")).ready()
    time.sleep(0.3)
    assert honest.mqtt.up


def refused(client: Client, why: str) -> None:
    until(lambda: client.mqtt.trouble is not None and client.mqtt.trouble.code == "link.tls_refused", timeout=20)
    assert client.mqtt.trouble is not None
    assert why in client.mqtt.trouble.params["reason"]
    assert not client.mqtt.up


def test_a_certificate_of_another_authority(
    broker: SecureBroker, connect: Connect, office: Client, tmp_path: Path
) -> None:
    request, key = csr("site-a")
    issued = create(tmp_path / "ca", "example.org", now()).site(request, "site-a", now())
    files = broker.files("forged", Pair(certificate=issued.pem, key=key, serial=issued.serial))
    refused(connect("site-a", files), "alert unknown ca")
    quiet(office)


def test_an_expired_certificate(broker: SecureBroker, connect: Connect) -> None:
    refused(connect("old", broker.site("old", now() - timedelta(days=900))), "alert certificate expired")


def test_a_revoked_certificate_ends_at_the_next_connection(
    broker: SecureBroker, connect: Connect, office: Client
) -> None:
    files = broker.site("lost-gateway")
    before = connect("lost-gateway", files).ready()
    broker.authority.revoke("lost-gateway", now())
    broker.publish_crl()
    broker.signal(signal.SIGHUP)
    time.sleep(0.5)
    before.mqtt.drop()
    until(lambda: not before.mqtt.up)
    refused(before, "alert certificate revoked")
    quiet(office)


def test_a_brokers_certificate_is_no_clients(broker: SecureBroker, connect: Connect) -> None:
    pair = broker.authority.broker(["site-a"], now())
    refused(connect("site-a", broker.files("thief", pair)), "alert")


def answer(connection: socket.socket) -> bytes:
    try:
        return connection.recv(64)
    except ConnectionResetError:
        return b""


def test_without_a_certificate_or_without_tls_there_is_no_door(broker: SecureBroker) -> None:
    context = ssl.create_default_context(cafile=str(broker.folder / "ca.pem"))
    with socket.create_connection(("127.0.0.1", broker.port), 5) as plain:
        plain.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x1e\x00\x04evil")
        assert not answer(plain), "not even a refusal in MQTT"
    with (
        socket.create_connection(("127.0.0.1", broker.port), 5) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
        pytest.raises(ssl.SSLError, match=r"(?i)certificate.required"),
    ):
        wrapped.recv(64)


def test_an_older_tls_is_no_way_in(broker: SecureBroker) -> None:
    files = broker.site("site-old-tls")
    context = files.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", broker.port), 5) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"),
    ):
        context.wrap_socket(plain, server_hostname="127.0.0.1")


def test_nothing_else_listens(broker: SecureBroker) -> None:
    listening = subprocess.run(["ss", "-ltnp"], capture_output=True, text=True, check=True).stdout
    ours = [line.split()[3] for line in listening.splitlines() if f"pid={broker.pid}," in line]
    assert ours == [f"127.0.0.1:{broker.port}"]


def test_an_oversized_message_ends_only_its_senders_connection(
    broker: SecureBroker, connect: Connect, office: Client
) -> None:
    site = connect("b", broker.site("site-b")).ready()
    assert site.mqtt.publish("mrv/1/site-b/up/log", bytes(CAP)).wait(10), "the largest bundle goes through"
    until(lambda: office.heard)
    office.heard.clear()
    sent = site.mqtt.publish("mrv/1/site-b/up/log", bytes(4 * CAP + 8192))
    until(lambda: not site.mqtt.up or sent.done)
    assert sent.refused or not sent.done
    quiet(office)


def test_a_flood_of_one_site_does_not_stop_another(
    broker: SecureBroker, connect: Connect, office: Client, honest: Client
) -> None:
    """A thousand messages as fast as they go: the honest site's own gets through while they come."""
    anew(broker, office, honest)
    site = connect("b", broker.site("site-b")).ready()
    for _ in range(1000):
        site.mqtt.publish("mrv/1/site-b/up/state", b"x" * 1000, qos=0)
    assert honest.mqtt.publish(FOREIGN, b"meanwhile").wait(10)
    until(lambda: any(m.payload == b"meanwhile" for m in office.heard))
    until(lambda: sum(m.topic == "mrv/1/site-b/up/state" for m in office.heard) > 0)
    site.mqtt.stop()
    time.sleep(0.5)
