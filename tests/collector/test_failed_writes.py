"""Every write of the collector, failed and failed-but-happened: nothing lost, nothing twice, nothing said too early."""

from __future__ import annotations

import pytest
from desk import Desk, PaperSite, filler

from collector.enroll import Request, carry_out
from link.errors import Busy, DiskError, Forbidden
from mrv.log.checkpoint import open_checkpoint

MODES = ("before", "after")


@pytest.mark.parametrize("mode", MODES)
def test_keeping_the_raw_bytes(desk: Desk, site: PaperSite, mode: str) -> None:
    desk.database.armed = mode
    with pytest.raises(DiskError):
        desk.keep(site.bundle(0, 5))
    desk.keep(site.bundle(0, 5))  # not acknowledged, so the broker sends it again
    (said,) = desk.work()
    assert said.receipt
    desk.check_world(site)


@pytest.mark.parametrize("mode", MODES)
def test_the_receipt(desk: Desk, site: PaperSite, mode: str) -> None:
    desk.deliver(site.bundle(0, 5))
    desk.keep(site.bundle(5, 9))
    arrival = desk.archive.waiting()
    assert arrival is not None
    desk.database.armed = mode
    with pytest.raises(DiskError):
        desk.handle(arrival)
    assert len(desk.said) == 1, "no receipt before the commit is known"
    desk.check_world(site)
    if mode == "before":
        (said,) = desk.work()
    else:
        assert desk.archive.waiting() is None
        said = desk.deliver(site.bundle(5, 9))  # the site asks again: it got no receipt
    assert open_checkpoint(said.receipt, site.key.public).size == 9
    assert [size for size, _ in desk.archive.notes(site.origin)] == [5, 9]
    desk.check_world(site)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("old", [0, 12])
def test_being_done_with_a_repeat_or_a_refusal(desk: Desk, site: PaperSite, mode: str, old: int) -> None:
    desk.deliver(site.bundle(0, 10))
    desk.keep(site.bundle(old, old + 5))
    arrival = desk.archive.waiting()
    assert arrival is not None
    desk.database.armed = mode
    with pytest.raises(DiskError):
        desk.handle(arrival)
    assert len(desk.said) == 1
    assert len(desk.work()) == (1 if mode == "before" else 0)
    assert desk.archive.waiting() is None
    desk.check_world(site)


@pytest.mark.parametrize("mode", MODES)
def test_a_fork_is_on_record_once(desk: Desk, site: PaperSite, mode: str) -> None:
    desk.deliver(site.bundle(0, 10))
    body = PaperSite(filler(10, start=100)).bundle(0, 10)
    desk.keep(body)
    arrival = desk.archive.waiting()
    assert arrival is not None
    desk.database.armed = mode
    with pytest.raises(DiskError):
        desk.handle(arrival)
    if mode == "after":
        desk.keep(body)
    desk.work()
    assert len(desk.archive.exhibits(site.origin)) == 1
    assert desk.archive.head(site.origin).forked
    assert desk.deliver(site.bundle(10, 20)).answer.fault == "collector.forked"


@pytest.mark.parametrize("mode", MODES)
def test_an_enrolment(desk: Desk, mode: str) -> None:
    site = PaperSite(filler(5))
    desk.database.armed = mode
    with pytest.raises(DiskError):
        desk.enroll(site)
    assert desk.enroll(site) == (("enrolled", "key") if mode == "before" else ())
    assert [change.what for change in desk.registry.changes()] == ["enrolled", "key"], "logged once"
    assert desk.deliver(site.bundle(0, 5)).receipt


@pytest.mark.parametrize("mode", MODES)
def test_setting_an_arrival_aside(desk: Desk, site: PaperSite, mode: str) -> None:
    desk.keep(site.bundle(0, 5))
    arrival = desk.archive.waiting()
    assert arrival is not None
    desk.database.armed = mode
    with pytest.raises(DiskError):
        desk.archive.set_aside(arrival, "why").result()
    desk.archive.set_aside(arrival, "why").result()
    assert desk.archive.waiting() is None


def test_two_decisions_on_one_head_cannot_both_be_made(desk: Desk, site: PaperSite) -> None:
    """Another collector extended the log while this one was deciding."""
    desk.keep(site.bundle(0, 5))
    desk.keep(site.bundle(0, 7))
    first, original = desk.archive.waiting(), desk.archive.extend
    assert first is not None
    desk.now += 1

    def overtaken(*arguments: object) -> object:
        desk.archive.extend = original  # type: ignore[method-assign]
        other = Desk(desk.folder.path.parent)
        while (arrival := other.archive.waiting()) and arrival.id == first.id:
            other.archive.dismiss(arrival, other.now).result()
        other.work()
        other.database.close()
        return original(*arguments)  # type: ignore[arg-type]

    desk.archive.extend = overtaken  # type: ignore[method-assign, assignment]
    with pytest.raises(Busy, match=r"collector\.head_moved"):
        desk.handle(first)
    assert desk.size(site) == 7
    desk.check_world(site)


def test_the_enrolment_that_another_command_made_meanwhile(desk: Desk) -> None:
    site = PaperSite(filler(5))
    request = Request(site=site.site, who="test", key=site.key.vkey)
    standing = desk.registry.standing(site.site)
    desk.enroll(site)
    desk.registry.standing = lambda _site: standing  # type: ignore[method-assign]
    with pytest.raises(Forbidden):
        carry_out(request, desk.identity, desk.registry, desk.archive, desk.now)
    assert [change.what for change in desk.registry.changes()] == ["enrolled", "key"]
