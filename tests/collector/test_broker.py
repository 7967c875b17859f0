"""The embedded broker with a client not written for it: the largest bundle passes, larger than the limit does not."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest
from brokers import free_port, until

from collector.broker import LIMIT, EmbeddedBroker
from link.mqtt import Endpoint, Message, Mqtt
from mrv.errors import Refused, Unavailable
from mrv.log.bundle import CAP


@pytest.fixture(name="endpoint")
def listening() -> Iterator[Endpoint]:
    broker = EmbeddedBroker(Endpoint(host="127.0.0.1", port=free_port()))
    broker.start()
    yield broker.endpoint
    broker.stop()


@pytest.fixture(name="pair")
def two_clients(endpoint: Endpoint) -> Iterator[tuple[list[Message], Mqtt, Mqtt]]:
    got: list[Message] = []
    reader, writer = Mqtt(endpoint, "reader", ["up/#"], got.append), Mqtt(endpoint, "writer")
    for client in (reader, writer):
        client.start()
        until(lambda client=client: client.up)  # type: ignore[misc]
    yield got, reader, writer
    for client in (reader, writer):
        client.stop()


def test_the_largest_bundle_goes_through(pair: tuple[list[Message], Mqtt, Mqtt]) -> None:
    got, _, writer = pair
    body = os.urandom(CAP)
    assert writer.publish("up/log", body).wait(10)
    until(lambda: got)
    assert got[0].payload == body


def test_more_than_four_of_them_end_the_connection(pair: tuple[list[Message], Mqtt, Mqtt]) -> None:
    got, _, writer = pair
    assert writer.publish("up/log", bytes(LIMIT - 100)).wait(10), "below the limit it only has to be parsed"
    until(lambda: got)
    sent = writer.publish("up/log", bytes(LIMIT + 1))
    until(lambda: not writer.up)
    assert not sent.done
    assert len(got) == 1


def test_a_retained_message_waits_for_who_comes_later(pair: tuple[list[Message], Mqtt, Mqtt]) -> None:
    _, reader, writer = pair
    assert writer.publish("down/receipt", b"note", retain=True).wait(10)
    late: list[Message] = []
    other = Mqtt(reader.endpoint, "late", ["down/#"], late.append)
    other.start()
    until(lambda: late)
    other.stop()
    assert late[0].payload == b"note"


def test_a_taken_port_says_so(endpoint: Endpoint) -> None:
    with pytest.raises(Unavailable, match=r"collector\.broker_failed"):
        EmbeddedBroker(endpoint).start()


def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(Refused, match=r"collector\.no_embedded_broker"):
        EmbeddedBroker(Endpoint(host="127.0.0.1", port=free_port())).start()
