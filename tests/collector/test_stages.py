"""The parts of the daemon between its threads: loops, the spool, and what becomes of bytes that could not be kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import Mosquitto, mosquitto, until
from desk import Desk, FaultyDatabase, PaperSite, filler
from running import wire

from collector import daemon as module
from collector import spool
from collector.config import Folder
from collector.daemon import Daemon
from collector.enroll import Request
from collector.loop import Loop
from link.mqtt import Endpoint
from mrv.errors import BadInput, Refused, Unavailable, fault
from mrv.exchange import COLLECTOR_STATE, Presence, encode

# -- loops -----------------------------------------------------------------------------------------------------------


class Work:
    """Numbers to do; `troubles` are raised first, one each."""

    def __init__(self, *troubles: Exception) -> None:
        self.troubles = list(troubles)
        self.todo: list[int] = []
        self.done: list[int] = []
        self.put_aside: list[Exception] = []

    def step(self) -> bool:
        if not self.todo:
            return False
        if self.troubles:
            raise self.troubles.pop(0)
        self.done.append(self.todo.pop(0))
        return True


@pytest.fixture(name="quick")
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("collector.loop.RETRY_S", 0.01)


def run(work: Work, *numbers: int) -> None:
    loop = Loop("test", work.step, work.put_aside.append)
    loop.start()
    for number in numbers:
        work.todo.append(number)
        loop.poke()
    until(lambda: not work.todo)
    loop.stop()


@pytest.mark.usefixtures("quick")
def test_a_loop_does_all_there_is_in_order() -> None:
    work = Work()
    run(work, 1, 2, 3)
    assert work.done == [1, 2, 3]


@pytest.mark.usefixtures("quick")
def test_what_is_away_is_waited_for_and_nothing_is_put_aside() -> None:
    work = Work(Unavailable(fault("link.disk_full")), Unavailable(fault("link.database_locked")))
    run(work, 1)
    assert (work.done, work.put_aside) == ([1], [])


@pytest.mark.usefixtures("quick")
def test_anything_else_is_put_aside_and_the_loop_goes_on() -> None:
    trouble = ZeroDivisionError()
    work = Work(trouble)
    run(work, 1, 2)
    assert (work.done, work.put_aside) == ([1, 2], [trouble])


@pytest.mark.usefixtures("quick")
def test_even_putting_aside_may_fail() -> None:
    work = Work(ZeroDivisionError())

    def failing(_error: Exception) -> None:
        raise Unavailable(fault("link.disk_full"))

    loop = Loop("test", work.step, failing)
    work.todo.append(1)
    loop.start()
    until(lambda: work.done == [1])
    loop.stop()


def test_an_idle_loop_stops_at_once() -> None:
    loop = Loop("test", lambda: False, lambda _error: None)
    loop.start()
    loop.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "test"]


# -- the spool -------------------------------------------------------------------------------------------------------


@pytest.fixture(name="folder")
def a_folder(tmp_path: Path) -> Folder:
    (tmp_path / "spool").mkdir()
    return Folder(tmp_path)


REQUEST = Request(site="x", who="me", key="vkey", plan="{}")


def test_a_request_comes_back_with_its_steps(folder: Folder) -> None:
    path = spool.ask(folder, REQUEST)
    assert spool.replied(path) is None
    assert [*spool.requests(folder)] == [(path, REQUEST)]
    spool.answer(path, ("enrolled", "key"))
    reply = spool.replied(path)
    assert reply is not None
    assert reply.check() == ("enrolled", "key")
    assert [*folder.spool.iterdir()] == []


@pytest.mark.parametrize("kind", [BadInput, Refused, Unavailable])
def test_a_fault_comes_back_as_what_it_was(folder: Folder, kind: type[BadInput]) -> None:
    path = spool.ask(folder, REQUEST)
    spool.answer(path, error=kind(fault("collector.key_name", "x", found="a", expected="b")))
    reply = spool.replied(path)
    assert reply is not None
    with pytest.raises(kind) as error:
        reply.check()
    assert error.value.faults == (fault("collector.key_name", "x", found="a", expected="b"),)


def test_what_is_no_request_is_set_aside(folder: Folder) -> None:
    (folder.spool / "a.request").write_text("nonsense")
    path = spool.ask(folder, REQUEST)
    assert [found for found, _ in spool.requests(folder)] == [path]
    assert (folder.spool / "a.unreadable").exists()


# -- a daemon in this process ----------------------------------------------------------------------------------------


@pytest.fixture(name="broker")
def real_broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with mosquitto(tmp_path) as running:
        yield running


@pytest.fixture(name="serving")
def in_process(
    tmp_path: Path, broker: Mosquitto, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Daemon, FaultyDatabase, PaperSite]]:
    real = module.database.opened
    monkeypatch.setattr(module.database, "opened", lambda folder: FaultyDatabase(real(folder)))
    monkeypatch.setattr(module, "PRESENCE_S", 1)
    monkeypatch.setattr("collector.loop.RETRY_S", 0.05)
    desk, site = Desk(tmp_path), PaperSite(filler(40))
    desk.enroll(site)
    desk.database.close()
    made = Daemon(desk.folder, desk.identity, Endpoint(host="127.0.0.1", port=broker.port))
    database = made._database
    assert isinstance(database, FaultyDatabase)
    made.start()
    yield made, database, site
    made.stop()


@pytest.mark.real
@pytest.mark.parametrize("mode", ["before", "after"])
def test_bytes_that_could_not_be_kept_come_again(
    broker: Mosquitto, serving: tuple[Daemon, FaultyDatabase, PaperSite], mode: str
) -> None:
    _, database, site = serving
    with wire(broker.port, site) as heard:
        until(lambda: heard.office == "online")
        database.armed = mode
        heard.say(site.bundle(0, 10))  # once: what follows is the broker's doing and ours
        until(lambda: heard.received == 10, 20)
        heard.say(site.bundle(10, 12))
        until(lambda: heard.received == 12)


@pytest.mark.real
def test_presence_said_in_our_name_is_put_right(
    broker: Mosquitto, serving: tuple[Daemon, FaultyDatabase, PaperSite]
) -> None:
    with wire(broker.port, serving[2]) as heard:
        until(lambda: heard.office == "online")
        heard.mqtt.publish(COLLECTOR_STATE, encode(Presence(version=1, state="offline")), retain=True)
        until(lambda: heard.office == "offline")
        until(lambda: heard.office == "online")


@pytest.mark.real
def test_an_arrival_we_fail_on_is_set_aside_and_the_next_is_dealt_with(
    broker: Mosquitto, serving: tuple[Daemon, FaultyDatabase, PaperSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon, database, site = serving
    original = daemon._receiver.handle

    def failing_once(*arguments: object) -> object:
        daemon._receiver.handle = original  # type: ignore[method-assign]
        raise ZeroDivisionError("a fault of ours")

    daemon._receiver.handle = failing_once  # type: ignore[method-assign, assignment]
    with wire(broker.port, site) as heard:
        until(lambda: heard.office == "online")
        heard.say(site.bundle(0, 10))
        until(lambda: daemon._receiver.handle == original)
        heard.say(site.bundle(0, 11))
        until(lambda: heard.received == 11)
    failed = database.read(lambda c: c.exec_driver_sql("SELECT failed FROM inbox").all())
    assert [row.failed for row in failed] == ["ZeroDivisionError('a fault of ours')"]


@pytest.mark.real
def test_a_message_beyond_every_bound_is_dropped_unread(
    broker: Mosquitto, serving: tuple[Daemon, FaultyDatabase, PaperSite], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_MESSAGE", 5000)
    _, _, site = serving
    with wire(broker.port, site) as heard:
        until(lambda: heard.office == "online")
        heard.say(bytes(5001))
        heard.say(site.bundle(0, 10))
        until(lambda: heard.received == 10)
        assert not [message for message in heard.heard if message.topic.endswith("answer")]
