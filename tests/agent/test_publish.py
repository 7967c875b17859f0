"""The site's end of the exchange against a broker in memory and an office that is honest, silent or forged."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fakes import FakeClock

from agent import publish
from agent.publish import Publisher
from agent.store import Entry, Store
from link.errors import DiskError
from link.mqtt import Endpoint, Message, Mqtt
from mrv import exchange
from mrv.errors import Fault, fault
from mrv.exchange import Answer, Presence
from mrv.log import proof
from mrv.log.bundle import Bundle, unpack
from mrv.log.checkpoint import Checkpoint, cosign, issue, peek
from mrv.log.note import COSIGNATURE, NOTE, SigningKey

SITE = SigningKey("example/mrv/here/k1", NOTE, bytes(range(32)))
OFFICE = SigningKey("example/mrv/collector", COSIGNATURE, bytes(range(2, 34)))
STRANGER = SigningKey("example/mrv/collector", COSIGNATURE, bytes(range(3, 35)))
RECEIPT, ANSWER = "mrv/1/here/down/receipt", "mrv/1/here/down/answer"


def sign(size: int, root: bytes) -> str:
    return issue(Checkpoint(SITE.name, size, root), SITE)


class Sent:
    """A publication the test acknowledges by hand."""

    def __init__(self, accepted: bool) -> None:
        self.accepted, self.done, self.refused = accepted, False, ""

    def wait(self, _timeout: float) -> bool:
        return self.done


class MemoryBroker:
    """Takes the place of link.mqtt.Mqtt: what was published, and a way to bring messages."""

    def __init__(
        self, _endpoint, client_id, subscriptions, on_message, on_link, will, manual_ack=False, largest=None
    ) -> None:
        self.client_id, self.topics, self.will = client_id, subscriptions, will
        self._on_message, self._on_link = on_message, on_link
        self.up, self.dropped, self.trouble = False, 0, None
        self.published: list[tuple[str, bytes, bool]] = []
        self.bundles: list[tuple[Bundle, Sent]] = []

    def start(self) -> None:
        self.link(True)

    def stop(self) -> None:
        self.up = False

    def drop(self) -> None:
        self.dropped += 1
        self.link(False)

    def link(self, up: bool) -> None:
        self.up = up
        self._on_link(up)

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, expires=None) -> Sent:
        sent = Sent(self.up)
        if self.up and topic.endswith("up/log"):
            self.bundles.append((unpack(payload), sent))
        elif self.up:
            self.published.append((topic, payload, retain))
        return sent

    def bring(self, topic: str, payload: bytes | str) -> None:
        self._on_message(Message(topic=topic, payload=payload if isinstance(payload, bytes) else payload.encode()))


def test_the_fake_takes_what_the_real_one_takes() -> None:
    for name in ("__init__", "start", "stop", "drop", "publish"):
        real, fake = (inspect.signature(getattr(cls, name)).parameters for cls in (Mqtt, MemoryBroker))
        assert [one.lstrip("_") for one in fake] == [one.lstrip("_") for one in real], name


class Office:
    """A publisher with everything around it."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.foreign: list[Fault] = []
        self.publisher = Publisher(
            "here",
            Endpoint(host="127.0.0.1", port=9),
            store,
            clock,
            key=SITE.public,
            cosigners=[OFFICE.public],
            on_foreign=self.foreign.append,
        )
        self.broker: MemoryBroker = self.publisher.mqtt  # type: ignore[assignment]
        self.task = asyncio.create_task(self.publisher.run())

    async def until(self, condition: Callable[[], object]) -> None:
        for _ in range(500):
            if condition():
                return
            self.publisher.wake()
            await asyncio.sleep(0.002)
        pytest.fail("did not happen")

    async def idle(self) -> None:
        for _ in range(10):
            self.publisher.wake()
            await asyncio.sleep(0.002)

    async def later(self, ms: int) -> None:
        self.clock.pass_time(ms)
        await self.idle()

    async def bundle(self, number: int) -> Bundle:
        """The `number`th bundle sent, waited for."""
        await self.until(lambda: len(self.broker.bundles) >= number)
        return self.broker.bundles[number - 1][0]

    def acknowledge(self) -> None:
        self.broker.bundles[-1][1].done = True

    async def receipt(self, size: int, key: SigningKey = OFFICE) -> None:
        self.broker.bring(RECEIPT, cosign(self.store.checkpoint(size).note, key, 1))
        await self.idle()


