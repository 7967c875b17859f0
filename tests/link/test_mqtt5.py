"""What MQTT 5 adds, seen by a client not written here: expiry where it was asked for, sessions that last, refusals."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from brokers import Mosquitto, mosquitto, until

from link.mqtt import SESSION_S, WINDOW, Endpoint, Message, Mqtt

pytestmark = pytest.mark.real


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


def client(broker: Mosquitto, name: str, *topics: str, heard: list[Message] | None = None) -> Mqtt:
    taken: list[Message] = heard if heard is not None else []
    made = Mqtt(Endpoint(host="127.0.0.1", port=broker.port), name, topics, taken.append)
    made.start()
    until(lambda: made.up)
    return made


def test_only_what_is_live_expires(broker: Mosquitto) -> None:
    seen: dict[str, int | None] = {}
    other = paho.Client(paho.CallbackAPIVersion.VERSION2, "other", protocol=paho.MQTTv5)
    other.on_message = lambda _c, _u, m: seen.__setitem__(m.topic, getattr(m.properties, "MessageExpiryInterval", None))
    ready: list[bool] = []
    other.on_subscribe = lambda *_: ready.append(True)
    other.connect("127.0.0.1", broker.port)
    other.subscribe("up/#", 1)
    other.loop_start()
    until(lambda: ready)
    ours = client(broker, "ours")
    assert ours.modern
    assert ours.publish("up/state", b"online", retain=True, expires=3600).wait(5)
    assert ours.publish("up/log", b"bundle").wait(5)
    until(lambda: len(seen) == 2)
    assert seen["up/log"] is None
    assert seen["up/state"] in range(3590, 3601)
    ours.stop()
    other.disconnect()
    other.loop_stop()


def test_a_session_outlives_its_connection(broker: Mosquitto) -> None:
    """What was sent while we were away comes when we are back: the same client id, no clean start."""
    heard: list[Message] = []
    away = client(broker, "away", "down/#", heard=heard)
    away.stop()
    writer = client(broker, "writer")
    assert writer.publish("down/receipt", b"meanwhile").wait(5)
    back = client(broker, "away", "down/#", heard=heard)
    until(lambda: [message.payload for message in heard] == [b"meanwhile"])
    for one in (back, writer):
        one.stop()


def test_what_we_tell_the_broker_of_ourselves() -> None:
    made = Mqtt(Endpoint(host="127.0.0.1", port=9), "x", largest=5000)
    made.start()
    told = made._client._connect_properties
    assert (told.SessionExpiryInterval, told.ReceiveMaximum, told.MaximumPacketSize) == (SESSION_S, WINDOW, 5000)
    made.stop()
