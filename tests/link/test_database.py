"""One writer, durable futures, read-only readers, and our errors instead of SQLite's."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Column, Connection, Integer, MetaData, Table, text

from link.database import Database
from link.errors import Busy, Damaged, DiskError, DiskFull, Forbidden, TooNew, Unwritable, from_sqlite

METADATA = MetaData()
ROWS = Table("rows", METADATA, Column("n", Integer, primary_key=True))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = Database(tmp_path / "a.sqlite", METADATA, version=3)
    yield opened
    opened.close()


def add(number: int) -> object:
    return lambda connection: connection.execute(ROWS.insert(), {"n": number})


def stored(connection: Connection) -> list[int]:
    return [n for (n,) in connection.execute(ROWS.select().order_by(ROWS.c.n))]


def test_writes_run_in_order_on_one_thread_and_are_durable_when_done(database: Database) -> None:
    threads = [database.write(lambda c, n=n: (add(n)(c), threading.current_thread())[1]) for n in range(20)]
    assert len({future.result() for future in threads}) == 1
    with sqlite3.connect(database.path) as other:
        assert [n for (n,) in other.execute("SELECT n FROM rows")] == list(range(20))
    other.close()


def test_a_failed_job_is_rolled_back_and_the_next_one_runs(database: Database) -> None:
    def half(connection: Connection) -> None:
        add(1)(connection)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        database.write(half).result()
    database.write(add(2)).result()
    assert database.read(stored) == [2]


def test_a_broken_rule_is_forbidden(database: Database) -> None:
    database.write(add(1)).result()
    with pytest.raises(Forbidden) as caught:
        database.write(add(1)).result()
    assert caught.value.faults[0].code == "link.database_forbidden"


def test_a_reader_cannot_write_and_sees_a_snapshot(database: Database) -> None:
    with pytest.raises(Unwritable):
        database.read(add(1))

    def twice(connection: Connection) -> tuple[list[int], list[int]]:
        before = stored(connection)
        database.write(add(7)).result()
        return before, stored(connection)

    assert database.read(twice) == ([], [])
    assert database.read(stored) == [7]


def test_the_pragmas_that_make_done_mean_durable(database: Database) -> None:
    names = ("journal_mode", "synchronous", "foreign_keys", "trusted_schema", "cell_size_check")
    found = database.write(lambda c: [c.exec_driver_sql(f"PRAGMA {n}").scalar_one() for n in names]).result()
    assert found == ["wal", 2, 1, 0, 1]


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    Database(tmp_path / "a.sqlite", METADATA, version=9).close()
    with pytest.raises(TooNew) as caught:
        Database(tmp_path / "a.sqlite", METADATA, version=8)
    assert caught.value.faults[0].params == {"found": "9", "known": "8"}


def test_a_file_that_is_no_database_is_damaged_and_one_nowhere_unwritable(tmp_path: Path) -> None:
    (tmp_path / "a.sqlite").write_bytes(b"not a database at all, but long enough to have a header" * 40)
    with pytest.raises(Damaged):
        Database(tmp_path / "a.sqlite", METADATA, version=1)
    with pytest.raises(Unwritable):
        Database(tmp_path / "nowhere" / "a.sqlite", METADATA, version=1)


def test_what_is_queued_at_close_is_still_written(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite", METADATA, version=1)
    futures = [database.write(add(n)) for n in range(50)]
    database.close()
    database.close()
    assert all(future.done() for future in futures)
    with pytest.raises(RuntimeError):
        database.write(add(99))


@pytest.mark.parametrize(
    ("code", "cls", "retryable"),
    [
        (sqlite3.SQLITE_FULL, DiskFull, True),
        (sqlite3.SQLITE_BUSY_SNAPSHOT, Busy, True),
        (sqlite3.SQLITE_IOERR_FSYNC, DiskError, True),
        (sqlite3.SQLITE_CONSTRAINT_TRIGGER, Forbidden, False),
        (sqlite3.SQLITE_CORRUPT_INDEX, Damaged, False),
        (12345 * 256 + 99, DiskError, True),
    ],
)
def test_every_code_of_sqlite_has_its_error(code: int, cls: type, retryable: bool) -> None:
    error = sqlite3.OperationalError("boom")
    error.sqlite_errorcode = code
    made = from_sqlite(error, "a.sqlite")
    assert type(made) is cls
    assert made.retryable is retryable


def test_a_full_disk_fails_the_write_and_keeps_what_was_there(database: Database) -> None:
    database.write(lambda c: c.execute(text("CREATE TABLE filler (x BLOB)"))).result()
    database.write(add(1)).result()
    database.write(lambda c: c.exec_driver_sql("PRAGMA max_page_count=20")).result()
    with pytest.raises(DiskFull):
        database.write(lambda c: c.execute(text("INSERT INTO filler VALUES (zeroblob(10000000))"))).result()
    database.write(add(2)).result()
    assert database.read(stored) == [1, 2]
