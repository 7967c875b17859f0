"""Bundles good and bad: what is answered, what is kept, what is never signed."""

from __future__ import annotations

import gzip
import json
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from desk import Desk, PaperSite, Said, filler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mrv.exchange import answer
from mrv.log.bundle import CAP, Bundle, pack
from mrv.log.checkpoint import Checkpoint, cosign, cosigned, issue, open_checkpoint
from mrv.log.note import COSIGNATURE, Note, SigningKey


def refused(said: Said) -> tuple[int, str]:
    return said.answer.code, said.answer.fault


# -- what gets a receipt -------------------------------------------------------------------------------------------


def test_a_bundle_gets_a_receipt_that_both_keys_signed(desk: Desk, site: PaperSite) -> None:
    receipt = desk.deliver(site.bundle(0, 10)).receipt
    assert open_checkpoint(receipt, site.key.public) == Checkpoint(site.origin, 10, site.root(10))
    assert cosigned(receipt, (desk.identity.key.public,)) == desk.now // 1000
    assert desk.size(site) == 10
    assert desk.archive.waiting() is None
    desk.check_world(site)


def test_the_log_grows_bundle_by_bundle(desk: Desk, site: PaperSite) -> None:
    for old, size in ((0, 1), (1, 7), (7, 8), (8, 40)):
        assert open_checkpoint(desk.deliver(site.bundle(old, size)).receipt, site.key.public).size == size
        desk.check_world(site)


@pytest.mark.parametrize(("old", "size"), [(0, 10), (0, 4), (4, 10), (2, 3)])
def test_what_is_held_gets_the_newest_receipt_again(desk: Desk, site: PaperSite, old: int, size: int) -> None:
    desk.deliver(site.bundle(0, 4))
    newest = desk.deliver(site.bundle(4, 10)).receipt
    assert desk.deliver(site.bundle(old, size)).receipt == newest
    desk.check_world(site)
    assert desk.size(site) == 10


def test_an_overlap_that_agrees_gives_its_tail(desk: Desk, site: PaperSite) -> None:
    desk.deliver(site.bundle(0, 10))
    assert open_checkpoint(desk.deliver(site.bundle(3, 20)).receipt, site.key.public).size == 20
    desk.check_world(site)


def test_an_empty_bundle_at_the_head_is_a_question_for_the_receipt(desk: Desk, site: PaperSite) -> None:
    newest = desk.deliver(site.bundle(0, 10)).receipt
    assert desk.deliver(site.bundle(10, 10)).receipt == newest


def test_lines_added_on_the_way_are_not_handed_on(desk: Desk, site: PaperSite) -> None:
    stranger = SigningKey("example.net/x", COSIGNATURE, bytes(32))
    receipt = desk.deliver(site.bundle(0, 5, checkpoint=cosign(site.note(5), stranger, 1))).receipt
    assert [line.name for line in Note.parse(receipt).signatures] == [site.origin, desk.identity.key.name]


def test_a_header_receipt_that_is_held_is_fine(desk: Desk, site: PaperSite) -> None:
    first = desk.deliver(site.bundle(0, 5)).receipt
    desk.deliver(site.bundle(5, 9))
    assert open_checkpoint(desk.deliver(site.bundle(9, 12, receipt=first)).receipt, site.key.public).size == 12


@pytest.mark.parametrize("receipt", ["not a note", "", "a\nb\n\n— x y\n"])
def test_a_header_receipt_that_is_not_ours_means_nothing(desk: Desk, site: PaperSite, receipt: str) -> None:
    assert desk.deliver(site.bundle(0, 5, receipt=receipt)).receipt


def test_a_receipt_forged_in_our_name_means_nothing(desk: Desk, site: PaperSite) -> None:
    forger = SigningKey(desk.identity.key.name, COSIGNATURE, b"f" * 32)
    assert desk.deliver(site.bundle(0, 5, receipt=cosign(site.note(40), forger, 1))).receipt


# -- what does not -------------------------------------------------------------------------------------------------


def lied(site: PaperSite, old: int, size: int, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """A bundle under the honest checkpoint whose leaves were changed on the way."""
    return site.bundle(old, size, leaves=tuple(change(site.leaves[old:size])))


LIES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "altered": lambda leaves: [b'{"k":"lie"}', *leaves[1:]],
    "dropped": lambda leaves: leaves[1:],
    "added": lambda leaves: [*leaves, b'{"k":"more"}'],
    "swapped": lambda leaves: [leaves[1], leaves[0], *leaves[2:]],
    "none": lambda leaves: [],
}


