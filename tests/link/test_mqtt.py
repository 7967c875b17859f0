"""Against a real mosquitto: link up and down, acknowledgement, the will, redelivery, and no error for the network."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Mosquitto, free_port, mosquitto, until

from link.mqtt import Endpoint, Message, Mqtt

pytestmark = pytest.mark.real


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


class Client:
    """An Mqtt that remembers what it was told."""

    def __init__(self, port: int, name: str, *topics: str, **kwargs: object) -> None:
        self.got: list[Message] = []
        self.links: list[bool] = []
        self.mqtt = Mqtt(
            Endpoint(host="127.0.0.1", port=port), name, topics, self.got.append, self.links.append, **kwargs
        )
        self.mqtt.start()

    def ready(self) -> Client:
        until(lambda: self.mqtt.up)
        return self


@pytest.fixture
def connect(broker: Mosquitto) -> Iterator[object]:
    made: list[Client] = []

    def build(name: str, *topics: str, **kwargs: object) -> Client:
        made.append(Client(broker.port, name, *topics, **kwargs))
        return made[-1]

    yield build
    for client in made:
        client.mqtt.stop()


def test_a_message_arrives_and_the_publication_is_done(connect) -> None:
    reader = connect("reader", "a/#").ready()
    sent = connect("writer").ready().mqtt.publish("a/b", b"\x00payload", retain=True)
    assert sent.wait(5)
    until(lambda: reader.got)
    assert (reader.got[0].topic, reader.got[0].payload) == ("a/b", b"\x00payload")
    late = connect("late", "a/#").ready()
    until(lambda: late.got)
    assert late.got[0].retain


def test_nothing_is_queued_or_raised_without_a_broker() -> None:
    client = Client(9, "alone", "a/#")
    until(lambda: client.mqtt.trouble)
    assert client.mqtt.trouble.code == "link.broker_unreachable"
    sent = client.mqtt.publish("a", b"x")
    assert (sent.accepted, sent.done, sent.wait(0.1)) == (False, False, False)
    client.mqtt.stop()
    assert client.links == []


def test_a_lost_broker_is_told_and_found_again(broker: Mosquitto, connect) -> None:
    client = connect("site", "down/#").ready()
    broker.stop()
    until(lambda: not client.mqtt.up)
    assert client.mqtt.trouble.code == "link.broker_lost"
    broker.start()
    until(lambda: client.mqtt.up, timeout=20)
    assert client.links == [True, False, True]
    assert client.mqtt.trouble is None
    assert client.mqtt.publish("x", b"after").wait(5)


def test_the_will_speaks_for_one_that_vanished_and_not_for_one_that_left(connect) -> None:
    watcher = connect("watcher", "state/#").ready()
    will = Message(topic="state/site", payload=b"offline", retain=True)
    vanishing = connect("vanishing", will=will).ready()
    vanishing.mqtt.drop()
    until(lambda: watcher.got)
    assert watcher.got[0].payload == b"offline"
    until(lambda: vanishing.mqtt.up)
    vanishing.mqtt.stop()
    connect("leaving").ready().mqtt.publish("state/end", b"")
    until(lambda: watcher.got[-1].topic == "state/end")
    assert len(watcher.got) == 2


def test_what_was_not_acknowledged_comes_again(connect) -> None:
    first = connect("office", "up/#", manual_ack=True).ready()
    site = connect("site").ready()
    site.mqtt.publish("up/log", b"one").wait(5)
    until(lambda: first.got)
    first.mqtt.drop()
    until(lambda: len(first.got) == 2)
    first.mqtt.ack(first.got[1])
    site.mqtt.publish("up/log", b"two").wait(5)
    until(lambda: len(first.got) == 3)
    assert [m.payload for m in first.got] == [b"one", b"one", b"two"]


def test_a_handler_that_raises_does_not_end_the_connection(broker: Mosquitto, connect) -> None:
    seen: list[bytes] = []

    def handler(message: Message) -> None:
        seen.append(message.payload)
        raise ZeroDivisionError

    fragile = Mqtt(Endpoint(host="127.0.0.1", port=broker.port), "fragile", ["a"], handler)
    fragile.start()
    until(lambda: fragile.up)
    writer = connect("writer").ready()
    for payload in (b"1", b"2"):
        writer.mqtt.publish("a", payload).wait(5)
    until(lambda: seen == [b"1", b"2"])
    fragile.stop()


def test_a_broker_that_is_away_is_said_once_and_in_words(caplog: pytest.LogCaptureFixture) -> None:
    """However often it is tried again; the library's own sentence for each attempt is not for a technician."""
    tried = 0

    class Counting(Mqtt):
        def _unreachable(self, *words: object) -> None:
            nonlocal tried
            tried += 1
            super()._unreachable(*words)

    mqtt = Counting(Endpoint(host="127.0.0.1", port=free_port()), "nobody-there")
    with caplog.at_level(logging.WARNING):
        mqtt.start()
        until(lambda: tried >= 2)
        mqtt.stop()
    told = [record.getMessage() for record in caplog.records if record.name.startswith("link.mqtt")]
    assert len(told) == 1, told
    assert "the broker cannot be reached" in told[0]