def answer(code: int, checkpoint: Checkpoint, held: str | None = None) -> bytes:
    return exchange.encode(
        Answer(
            version=1,
            code=code,
            origin=checkpoint.origin,
            size=checkpoint.size,
            root=checkpoint.text.split("\n")[2],
            fault="collector.test",
            held=held,
        )
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "log.sqlite")
    store.append([Entry("reading", b"leaf %d" % n) for n in range(5)], 1, sign).result()
    return store


@pytest.fixture
async def office(store: Store, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setattr(publish, "Mqtt", MemoryBroker)
    office = Office(store, FakeClock())
    await office.until(lambda: office.publisher.uplink.up)
    await office.later(1_000)
    yield office
    office.task.cancel()
    await asyncio.gather(office.task, return_exceptions=True)
    store.close()


def grow(store: Store, *numbers: int, kind: str = "reading") -> None:
    store.append([Entry(kind, b"leaf %d" % n) for n in numbers], 2, sign).result()


async def test_bundle_receipt_next_bundle(office: Office) -> None:
    first = await office.bundle(1)
    assert (first.old, first.receipt, first.leaves) == (0, None, tuple(b"leaf %d" % n for n in range(5)))
    grow(office.store, 5, 6)
    await office.idle()
    assert len(office.broker.bundles) == 1, "one in flight"
    office.acknowledge()
    await office.receipt(5)
    second = await office.bundle(2)
    assert (second.old, second.leaves) == (5, (b"leaf 5", b"leaf 6"))
    assert second.receipt is not None
    assert peek(second.receipt).size == 5


async def test_a_puback_without_receipt_is_tried_again_after_a_minute_and_more(office: Office) -> None:
    await office.bundle(1)
    office.acknowledge()
    await office.idle()
    await office.later(59_000)
    assert len(office.broker.bundles) == 1
    await office.later(2_000)
    assert office.publisher.answer is not None
    assert office.publisher.answer.code == "agent.no_receipt"
    await office.later(44_000)
    assert len(office.broker.bundles) == 1, "backed off"
    await office.later(32_000)
    assert len(office.broker.bundles) == 2
    assert office.broker.bundles[1][0] == office.broker.bundles[0][0]


async def test_without_puback_the_connection_is_built_anew_and_repeats_it_itself(office: Office) -> None:
    await office.bundle(1)
    await office.later(181_000)
    assert office.broker.dropped == 1
    office.broker.link(True)
    await office.later(5_000)
    assert len(office.broker.bundles) == 1, "the connection repeats it, not we"
    office.acknowledge()
    await office.receipt(5)
    assert office.publisher.received == 5


async def test_an_office_that_is_away_is_not_sent_to(office: Office) -> None:
    await office.bundle(1)
    office.acknowledge()
    await office.receipt(5)
    office.broker.bring(exchange.COLLECTOR_STATE, exchange.encode(Presence(version=1, state="offline")))
    grow(office.store, 5)
    await office.later(100_000)
    assert len(office.broker.bundles) == 1
    office.broker.bring(exchange.COLLECTOR_STATE, exchange.encode(Presence(version=1, state="online")))
    await office.idle()
    await office.later(1_000)
    assert (await office.bundle(2)).old == 5


async def test_an_honest_400_backs_off_and_sends_again(office: Office) -> None:
    bundle = await office.bundle(1)
    office.broker.bring(ANSWER, answer(400, peek(bundle.checkpoint)))
    await office.until(lambda: office.publisher.answer)
    assert len(office.broker.bundles) == 1
    await office.later(80_000)
    assert len(office.broker.bundles) == 2


@pytest.mark.parametrize("code", [400, 403, 409])
async def test_an_answer_to_something_else_changes_nothing(office: Office, code: int) -> None:
    bundle = await office.bundle(1)
    before = office.publisher.uplink
    sent = peek(bundle.checkpoint)
    for wrong in (
        Checkpoint(sent.origin, 4, sent.root),
        Checkpoint(sent.origin, 5, bytes(32)),
        Checkpoint("other", 5, sent.root),
    ):
        office.broker.bring(ANSWER, answer(code, wrong))
    await office.until(lambda: office.publisher.refused == 3)
    assert (office.publisher.uplink, office.publisher.answer, office.foreign) == (before, None, [])


@pytest.mark.parametrize(
    "forged",
    [
        lambda: cosign(sign(99, bytes(32)), STRANGER, 1),
        lambda: sign(99, bytes(32)),
        lambda: "mrv\n99\nAAAA\n",
        lambda: "\x00" * 1000,
    ],
)
async def test_a_forged_proof_does_not_move_the_site(office: Office, forged: Callable[[], str]) -> None:
    bundle = await office.bundle(1)
    before = office.publisher.uplink
    office.broker.bring(RECEIPT, forged())
    office.broker.bring(ANSWER, answer(409, peek(bundle.checkpoint), held=forged()))
    await office.until(lambda: office.publisher.refused == 2)
    assert (office.publisher.uplink, office.publisher.received, office.foreign) == (before, 0, [])
    assert office.store.receipt() is None


async def test_a_replayed_receipt_is_not_kept(office: Office) -> None:
    await office.bundle(1)
    await office.receipt(5)
    grow(office.store, 5)
    await office.bundle(2)
    await office.receipt(6)
    await office.receipt(5)
    assert office.store.receipt()[0] == 6
    assert office.publisher.refused == 0


async def test_a_verified_proof_of_another_history_halts_for_good(office: Office) -> None:
    bundle = await office.bundle(1)
    held = cosign(sign(99, bytes(32)), OFFICE, 1)
    office.broker.bring(ANSWER, answer(409, peek(bundle.checkpoint), held=held))
    await office.until(lambda: office.foreign)
    assert office.foreign[0].code == "agent.rolled_back"
    grow(office.store, 5)
    await office.later(10**8)
    assert len(office.broker.bundles) == 1
    again = Office(office.store, office.clock)
    assert [f.params["held"] for f in again.foreign] == ["99"]
    again.task.cancel()


async def test_the_newest_summary_is_announced_with_a_proof_that_holds(office: Office) -> None:
    await office.bundle(1)
    grow(office.store, 5)
    grow(office.store, 6, 7, kind="summary")
    await office.until(lambda: any(topic.endswith("up/summary") for topic, _, _ in office.broker.published))
    topic, text, retained = next(p for p in office.broker.published if p[0].endswith("up/summary"))
    assert retained
    read = proof.read(text.decode())
    assert proof.verify(text.decode(), read.extra or b"", SITE.public).size == 8
    assert read.extra == b"leaf 7"
    office.broker.link(False)
    office.broker.link(True)
    await office.until(lambda: sum(p[0] == topic for p in office.broker.published) == 2)


async def test_presence_is_retained_and_left_as_a_will(office: Office) -> None:
    assert exchange.presence(office.broker.will.payload).state == "offline"
    assert office.broker.will.retain
    states = [p for p in office.broker.published if p[0] == "mrv/1/here/up/state"]
    assert [(exchange.presence(payload).state, retained) for _, payload, retained in states] == [("online", True)]


async def test_checkpoints_too_large_to_go_together_go_one_by_one(store: Store, monkeypatch) -> None:
    monkeypatch.setattr(publish, "Mqtt", MemoryBroker)
    noise = random.Random(1)
    for _ in range(4):
        store.append([Entry("reading", noise.randbytes(40_000))], 3, sign).result()
    office = Office(store, FakeClock())
    await office.until(lambda: office.publisher.uplink.up)
    await office.later(1_000)
    sizes = []
    for number in range(1, 9):
        bundle = await office.bundle(number)
        sizes.append(peek(bundle.checkpoint).size)
        await office.receipt(sizes[-1])
        if sizes[-1] == 9:
            break
    assert sizes[-1] == 9
    assert len(sizes) > 1
    office.task.cancel()
    store.close()


async def test_a_disk_that_cannot_be_read_for_a_moment(
    office: Office, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The publisher must not end for it: the daemon, and with it the polling, would end, too."""
    await office.bundle(1)
    office.acknowledge()
    with monkeypatch.context() as broken:

        def unreadable(*_arguments: object) -> tuple[bytes, ...]:
            raise DiskError(fault("link.disk_error", "log.sqlite", problem="disk I/O error"))

        broken.setattr(store, "leaves", unreadable)
        store.append([Entry("reading", b"one more")], 2, sign).result()
        await office.receipt(5)
        await office.until(lambda: office.publisher.trouble)
        assert not office.task.done()
    await office.clock.run(2_000, office.idle)
    assert (await office.bundle(2)).old == 5
    await office.until(lambda: office.publisher.trouble is None)