@pytest.mark.parametrize("lie", LIES)
@pytest.mark.parametrize("held", [0, 10])
def test_leaves_that_do_not_give_the_root(desk: Desk, site: PaperSite, lie: str, held: int) -> None:
    if held:
        desk.deliver(site.bundle(0, held))
    said = desk.deliver(lied(site, held, held + 10, LIES[lie])).answer
    assert said.code == 400
    assert said.fault in {"collector.root_differs", "collector.leaf_count"}
    assert (said.origin, said.size) == (site.origin, held + 10)
    assert desk.size(site) == held
    (exhibit,) = desk.archive.exhibits(site.origin)
    assert (exhibit.size, exhibit.code) == (held + 10, said.fault)
    assert desk.deliver(site.bundle(held, held + 10)).receipt
    desk.check_world(site)


def test_the_same_refusal_is_kept_once(desk: Desk, site: PaperSite) -> None:
    for text in (b"1", b"2", b"3"):
        desk.deliver(site.bundle(0, 1, leaves=(text,)))
    assert len(desk.archive.exhibits(site.origin)) == 1


def test_a_bundle_from_the_future_shows_where_we_stand(desk: Desk, site: PaperSite) -> None:
    assert refused(desk.deliver(site.bundle(5, 10))) == (409, "collector.leaves_before")
    assert desk.said[-1].answer.held is None
    receipt = desk.deliver(site.bundle(0, 4)).receipt
    assert desk.deliver(site.bundle(5, 10)).answer.held == receipt
    desk.check_world(site)


def test_an_overlap_that_differs_is_no_fork_without_a_signature_on_it(desk: Desk, site: PaperSite) -> None:
    receipt = desk.deliver(site.bundle(0, 10)).receipt
    said = desk.deliver(lied(site, 5, 20, LIES["altered"])).answer
    assert (said.code, said.fault, said.held) == (409, "collector.leaves_differ", receipt)
    assert not desk.archive.head(site.origin).forked
    assert desk.deliver(site.bundle(10, 20)).receipt
    desk.check_world(site)


@pytest.mark.parametrize("cut", [0, 1, 3, 4, 40, 200, -9, -8, -1])
def test_truncated_bytes(desk: Desk, site: PaperSite, cut: int) -> None:
    said = desk.deliver(site.bundle(0, 10)[:cut]).answer
    assert said.code == 400
    assert said.fault.startswith("log.")
    assert said.size == (10 if cut < 0 else 0)  # an intact header still says which bundle is meant
    assert desk.size(site) == 0
    assert desk.archive.waiting() is None


def test_an_oversized_bundle(desk: Desk, site: PaperSite) -> None:
    body = site.bundle(0, 10)
    assert refused(desk.deliver(body + bytes(CAP + 1 - len(body)))) == (400, "log.bundle_too_large")


def test_a_decompression_bomb(desk: Desk, site: PaperSite) -> None:
    header = site.bundle(0, 0)[: -len(pack_nothing())]
    bomb = gzip.compress(bytes(64 * 1024 * 1024), 9, mtime=0)
    frame = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255))
    assert refused(desk.deliver(header + frame + bomb[10:])) == (400, "log.bundle_plain_too_large")


def pack_nothing() -> bytes:
    """The gzip member of no leaves."""
    body = pack(Bundle(old=0, receipt=None, checkpoint="", leaves=()))
    return body[4 + struct.unpack(">I", body[:4])[0] :]


def test_a_checkpoint_altered_on_the_way(desk: Desk, site: PaperSite) -> None:
    note = site.note(10).replace("\n10\n", "\n9\n")
    said = desk.deliver(site.bundle(0, 9, checkpoint=note))
    assert refused(said) == (403, "log.signature_wrong")
    assert not desk.archive.exhibits(site.origin), "nobody signed it: it proves nothing and is not kept"


def test_an_unknown_log(desk: Desk) -> None:
    stranger = PaperSite(filler(3), site="stranger")
    assert refused(desk.deliver(stranger.bundle(0, 3), "stranger")) == (403, "collector.unknown_key")


def test_a_key_of_the_right_name_that_is_not_enrolled(desk: Desk, site: PaperSite) -> None:
    forger = PaperSite(filler(3), seed=2)
    assert refused(desk.deliver(forger.bundle(0, 3))) == (403, "log.signature_missing")
    assert desk.size(site) == 0


def test_a_site_cannot_write_under_the_topic_of_another(desk: Desk, site: PaperSite) -> None:
    desk.enroll(PaperSite([], site="other", seed=3))
    said = desk.deliver(site.bundle(0, 3), "other")
    assert said.topic == "mrv/1/other/down/answer"
    assert refused(said) == (403, "collector.unknown_key")


