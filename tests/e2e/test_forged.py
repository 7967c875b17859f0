"""Somebody else at the broker: whatever they say to either end, in whatever name, neither moves and both go on."""

from __future__ import annotations

import gzip
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from world import ORIGIN, World, until, world

from demo.layout import ORG, SITE
from link.mqtt import Endpoint, Message, Mqtt
from mrv.exchange import COLLECTOR_STATE, Answer, Presence, answer, encode, topic
from mrv.log.bundle import CAP, Bundle, entries, pack, unpack
from mrv.log.checkpoint import Checkpoint, cosign, issue, peek
from mrv.log.merkle import EMPTY, leaf_hash
from mrv.log.note import COSIGNATURE, NOTE, SigningKey

pytestmark = [pytest.mark.slow, pytest.mark.real]
RECEIPT, ANSWER, LOG = (topic(SITE, channel) for channel in ("down/receipt", "down/answer", "up/log"))
#: Keys of the right name that nobody enrolled.
THIEF = SigningKey(ORIGIN, NOTE, bytes(range(32)))
IMPOSTOR = SigningKey(f"{ORG}/mrv/collector", COSIGNATURE, bytes(range(1, 33)))
NEIGHBOUR = SigningKey(f"{ORG}/mrv/other-factory/k1", NOTE, bytes(range(2, 34)))
NOISE = (b"", b"\0", b"{}", b"\xff" * 1000, b"[" * 5000, b"\n" * 70_000, b"x" * 400_000)


class Attacker:
    """Hears what the site and the office say, and says what it likes."""

    def __init__(self, port: int) -> None:
        self.heard: list[Message] = []
        topics = [topic("+", channel) for channel in ("up/log", "down/receipt", "down/answer")]
        self._mqtt = Mqtt(Endpoint(host="127.0.0.1", port=port), "attacker", topics, self.heard.append)
        self._mqtt.start()
        until(lambda: self._mqtt.up, 20)

    def say(self, name: str, payload: bytes, *, retain: bool = False) -> None:
        assert self._mqtt.publish(name, payload, retain=retain).wait(10)

    def both_ways(self, name: str, payload: bytes) -> None:
        """Not retained, and retained."""
        self.say(name, payload)
        self.say(name, payload, retain=True)

    def bundles(self) -> list[bytes]:
        return [message.payload for message in self.heard if message.topic == LOG]

    def answers(self, site: str = SITE) -> list[Answer]:
        return [answer(message.payload) for message in self.heard if message.topic == topic(site, "down/answer")]

    def asked(self, body: bytes, site: str = SITE) -> int:
        """The code that the office answers a bundle with."""
        before = len(self.answers(site))
        self.say(topic(site, "up/log"), body)
        until(lambda: len(self.answers(site)) > before, 20, lambda: body[:200])
        return self.answers(site)[-1].code

    def receipt(self, body: bytes) -> int:
        """The size of the receipt that the office answers a bundle with."""
        before = len(self.heard)
        self.say(LOG, body)
        until(lambda: any(message.topic == RECEIPT for message in self.heard[before:]), 20)
        return peek(self.heard[-1].payload).size

    def close(self) -> None:
        self._mqtt.stop()


@contextmanager
def attacked(made: World) -> Iterator[Attacker]:
    attacker = Attacker(made.broker.port)
    try:
        yield attacker
    finally:
        attacker.close()


def held_still(made: World) -> dict[str, Any]:
    """What the network must not be able to change at the site."""
    site, status = made.site(), made.status()
    alarms = {alarm["code"] for alarm in status["alarms"]}
    return {
        "receipts": site.receipts,
        "checkpoints": {size: note for size, note in site.checkpoints.items() if size <= site.received},
        "received": status["log"]["received"],
        "halted": "agent.rolled_back" in alarms,
    }


def without(note: str, key: SigningKey) -> str:
    """A cosigned note without the lines of `key`'s name."""
    return "".join(line for line in note.splitlines(keepends=True) if not line.startswith(f"— {key.name} "))


