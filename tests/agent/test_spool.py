"""What a person records at the site is in the log exactly once, whatever dies when; a bad file is kept and said."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import FakeClock
from gateway import Gateway, Verdict, running, write

from agent.spool import Spool
from drivers import spool as writing
from mrv import commissioning, leaf
from mrv.commissioning import MAX_RECORD, Record
from mrv.errors import BadInput, Refused
from mrv.leaf import MeterEvent

WHO = "Nguyen Van A, MRV officer"


def record(made: int = 5, **changes: object) -> Record:
    given = {"event": "commissioned", "meter": "pv-main", "who": WHO, "made": made, "details": {"note": "đã kiểm tra"}}
    return Record(**{**given, **changes})  # type: ignore[arg-type]


def events(folder: Path) -> list[MeterEvent]:
    return [fact for fact in Verdict(folder).facts if isinstance(fact, MeterEvent) and fact.who]


async def test_a_record_becomes_one_leaf_and_is_gone(tmp_path: Path) -> None:
    write(tmp_path)
    path = writing.put(tmp_path, record())
    digest = leaf.digest(path.read_bytes())
    async with running(tmp_path, FakeClock()) as gateway:
        await gateway.daemon.take_up()
        await gateway.daemon.take_up()
        assert not path.exists()
        await gateway.pass_time(70)
    (fact,) = events(tmp_path)
    assert (fact.event, fact.meter, fact.who, fact.config) == ("commissioned", "pv-main", WHO, 1)
    assert fact.details == {"note": "đã kiểm tra", "made": "5", "record": digest}
    Verdict(tmp_path).clean()


async def test_records_come_in_the_order_they_were_made(tmp_path: Path) -> None:
    write(tmp_path)
    for made in (30, 4, 2_000_000_000_000):
        writing.put(tmp_path, record(made))
    async with running(tmp_path, FakeClock()) as gateway:
        await gateway.daemon.take_up()
    assert [fact.details["made"] for fact in events(tmp_path)] == ["4", "30", "2000000000000"]


async def test_a_leaf_that_became_durable_just_before_the_power_failed_is_not_written_again(tmp_path: Path) -> None:
    write(tmp_path)
    path, clock = writing.put(tmp_path, record()), FakeClock()
    data = path.read_bytes()
    gateway = Gateway(tmp_path, clock)
    await gateway.start()
    await gateway.daemon.take_up()
    await gateway.crash()
    path.write_bytes(data)  # as if it had not been removed
    async with running(tmp_path, clock) as again:
        await again.daemon.take_up()
    assert len(events(tmp_path)) == 1
    assert not path.exists()


async def test_a_bad_record_is_set_aside_with_its_reason_and_stays_an_alarm(tmp_path: Path) -> None:
    write(tmp_path)
    folder = tmp_path / "spool"
    writing.put(tmp_path, record(meter="chiller-9"))
    (folder / "x.json").write_text("{not json")
    (folder / "half.part").write_text("still being written")
    async with running(tmp_path, FakeClock()) as gateway:
        await gateway.daemon.take_up()
        (found,) = gateway.daemon.spool.alarms()
        assert (found.code, found.params["count"]) == ("agent.spool_bad", "2")
        alarms = [alarm.code for alarm in gateway.daemon._status("running", gateway.daemon.time.now()).alarms]
        assert "agent.spool_bad" in alarms
        for path in (folder / "bad").iterdir():
            path.unlink()
        assert list(gateway.daemon.spool.alarms()) == []
    assert events(tmp_path) == []
    assert (folder / "half.part").exists()


def test_the_reason_stands_beside_the_bad_file(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "x.json").write_bytes(b" " * (MAX_RECORD + 1))
    spool = Spool(tmp_path, ["pv-main"])
    assert spool.waiting() == ()
    assert "meter.record_too_large" in (tmp_path / "spool" / "bad" / "x.why").read_text()
    assert Spool(tmp_path / "elsewhere", []).waiting() == ()


@pytest.mark.parametrize(
    "change",
    [
        {"v": 2},
        {"event": "decision"},
        {"who": " "},
        {"who": ""},
        {"meter": "../etc"},
        {"made": -1},
        {"details": {"record": "0" * 64}},
        {"details": {"Bad Key": "x"}},
        {"raw": {"x:1": "0000"}},
        {"unheard": 1},
    ],
)
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    good = json.loads(commissioning.encode(record()))
    with pytest.raises(BadInput, match=r"meter\.record_malformed"):
        commissioning.decode(json.dumps({**good, **change}).encode())


def test_a_folder_nobody_may_write_in_is_said(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("a file in the way")
    with pytest.raises(Refused, match=r"meter\.record_not_written"):
        writing.put(tmp_path, record())