def test_a_topic_that_is_not_ours_is_answered_nowhere(desk: Desk, site: PaperSite) -> None:
    desk.archive.keep("elsewhere", site.bundle(0, 3), desk.now).result()
    assert desk.work() == []
    assert desk.archive.waiting() is None


def test_an_empty_log_gets_no_receipt(desk: Desk, site: PaperSite) -> None:
    assert refused(desk.deliver(site.bundle(0, 0))) == (400, "collector.no_leaves")


@pytest.mark.parametrize("size", [2**53, 2**63 - 1])
def test_an_absurd_size_is_only_a_wrong_count(desk: Desk, site: PaperSite, size: int) -> None:
    note = issue(Checkpoint(site.origin, size, bytes(32)), site.key)
    assert refused(desk.deliver(site.bundle(0, 3, checkpoint=note))) == (400, "collector.leaf_count")
    far = pack(Bundle(old=2**53 - 1, receipt=None, checkpoint=note, leaves=()))
    assert refused(desk.deliver(far)) == (400, "collector.leaf_count")


# -- forks, rollbacks, lost archives -------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 7, 1])
def test_two_signatures_on_one_size_are_a_fork(desk: Desk, site: PaperSite, size: int) -> None:
    desk.deliver(site.bundle(0, 4))
    receipt = desk.deliver(site.bundle(4, 10)).receipt
    clone = PaperSite(filler(40, start=100))
    body = clone.bundle(0, size)
    assert refused(desk.deliver(body)) == (403, "collector.fork")
    (exhibit,) = desk.archive.exhibits(site.origin)
    assert exhibit.body == body
    (alarm,) = desk.archive.alarms()
    assert (alarm.origin, alarm.code, alarm.times) == (site.origin, "collector.fork", 1)
    assert desk.archive.head(site.origin).forked
    assert refused(desk.deliver(site.bundle(10, 20))) == (403, "collector.forked"), "sign nothing beyond a fork"
    assert desk.deliver(site.bundle(4, 10)).receipt == receipt, "what was received stays received"
    desk.check_world(site)


def test_a_site_that_lost_its_tail_is_told_by_our_signature(desk: Desk, site: PaperSite) -> None:
    receipt = desk.deliver(site.bundle(0, 10)).receipt
    assert desk.deliver(site.bundle(0, 6)).receipt == receipt, "an earlier state of the same log is no fork"
    restored = PaperSite([*site.leaves[:6], *filler(10, start=500)])
    said = desk.deliver(restored.bundle(6, 14)).answer
    assert (said.code, said.held) == (409, receipt)
    desk.check_world(site)


def test_an_archive_that_was_cut_off_signs_nothing(tmp_path: Path) -> None:
    """A file put back from yesterday's copy; what a server's backup does is in tests/deploy."""
    desk, site = Desk(tmp_path), PaperSite(filler(40))
    desk.enroll(site)
    desk.deliver(site.bundle(0, 5))
    desk.database.close()
    saved = desk.folder.database.read_bytes()
    later = Desk(tmp_path)
    receipt = later.deliver(site.bundle(5, 9)).receipt
    later.database.close()
    for path in desk.folder.path.glob("collector.sqlite*"):
        path.unlink()
    desk.folder.database.write_bytes(saved)

    restored = Desk(tmp_path)
    said = restored.deliver(site.bundle(9, 12, receipt=receipt)).answer
    assert (said.code, said.fault) == (409, "collector.archive_lost")
    assert [json.loads(alarm.params) for alarm in restored.archive.alarms()] == [{"held": "5", "receipt": "9"}]
    assert refused(restored.deliver(site.bundle(5, 12, receipt=receipt)))[1] == "collector.archive_lost"
    restored.database.close()


# -- any order, any repetition -------------------------------------------------------------------------------------


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.lists(st.tuples(st.integers(0, 39), st.integers(1, 20)), min_size=1, max_size=25))
def test_whatever_comes_in_whatever_order_nothing_is_lost_or_twice(
    order: list[tuple[int, int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    desk, site = Desk(tmp_path_factory.mktemp("desk")), PaperSite(filler(40))
    desk.enroll(site)
    held = 0
    for old, length in order:
        size = min(40, old + length)
        said = desk.deliver(site.bundle(old, size))
        held = max(held, size) if old <= held else held
        assert desk.size(site) == held
        assert said.topic.endswith("receipt") == (old <= held)
        if not said.topic.endswith("receipt"):
            assert answer(said.payload).code == 409
    desk.deliver(site.bundle(held, 40))
    desk.check_world(site)
    assert desk.size(site) == 40
    desk.database.close()