def forged_receipts(made: World) -> Iterator[bytes]:
    """Everything that looks like a receipt and is none, or none that is new."""
    site = made.site()
    newest, real = max(site.checkpoints.items()), max(site.receipts.items())[1]
    own = newest[1]
    yield cosign(own, IMPOSTOR, 1).encode()  # the site's own checkpoint under a key that only has the right name
    yield cosign(issue(Checkpoint(ORIGIN, newest[0] + 1000, bytes(32)), THIEF), IMPOSTOR, 1).encode()
    yield cosign(issue(Checkpoint(NEIGHBOUR.name, newest[0], bytes(32)), NEIGHBOUR), IMPOSTOR, 1).encode()
    origin, size, root = peek(real).text.splitlines()
    yield real.replace(f"\n{size}\n", f"\n{newest[0]}\n").encode()
    yield real.replace(f"\n{size}\n", f"\n{int(size) + 10_000}\n").encode()
    yield real.replace(root, peek(own).text.splitlines()[2]).encode()
    yield real.replace(origin, NEIGHBOUR.name).encode()
    yield own.encode()  # nobody cosigned it
    yield without(real, SigningKey(ORIGIN, NOTE, bytes(32))).encode()  # only the office signed it
    yield (own + without(real, SigningKey(ORIGIN, NOTE, bytes(32))).split("\n\n")[1]).encode()  # lines of another note
    for _, note in sorted(site.receipts.items())[:5]:  # true, and old
        yield note.encode()
    yield from NOISE


def forged_answers(made: World, sent: bytes) -> Iterator[bytes]:
    """Refusals of the bundle in flight in the office's name, with every proof that can be had without its key."""
    site, claim = made.site(), peek(unpack(sent).checkpoint)
    origin, size, root = claim.text.splitlines()
    proofs = [None, "", "rubbish", *(note.decode(errors="replace") for note in forged_receipts(made))]
    for code in (400, 403, 409):
        for proof in proofs:
            if proof is None or len(proof) < 10_000:
                yield encode(
                    Answer(version=1, code=code, origin=origin, size=int(size), root=root, fault="x", held=proof)
                )
    yield encode(Answer(version=1, code=409, origin=origin, size=2**53 - 1, root=root, fault="x"))
    yield encode(Answer(version=1, code=409, origin="", size=0, root="", fault="%s{x}\n"))
    yield encode(Presence(version=1, state="online"))
    yield b'{"v":1,"code":200}'
    assert site.received
    yield from NOISE


@pytest.mark.timeout(240)
def test_the_site_does_not_move(tmp_path: Path) -> None:
    """The office is frozen with a bundle on its way to it: only the attacker answers."""
    with world(tmp_path, limit=0) as made, attacked(made) as attacker:
        made.goes_on()
        made.collector.signal(signal.SIGSTOP)
        before = len(attacker.bundles())
        until(lambda: len(attacker.bundles()) > before, 20)
        still, sent = held_still(made), attacker.bundles()[-1]
        for note in forged_receipts(made):
            attacker.both_ways(RECEIPT, note)
            attacker.both_ways(ANSWER, note)
        assert held_still(made) == still
        for payload in forged_answers(made, sent):
            attacker.both_ways(ANSWER, payload)
            attacker.both_ways(RECEIPT, payload)
        attacker.both_ways(RECEIPT, b"\n" * 5_000_000)
        attacker.both_ways(ANSWER, b"[" * 5_000_000)
        until(lambda: made.site_alarms() == {"agent.answered"}, 20, made.status)
        assert held_still(made) == still
        made.agent.kill()  # what the broker retained in the office's name meets the next run, too
        made.agent.start()
        until(lambda: made.status()["link_up"] and made.status()["pid"] == made.agent.pid, 20, made.status)
        assert held_still(made) == still
        made.check_world()
        made.collector.signal(signal.SIGCONT)
        made.goes_on()
        for payload in (b"", b"\xff", b'{"v":1,"state":"gone"}'):
            attacker.both_ways(COLLECTOR_STATE, payload)
        made.goes_on()
        attacker.both_ways(COLLECTOR_STATE, encode(Presence(version=1, state="offline")))
        made.goes_on()  # the office says otherwise within half a minute
        made.finish()


