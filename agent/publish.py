"""Sends what the store holds until the office's receipt is there: the thin doer beside agent/uplink.py.

Bundles are made from stored bytes, so the first send and the one after a crash are the same. Everything the network
says is unsigned until its note has been verified; a message that is not understood is counted and dropped. Owns the
connection, not the log: receipts go through the store, a rollback is told to the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Callable, Sequence

from agent.clock import Clock
from agent.store import Signed, Store
from agent.uplink import LOOK_AGAIN_MS, Act, Held, Uplink, weigh
from link.failpoint import reach
from link.mqtt import Endpoint, Message, Mqtt, Publication
from mrv import exchange
from mrv.errors import BadInput, Fault, MrvError, Unavailable, fault
from mrv.exchange import Presence, topic
from mrv.log import proof
from mrv.log.bundle import Bundle, pack
from mrv.log.checkpoint import peek
from mrv.log.note import VerifyKey

#: Plain bytes of leaves beyond which small checkpoints are not sent together.
TOGETHER = 256 * 1024
#: Messages that may wait; more, and longer than an answer, are dropped: receipts come again, all else is only advice.
_INBOX = 64
#: Live topics are forgotten by the broker after this long (MQTT 5); bundles and receipts never are, by us.
LIVE_S = 7 * 24 * 3600
#: How long the last receipt may take when we leave, and how long the goodbye, in seconds.
_LAST_RECEIPT_S = 5
_GOODBYE_S = 3
_log = logging.getLogger(__name__)


class Publisher:
    """The site's end of the exchange. `on_receipt` and `on_foreign` run on the daemon's loop."""

    def __init__(
        self,
        site: str,
        endpoint: Endpoint,
        store: Store,
        clock: Clock,
        *,
        key: VerifyKey,
        cosigners: Sequence[VerifyKey],
        on_receipt: Callable[[], None] = lambda: None,
        on_foreign: Callable[[Fault], None] = lambda _fault: None,
    ) -> None:
        self.uplink = Uplink()
        #: What the office last answered instead of a receipt, for the status page; unsigned.
        self.answer: Fault | None = None
        #: Why the store could not be read; None once it can.
        self.trouble: Fault | None = None
        #: Messages that were not what they should be.
        self.refused = 0
        self.mqtt = Mqtt(
            endpoint,
            f"mrv-{site}",
            (topic(site, "down/receipt"), topic(site, "down/answer"), exchange.COLLECTOR_STATE),
            self._from_network,
            self._link_changed,
            will=Message(topic=topic(site, "up/state"), payload=_presence("offline"), retain=True),
            largest=2 * exchange.MAX_ANSWER,
        )
        self._site = site
        self._store = store
        self._clock = clock
        self._key = key
        self._cosigners = tuple(cosigners)
        self._on_receipt = on_receipt
        self._on_foreign = on_foreign
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._inbox: asyncio.Queue[Message] = asyncio.Queue(_INBOX)
        self._publication: Publication | None = None
        #: Checkpoint looked at, and summary announced, on this connection.
        self._looked = self._announced = 0
        self._read_store()

    def wake(self) -> None:
        """There is a new checkpoint. Called by who has just written it: looks at nothing, cannot fail."""
        self._wake.set()

    @property
    def received(self) -> int:
        """Leaves the office has acknowledged."""
        return self._receipt[0] if self._receipt else 0

    async def run(self) -> None:
        """Until cancelled. What the disk does not show now is asked for again: polling must not end for it."""
        self.mqtt.start()
        while True:
            try:
                await self._turn()
                self.trouble = None
            except Unavailable as error:
                _log.error("%s", error)
                self.trouble = error.faults[0]
                await self._clock.sleep(LOOK_AGAIN_MS)

    async def _turn(self) -> None:
        while not self._inbox.empty():
            await self._take(self._inbox.get_nowait())
        newest = self._store.newest_checkpoint()
        self._signed = newest.size if newest else 0
        await self._act()
        try:
            async with asyncio.timeout(LOOK_AGAIN_MS / 1000):
                await self._wake.wait()
        except TimeoutError:
            return
        self._wake.clear()

    async def stop(self) -> None:
        """After `run` was cancelled: get the last receipt if the office listens, then say that we leave."""
        self._read_store()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LAST_RECEIPT_S):
                while self._signed > self.received and self.uplink.listening:
                    await self._turn()
        goodbye = self.mqtt.publish(topic(self._site, "up/state"), _presence("offline"), retain=True)
        await asyncio.to_thread(goodbye.wait, _GOODBYE_S)
        await asyncio.to_thread(self.mqtt.stop)

    # -- sending ----------------------------------------------------------------------------------------------

    async def _act(self) -> None:
        now = self._now()
        if self._publication is not None and self._publication.done:
            refused, self._publication = self._publication.refused, None
            self.uplink = self.uplink.acked(now)
            if refused:
                self._fail(fault("agent.publish_refused", self._site, reason=refused))
        if self.uplink.overdue(now):
            self._fail(fault("agent.no_receipt", self._site))
        if self.uplink.up and not self.uplink.halted:
            self._announce()
        match self.uplink.decide(unsent=self._signed > self.received, now=now):
            case Act.SEND:
                await self._send()
            case Act.DROP:
                _log.warning("the broker acknowledges nothing; building the connection anew")
                self.uplink = self.uplink.dropped(now)
                self.mqtt.drop()
            case Act.WAIT:
                pass

    async def _send(self) -> None:
        size, data = await asyncio.to_thread(self._packed)
        reach("publish.before")
        publication = self.mqtt.publish(topic(self._site, "up/log"), data)
        if publication.accepted:
            self._publication = publication
            self.uplink = self.uplink.sent(size, self._now())
            reach("publish.sent")

    def _packed(self) -> tuple[int, bytes]:
        """The next bundle: as many small checkpoints as fit together, else just the next one, which always fits."""
        together = self._store.next_checkpoint(self.received, TOGETHER)
        try:
            return self._bundle(together)
        except BadInput:
            return self._bundle(self._store.next_checkpoint(self.received, 0))

    def _bundle(self, signed: Signed | None) -> tuple[int, bytes]:
        if signed is None:
            raise RuntimeError("nothing to send")
        old, note = self._receipt or (0, None)
        leaves = self._store.leaves(old, signed.size)
        return signed.size, pack(Bundle(old=old, receipt=note, checkpoint=signed.note, leaves=leaves))

    def _announce(self) -> None:
        """The newest summary with its proof, for whoever subscribes."""
        if self._signed == self._looked:
            return
        self._looked = self._signed
        found = self._store.newest_summary()
        if found is None or found[0].size == self._announced:
            return
        signed, summary = found
        self._announced = signed.size
        text = proof.write(signed.size - 1, signed.proof or (), signed.note, summary)
        self.mqtt.publish(topic(self._site, "up/summary"), text.encode(), retain=True, expires=LIVE_S)

    # -- receiving --------------------------------------------------------------------------------------------

    def _from_network(self, message: Message) -> None:
        self._loop.call_soon_threadsafe(self._arrived, message)

    def _link_changed(self, up: bool) -> None:
        self._loop.call_soon_threadsafe(self._linked, up)

    def _arrived(self, message: Message) -> None:
        if self._inbox.full() or len(message.payload) > exchange.MAX_ANSWER:
            self.refused += 1
            return
        self._inbox.put_nowait(message)
        self._wake.set()

    def _linked(self, up: bool) -> None:
        self.uplink = self.uplink.linked(up, self._now())
        if up:
            self._looked = self._announced = 0
            self.mqtt.publish(topic(self._site, "up/state"), _presence("online"), retain=True, expires=LIVE_S)
        self._wake.set()

    async def _take(self, message: Message) -> None:
        try:
            if message.topic == exchange.COLLECTOR_STATE:
                away = exchange.presence(message.payload).state == "offline"
                self.uplink = self.uplink.office(away, self._now(), news=not message.retain)
            elif message.topic == topic(self._site, "down/receipt"):
                await self._receive(message.payload)
            elif message.topic == topic(self._site, "down/answer"):
                await self._answered(message.payload)
        except MrvError as error:
            self.refused += 1
            _log.warning("ignored a message on %s: %s", message.topic, error)

    async def _receive(self, note: str | bytes) -> Held:
        """Weigh a cosigned checkpoint; keep a larger one. Raises MrvError for what is not one, or cannot be kept."""
        held, size = weigh(
            note, site=self._key, cosigners=self._cosigners, received=self.received, own=self._stored_note
        )
        if held is Held.KNOWN:
            return held
        reach("receipt.verified")
        text = note if isinstance(note, str) else note.decode()
        await asyncio.wrap_future(self._store.keep_receipt(size, text, self._clock.read().realtime))
        reach("receipt.kept")
        self._read_store()
        if held is Held.FOREIGN:
            self._halt(size)
        else:
            self.answer, self._publication = None, None
            self.uplink = self.uplink.received()
            self._on_receipt()
        return held

    async def _answered(self, payload: bytes) -> None:
        """An answer instead of a receipt. Unsigned: it may make us wait; only a verified proof in it may do more."""
        answer = exchange.answer(payload)
        held = await self._receive(answer.held) if answer.held else Held.KNOWN
        attempt = self.uplink.attempt
        if held is not Held.KNOWN or attempt is None:
            return
        sent = peek(self._stored_note(attempt.size) or "")
        if (answer.origin, answer.size, answer.root) != (sent.origin, sent.size, sent.text.split("\n")[2]):
            raise BadInput(fault("agent.answer_to_another", message_size=answer.size))
        self._fail(fault("agent.answered", self._site, status=answer.code, reason=answer.fault))

    def _fail(self, why: Fault) -> None:
        self.answer, self._publication = why, None
        jitter = random.randrange(1001)  # noqa: S311 (spread, not secrecy)
        self.uplink = self.uplink.failed(self._now(), jitter)
        _log.warning("%s %s", why.code, why.params)

    def _read_store(self) -> None:
        """The newest receipt and checkpoint; a receipt that is not of this log stops us, now and after any restart."""
        self._receipt = self._store.receipt()
        newest = self._store.newest_checkpoint()
        self._signed = newest.size if newest else 0
        if self._receipt is None or self.uplink.halted:
            return
        size, note = self._receipt
        mine = self._stored_note(size)
        if mine is None or peek(mine) != peek(note):
            self._halt(size)

    def _halt(self, held: int) -> None:
        if not self.uplink.halted:
            self.uplink = self.uplink.halt()
            self._on_foreign(fault("agent.rolled_back", self._site, held=held, size=self._store.size))

    def _stored_note(self, size: int) -> str | None:
        found = self._store.checkpoint(size)
        return found.note if found else None

    def _now(self) -> int:
        return self._clock.read().boottime


def _presence(state: str) -> bytes:
    return exchange.encode(Presence(version=1, state="online" if state == "online" else "offline"))
