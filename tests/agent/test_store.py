"""The log on disk: one transaction per append, append-only, believed at start only when its hashes add up."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent.store import Entry, Store
from link.errors import Forbidden
from mrv.errors import BadInput
from mrv.log.checkpoint import Checkpoint, issue, open_checkpoint
from mrv.log.merkle import EMPTY, leaf_hash, verify_inclusion
from mrv.log.note import NOTE, SigningKey

KEY = SigningKey("example/mrv/here/k1", NOTE, bytes(range(32)))


def sign(size: int, root: bytes) -> str:
    return issue(Checkpoint(KEY.name, size, root), KEY)


def entries(*numbers: int, kind: str = "reading") -> list[Entry]:
    return [Entry(kind, b"leaf %d" % n) for n in numbers]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "log.sqlite")
    yield opened
    opened.close()


def edit(store: Store, sql: str) -> None:
    """As somebody with a database browser would."""
    with sqlite3.connect(store.path) as other:
        other.execute(sql)
    other.close()


def test_leaves_head_and_checkpoint_are_one(store: Store) -> None:
    assert store.append(entries(0, 1, 2), 10).result() == 3
    assert store.append(entries(3), 20, sign).result() == 4
    signed = store.newest_checkpoint()
    assert signed is not None
    tree = EMPTY.extend(leaf_hash(b"leaf %d" % n) for n in range(4))
    assert open_checkpoint(signed.note, KEY.public) == Checkpoint(KEY.name, 4, tree.root())
    assert (store.size, signed.created, signed.proof) == (4, 20, None)
    assert store.leaves(1, 3) == (b"leaf 1", b"leaf 2")


def test_a_failed_append_leaves_nothing_and_the_next_one_goes_on(store: Store) -> None:
    store.append(entries(0), 1).result()

    def cannot(_size: int, _root: bytes) -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.append(entries(1, 2), 2, cannot).result()
    assert (store.size, store.leaves(0, 9)) == (1, (b"leaf 0",))
    store.append(entries(7), 3, sign).result()
    store.rehash()
    assert store.leaves(0, 9) == (b"leaf 0", b"leaf 7")


@pytest.mark.parametrize("table", ["leaf", "checkpoint", "receipt"])
@pytest.mark.parametrize("verb", ["DELETE FROM {}", "UPDATE {} SET rowid = rowid + 100"])
def test_nothing_written_is_changed_or_removed(store: Store, table: str, verb: str) -> None:
    store.append(entries(0), 1, sign).result()
    store.keep_receipt(1, "a note", 1).result()
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        edit(store, verb.format(table))


def test_an_index_is_never_written_twice(store: Store) -> None:
    store.append(entries(0), 1).result()
    edit(store, "INSERT INTO leaf (idx, body) VALUES (1, x'00')")
    with pytest.raises(Forbidden):
        store.append(entries(1), 1).result()


def test_a_restart_goes_on_where_the_disk_is(tmp_path: Path) -> None:
    first = Store(tmp_path / "log.sqlite")
    first.append(entries(*range(5)), 1, sign).result()
    first.append(entries(5, 6), 2).result()
    first.close()
    second = Store(tmp_path / "log.sqlite")
    assert not second.clean
    second.append(entries(7), 3, sign, clean=True).result()
    second.rehash()
    second.close()
    third = Store(tmp_path / "log.sqlite")
    assert third.clean
    third.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE leaf SET body = x'00' WHERE idx = 6",
        "DELETE FROM leaf WHERE idx = 7",
        "INSERT INTO leaf (idx, body) VALUES (8, x'00')",
        "UPDATE head SET frontier = (SELECT frontier FROM head WHERE id = 1), size = 5 WHERE id = 0",
    ],
)
def test_a_tail_that_is_not_what_was_written_is_refused_at_start(tmp_path: Path, damage: str) -> None:
    store = Store(tmp_path / "log.sqlite")
    store.append(entries(*range(5)), 1, sign).result()
    store.append(entries(5, 6, 7), 2).result()
    store.close()
    for trigger in ("leaf_no_update", "leaf_no_delete"):
        edit(store, f"DROP TRIGGER {trigger}")
    edit(store, damage)
    with pytest.raises(BadInput) as caught:
        Store(tmp_path / "log.sqlite")
    assert caught.value.faults[0].code == "agent.log_damaged"


def test_an_altered_leaf_behind_a_checkpoint_is_found_by_the_full_check(store: Store) -> None:
    for first in (0, 10, 20):
        store.append(entries(*range(first, first + 10)), 1, sign).result()
    store.rehash()
    edit(store, "DROP TRIGGER leaf_no_update")
    edit(store, "UPDATE leaf SET body = x'00' WHERE idx = 13")
    with pytest.raises(BadInput) as caught:
        store.rehash()
    assert caught.value.faults[0].params == {"size": "20"}


def test_the_proof_of_a_summary_is_kept_with_its_checkpoint(store: Store) -> None:
    store.append(entries(*range(6)), 1, sign).result()
    store.append([*entries(6), *entries(7, kind="summary")], 2, sign).result()
    store.append(entries(8), 3, sign).result()
    found = store.newest_summary()
    assert found is not None
    signed, summary = found
    root = open_checkpoint(signed.note, KEY.public).root
    assert (signed.size, summary) == (8, b"leaf 7")
    verify_inclusion(7, 8, leaf_hash(summary), signed.proof or (), root)


def test_a_book_is_rebuilt_from_landmarks_and_the_tail(store: Store) -> None:
    store.append([*entries(0, kind="boot"), *entries(1, 2), *entries(3, kind="clock")], 1).result()
    assert list(store.landmarks(9)) == [(0, b"leaf 0"), (3, b"leaf 3")]
    assert list(store.landmarks(3)) == [(0, b"leaf 0")]
    assert list(store.since(2)) == [b"leaf 2", b"leaf 3"]
    assert list(store.newest_first()) == [(n, b"leaf %d" % n) for n in (3, 2, 1, 0)]


def test_the_largest_receipt_counts_and_small_checkpoints_go_together(store: Store) -> None:
    for n in range(6):
        store.append(entries(n), n, sign).result()
    store.keep_receipt(2, "two", 1).result()
    store.keep_receipt(1, "one", 2).result()
    assert store.receipt() == (2, "two")
    backlog = store.backlog()
    assert (backlog.size, backlog.signed, backlog.received, backlog.waiting, backlog.waiting_since) == (6, 6, 2, 4, 2)

    def sent(limit: int) -> int | None:
        found = store.next_checkpoint(2, limit)
        return found.size if found else None

    assert (sent(0), sent(16), sent(10_000), store.next_checkpoint(6, 0)) == (3, 4, 6, None)


def test_bytes_per_reading_on_disk(tmp_path: Path) -> None:
    """A leaf of 280 bytes, the median of the example site, costs at most 350 on disk, checkpoints included."""
    store = Store(tmp_path / "log.sqlite")
    for _ in range(100):
        store.append([Entry("reading", bytes(280))] * 200, 1, sign).result()
    store.close()
    assert (tmp_path / "log.sqlite").stat().st_size / 20_000 <= 350