@pytest.mark.timeout(240)
@pytest.mark.parametrize("name", [f"mrv-{SITE}", "mrv-collector"])
def test_somebody_connects_in_their_name(tmp_path: Path, name: str) -> None:
    """The broker throws the true one out, and gives what it had for it to the false one."""
    with world(tmp_path) as made:
        made.goes_on()
        stolen: list[Message] = []
        endpoint = Endpoint(host="127.0.0.1", port=made.broker.port)
        for _ in range(3):
            thief = Mqtt(endpoint, name, ["mrv/1/#"], stolen.append)
            thief.start()
            until(lambda thief=thief: thief.up, 20)
            time.sleep(2)
            thief.stop()
        assert stolen
        made.goes_on(timeout=120)
        made.finish()


def resigned(bundle: Bundle, key: SigningKey, **changes: Any) -> bytes:
    """The bundle with `changes`, its checkpoint signed by `key` over the leaves it then has (old 0 only)."""
    changed = replace(bundle, **changes)
    root = EMPTY.extend(map(leaf_hash, changed.leaves)).root()
    note = issue(Checkpoint(key.name, len(changed.leaves), root), key)
    return pack(replace(changed, checkpoint=note))


def reheaded(body: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The bundle with another header before the same gzip member."""
    length = int.from_bytes(body[:4], "big")
    header = msgspec.json.decode(body[4 : 4 + length])
    change(header)
    data = msgspec.json.encode(header, order="sorted")
    return len(data).to_bytes(4, "big") + data + body[4 + length :]


def bomb(body: bytes, plain: bytes) -> bytes:
    """The bundle's header before a gzip member of our own making."""
    length = int.from_bytes(body[:4], "big")
    member = gzip.compress(plain, mtime=0)
    return body[: 4 + length] + member[:9] + b"\xff" + member[10:]


@pytest.mark.timeout(240)
def test_the_office_answers_rightly_and_the_site_goes_on(tmp_path: Path) -> None:
    with world(tmp_path, limit=0) as made, attacked(made) as attacker:
        made.goes_on()
        until(lambda: len(attacker.bundles()) >= 3, 20)
        assert made.agent.stop() == 0
        until(lambda: made.received() == len(made.site().leaves), 10)
        made.check_world()
        still = made.held()
        last, state = attacker.bundles()[-1], made.site()
        newest, begin = unpack(last), min(state.checkpoints)
        bundle = Bundle(old=0, receipt=None, checkpoint=state.checkpoints[begin], leaves=tuple(state.leaves[:begin]))
        first = pack(bundle)

        # who may write
        assert attacker.asked(resigned(bundle, THIEF)) == 403, "the right name, the wrong key"
        assert attacker.asked(resigned(bundle, NEIGHBOUR)) == 403, "a key nobody enrolled"
        assert attacker.asked(resigned(bundle, NEIGHBOUR), "other-factory") == 403
        assert attacker.asked(last, "other-factory") == 403, "a site's bundle on another one's topic"
        altered = (bundle.leaves[0].replace(b"genesis", b"Genesis"), *bundle.leaves[1:])
        assert attacker.asked(resigned(bundle, THIEF, leaves=altered)) == 403
        origin, size, root = peek(newest.checkpoint).text.splitlines()
        for old, new in ((f"\n{size}\n", f"\n{int(size) + 1}\n"), (root, "A" * 43 + "="), (origin, NEIGHBOUR.name)):
            changed = pack(replace(newest, checkpoint=newest.checkpoint.replace(old, new)))
            assert attacker.asked(changed) == 403, "an altered checkpoint"

        # what is not a bundle
        assert {attacker.asked(noise) for noise in NOISE} == {400}
        assert {attacker.asked(last[: len(last) * part // 10]) for part in range(1, 10)} == {400}, "truncated"
        assert attacker.asked(last + b"\0") == 400, "more behind it"
        assert attacker.asked(bomb(last, bytes(200 * 1024 * 1024))) == 400, "200 MiB in 200 KiB"
        assert attacker.asked(bomb(last, bytes(20 * 1024 * 1024))) == 400, "20 MiB in 20 KiB"
        assert attacker.asked(bomb(last, entries([b"x"] * 1_390_000))) in (400, 409), "as many leaves as fit"
        assert attacker.asked(last + bytes(CAP)) == 400, "larger than a bundle may be"
        for value in (-1, 2**53, 2**64, "0", None, 1.5):
            assert attacker.asked(reheaded(last, lambda header, value=value: header.update(old=value))) == 400

        # what is a bundle, and true, but not now
        unread = pack(
            replace(newest, leaves=(*newest.leaves[:-1], b"{}"))
        )  # held already: its leaves are not looked at
        for body in (first, last, last, first, unread):  # replayed, and in any order: the newest receipt again
            assert attacker.receipt(body) == made.received()

        for name in ("mrv/1//up/log", "mrv/1/a b/up/log", "mrv/1/../up/log", f"mrv/2/{SITE}/up/log", f"mrv/1/{SITE}/x"):
            attacker.say(name, last)
        attacker.say(LOG, bytes(4 * CAP + 1))  # dropped unread, without an answer
        made.check_world()
        assert made.held().leaves == still.leaves
        assert made.held().notes == still.notes
        made.agent.start()
        made.goes_on()
        made.finish()


@pytest.mark.timeout(240)
def test_what_the_site_really_signed_arrives_mangled(tmp_path: Path) -> None:
    """A broker that alters, cuts, swaps and holds back the site's own bundles can delay it, and that is all."""
    with world(tmp_path) as made, attacked(made) as attacker:
        made.goes_on()
        assert made.collector.stop() == 0
        until(lambda: made.status()["office_away"], 20)
        assert made.agent.stop() == 0
        made.collector.start()
        until(lambda: made.collector.running and "connected" in made.collector.said(), 20)
        state, held = made.site(), made.held()
        size = len(held.leaves)
        ahead = sorted(s for s in state.checkpoints if s > size)
        if not ahead:
            pytest.fail("the site signed nothing while the office was away")
        note, leaves = state.checkpoints[ahead[-1]], tuple(state.leaves[size : ahead[-1]])
        fields = {"old": size, "receipt": None, "checkpoint": note, "leaves": leaves}

        def asked(**changes: Any) -> int:
            return attacker.asked(pack(Bundle(**fields | changes)))

        assert asked(leaves=(leaves[0] + b" ", *leaves[1:])) == 400, "altered"
        assert asked(leaves=leaves[::-1]) == 400, "reordered"
        assert asked(leaves=leaves[:-1]) == 400, "one dropped"
        assert asked(leaves=(*leaves, leaves[-1])) == 400, "one doubled"
        assert asked(old=size + 1, leaves=leaves[1:]) == 409, "not from where the office stands"
        assert attacker.answers()[-1].held is not None
        assert asked(old=0, leaves=tuple(state.leaves[1:size]) + leaves) == 400
        other = (state.leaves[0] + b" ", *state.leaves[1 : ahead[-1]])
        assert asked(old=0, leaves=other) == 409, "another beginning under the same checkpoint"
        assert asked(receipt=issue(Checkpoint(ORIGIN, 10**6, bytes(32)), THIEF), leaves=leaves[:-1]) == 400
        assert made.held().leaves == held.leaves
        made.check_world()
        made.agent.start()
        made.goes_on()
        assert not made.held().alarms
        made.finish()
