"""Why a slot was not polled, in leaves; and what happens when the disk refuses a round."""

from __future__ import annotations

from concurrent.futures import Future
from pathlib import Path

import pytest
from fakes import NEW_YEAR, FakeClock
from gateway import Gateway, Verdict, running, write

from agent.close import Excuse, Ledger
from link.errors import Damaged, DiskFull
from mrv.book import Book
from mrv.errors import fault
from mrv.log.bundle import Bundle, Gauge, pack
from mrv.reading import GapReason


def test_excuses_that_touch_become_one() -> None:
    ledger = Ledger(Book())
    for start in (0, 10, 20):
        ledger.excuse(start, start + 10, GapReason.STORAGE)
    ledger.excuse(30, 40, GapReason.CLOCK)
    assert ledger._excuses == [Excuse(0, 30, GapReason.STORAGE), Excuse(30, 40, GapReason.CLOCK)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


async def test_rounds_the_disk_refuses_become_gaps_once_it_takes_them(folder: Path, monkeypatch) -> None:
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(95)
        good = gateway.store.append

        def full(*args: object, **kwargs: object) -> object:
            future = good([], 0)
            future.result()
            failed = type(future)()
            failed.set_exception(DiskFull(fault("link.disk_full", "log.sqlite")))
            return failed

        monkeypatch.setattr(gateway.store, "append", full)
        await gateway.pass_time(60)
        assert gateway.daemon.recorder.trouble is not None
        monkeypatch.setattr(gateway.store, "append", good)
        await gateway.pass_time(120)
        assert gateway.daemon.recorder.trouble is None
    verdict = Verdict(folder)
    verdict.clean()
    assert sum(n for n, why in verdict.gaps("pv-main") if why == "storage") == 6
    assert list(verdict.covered("pv-main")) == list(range(NEW_YEAR, NEW_YEAR + 280_000, 10_000))


async def test_a_clock_leaf_the_disk_refuses_is_written_later_in_its_place(folder: Path, monkeypatch) -> None:
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(95)
        good = gateway.store.append

        def full(*_args: object, **_kwargs: object) -> object:
            failed = type(good([], 0))()
            failed.set_exception(DiskFull(fault("link.disk_full", "log.sqlite")))
            return failed

        monkeypatch.setattr(gateway.store, "append", full)
        clock.step(5_000)
        await gateway.pass_time(10)
        monkeypatch.setattr(gateway.store, "append", good)
        await gateway.pass_time(60)
    Verdict(folder).clean()


async def test_a_damaged_database_ends_the_daemon(folder: Path, monkeypatch) -> None:
    gateway = Gateway(folder, FakeClock())
    await gateway.start()
    failed: Future[int] = Future()
    failed.set_exception(Damaged(fault("link.database_damaged", "log.sqlite")))
    monkeypatch.setattr(gateway.store, "append", lambda *_args, **_kwargs: failed)
    with pytest.raises(Damaged):
        await gateway.pass_time(30)
    await gateway.crash()


async def test_a_checkpoint_is_cut_whenever_a_bundle_is_full(tmp_path: Path, monkeypatch) -> None:
    """With a fraction of the usual size, one period makes many bundles; none is much larger than that."""
    monkeypatch.setattr(Gauge, "DUE", 4 * 1024)
    write(tmp_path, every=1, period=3600)
    async with running(tmp_path, FakeClock()) as gateway:
        await gateway.pass_time(300)
        old, sizes = 0, []
        while (signed := gateway.store.next_checkpoint(old, 0)) is not None:
            leaves = gateway.store.leaves(old, signed.size)
            sizes.append(len(pack(Bundle(old=old, receipt=None, checkpoint=signed.note, leaves=leaves))))
            old = signed.size
    assert len(sizes) >= 3
    assert max(sizes) < 12 * 1024
    Verdict(tmp_path).clean()


@pytest.mark.parametrize("synchronised", [True, False])
async def test_a_checkpoint_is_cut_after_a_quarter_of_an_hour(tmp_path: Path, synchronised: bool) -> None:
    """With no summary near, and also while the clock is unknown, when no period can close at all."""
    write(tmp_path, period=3600)
    clock = FakeClock(synchronised=True) if synchronised else FakeClock(5_000, synchronised=False)
    signed: list[tuple[int, int]] = []
    async with running(tmp_path, clock) as gateway:
        for minute in range(1, 41):
            await gateway.pass_time(60)
            await gateway.daemon._checkpoint_by_time()
            newest = gateway.store.newest_checkpoint()
            if newest is not None and (not signed or signed[-1][1] != newest.size):
                signed.append((minute, newest.size))
                assert newest.size == gateway.store.size, "all there is"
    assert [minute for minute, _ in signed] == [16, 32]
    Verdict(tmp_path).clean()


async def test_the_jobs_of_the_daemon_are_scheduled_and_again_after_the_clock_was_turned(folder: Path) -> None:
    async with running(folder, clock := FakeClock()) as gateway:
        daemon = gateway.daemon
        daemon._schedule()
        assert daemon._scheduler is not None
        first = {job.func.__name__: job for job in daemon._scheduler.get_jobs()}
        assert {"_heartbeat", "_checkpoint_by_time", "_check_integrity"} <= first.keys()
        assert first["_checkpoint_by_time"].trigger.interval_length <= 60
        clock.step(-3_600_000)
        await gateway.pass_time(2)
        again = {job.func.__name__: job for job in daemon._scheduler.get_jobs()}
        assert again.keys() == first.keys()
        assert not {job.id for job in again.values()} & {job.id for job in first.values()}
        daemon._scheduler.shutdown(wait=False)


async def test_a_stop_signs_everything_and_a_rollback_signs_nothing(folder: Path) -> None:
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(35)
        store = gateway.store
        assert store.newest_checkpoint() is None
        gateway.daemon._rolled_back(fault("agent.rolled_back"))
        await gateway.pass_time(100)
        await gateway.daemon.recorder.checkpoint(gateway.daemon.time.now())
        assert store.newest_checkpoint() is None
        assert store.size > 20
    async with running(folder, clock) as gateway:
        await gateway.pass_time(5)
    verdict = Verdict(folder)
    verdict.clean()
    assert len(verdict.summaries) == 2
