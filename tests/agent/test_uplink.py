"""The decider of the uplink as a table, and what an answer of the office is worth."""

from __future__ import annotations

import pytest

from agent.uplink import LONGEST_BACKOFF_MS, PUBACK_MS, RECEIPT_MS, REPEAT_MS, SETTLE_MS, Act, Held, Uplink, weigh
from mrv.errors import MrvError
from mrv.log.checkpoint import Checkpoint, cosign, issue
from mrv.log.note import COSIGNATURE, NOTE, SigningKey

READY = Uplink(up=True)
SENT = READY.sent(40, 1_000)
ACKED = SENT.acked(2_000)
AWAY = READY.office(True, 0, news=True)


def here(uplink: Uplink, now: int) -> Uplink:
    """The office says so now."""
    return uplink.office(False, now, news=True)


def kept(uplink: Uplink, now: int) -> Uplink:
    """The broker says that the office once said so."""
    return uplink.office(False, now, news=False)


@pytest.mark.parametrize(
    ("uplink", "unsent", "now", "act"),
    [
        (Uplink(), True, 0, Act.WAIT),  # no link
        (READY, False, 0, Act.WAIT),  # nothing to send
        (READY, True, 0, Act.SEND),
        (READY.halt(), True, 0, Act.WAIT),  # rolled back: never again
        (AWAY, True, 0, Act.WAIT),  # the office says it is away
        (here(AWAY, 0), True, SETTLE_MS, Act.SEND),
        (kept(AWAY, 0), True, SETTLE_MS, Act.SEND),
        (here(ACKED.failed(3_000, 500), 4_000), True, 4_000 + SETTLE_MS, Act.WAIT),  # it was never away
        (here(ACKED, 3_000), True, 1_000 + REPEAT_MS - 1, Act.WAIT),  # sent just now: a receipt may be on its way
        (here(ACKED, 3_000), True, 1_000 + REPEAT_MS, Act.SEND),  # no: the office came after it, and has not got it
        (here(ACKED, 6_001), True, 6_001 + SETTLE_MS - 1, Act.WAIT),
        (here(ACKED, 6_001), True, 6_001 + SETTLE_MS, Act.SEND),
        (here(ACKED, 6_001).received(), False, 6_001 + SETTLE_MS, Act.WAIT),  # it had got it
        (kept(ACKED, 6_001), True, 50_000, Act.WAIT),  # the broker's memory is no news
        (here(SENT, 9_000), True, 10_000, Act.WAIT),  # the connection will repeat it
        (here(SENT, 9_000).acked(10_000), True, 10_000, Act.SEND),  # the broker took it, perhaps with nobody there
        (here(ACKED, 6_001).sent(40, 7_000).acked(7_001), True, 50_000, Act.WAIT),  # repeated once for one coming
        (SENT, True, 1_001, Act.WAIT),  # one in flight
        (SENT, True, 1_000 + PUBACK_MS + 1, Act.DROP),  # the broker says nothing: a dead connection
        (SENT.linked(False, 5_000), True, 10**9, Act.WAIT),
        (SENT.linked(False, 5_000).linked(True, 10**9), True, 10**9 + 1, Act.WAIT),  # the connection repeats it
        (ACKED, True, 10**9, Act.WAIT),  # PUBACK releases nothing
        (ACKED.linked(False, 3_000).linked(True, 4_000), True, 4_000 + SETTLE_MS, Act.SEND),  # a broker that forgot
        (ACKED.received(), True, 3_000, Act.SEND),
        (ACKED.failed(3_000, 500), True, 3_000 + RECEIPT_MS - 1, Act.WAIT),
        (ACKED.failed(3_000, 500), True, 3_000 + RECEIPT_MS, Act.SEND),
        (READY.linked(True, 100), True, 100, Act.WAIT),  # what is retained for us comes first
        (READY.linked(True, 100), True, 100 + SETTLE_MS, Act.SEND),
    ],
)
def test_what_to_do(uplink: Uplink, unsent: bool, now: int, act: Act) -> None:
    assert uplink.decide(unsent=unsent, now=now) is act


def test_the_receipt_is_waited_for_after_the_puback_only() -> None:
    assert not SENT.overdue(10**9)
    assert not ACKED.overdue(2_000 + RECEIPT_MS)
    assert ACKED.overdue(2_000 + RECEIPT_MS + 1)


def test_back_off_doubles_to_an_hour_and_spreads_by_a_quarter() -> None:
    uplink, waits = READY, []
    for _ in range(9):
        uplink = uplink.failed(0, 500)
        waits.append(uplink.not_before)
    assert waits == [RECEIPT_MS * factor for factor in (1, 2, 4, 8, 16, 32)] + [LONGEST_BACKOFF_MS] * 3
    assert READY.failed(0, 0).not_before == RECEIPT_MS * 3 // 4
    assert READY.failed(0, 1000).not_before == RECEIPT_MS * 5 // 4
    assert uplink.received().failures == 0


SITE = SigningKey("example/mrv/here/k1", NOTE, bytes(range(32)))
OTHER_SITE = SigningKey("example/mrv/there/k1", NOTE, bytes(range(32)))
THIEF = SigningKey("example/mrv/here/k1", NOTE, bytes(range(1, 33)))
OFFICE = SigningKey("example/mrv/collector", COSIGNATURE, bytes(range(2, 34)))
STRANGER = SigningKey("example/mrv/collector", COSIGNATURE, bytes(range(3, 35)))


def note(size: int, key: SigningKey = SITE, root: int | None = None) -> str:
    return issue(Checkpoint(key.name, size, bytes([size if root is None else root]) * 32), key)


def weighed(text: str, received: int = 10) -> tuple[Held, int]:
    own = {10: note(10), 20: note(20), 30: note(30)}
    return weigh(text, site=SITE.public, cosigners=[OFFICE.public], received=received, own=own.get)


@pytest.mark.parametrize(
    ("text", "held"),
    [
        (cosign(note(20), OFFICE, 1), (Held.NEWER, 20)),
        (cosign(note(30), OFFICE, 1), (Held.NEWER, 30)),
        (cosign(note(10), OFFICE, 1), (Held.KNOWN, 10)),  # a replay
        (cosign(note(99), OFFICE, 1), (Held.FOREIGN, 99)),  # beyond our log: rollback
        (cosign(note(20, root=7), OFFICE, 1), (Held.FOREIGN, 20)),  # our key signed another history
        (cosign(note(15), OFFICE, 1), (Held.FOREIGN, 15)),  # a size this log never signed
    ],
)
def test_what_a_cosigned_checkpoint_means(text: str, held: tuple[Held, int]) -> None:
    assert weighed(text) == held


@pytest.mark.parametrize(
    "text",
    [
        note(99),  # nobody cosigned it
        cosign(note(99), STRANGER, 1),
        cosign(note(99, THIEF), OFFICE, 1),
        cosign(note(99, OTHER_SITE), OFFICE, 1),
        cosign(note(99), OFFICE, 1).replace("\n99\n", "\n98\n"),
        "",
        "not a note",
    ],
)
def test_a_forgery_is_worth_nothing(text: str) -> None:
    with pytest.raises(MrvError):
        weighed(text)
