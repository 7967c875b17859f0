"""Verdicts: what counts, what waits, what is never counted twice; leaves that lie stop nobody."""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
import pytest
import rfc8785
from desk import Desk, PaperSite, filler
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from site_log import T0, SiteLog, demo_binding, demo_plan, replaced
from sqlalchemy import insert

from collector.admit import Admission, LogView, Running
from collector.schema import LEAVES, VERDICTS
from collector.verdicts import decode_faults
from link.errors import DiskError, Forbidden
from mrv import leaf
from mrv.book import Book
from mrv.leaf import Summary, Usage, UsedRegister
from mrv.reading import Reading
from mrv.restore import restored

MINUTE = 60_000
MADE = demo_plan(min_coverage=Decimal(0))
PLAN, BINDING = (leaf.canonical(value).decode() for value in (MADE, demo_binding()))


@pytest.fixture(scope="module", name="leaves")
def three_minutes() -> list[bytes]:
    log = SiteLog(plan=MADE, key=PaperSite([]).key.vkey)
    log.run(T0, T0 + 3 * MINUTE + 10_000)
    return log.leaves


def deliver(desk: Desk, site: PaperSite, *sizes: int) -> None:
    """The whole log in bundles that end at `sizes` and at its end."""
    old = desk.size(site)
    for size in (*sizes, len(site.leaves)):
        assert desk.deliver(site.bundle(old, size), site.site).receipt
        old = size


def verdicts(desk: Desk, site: PaperSite) -> list[tuple[int, bool, set[str]]]:
    rows = desk.archive.verdicts(origin=site.origin)
    return [(r.seq, bool(r.admitted), {f.code for f in decode_faults(r.reasons)}) for r in rows]


ADMITTED = [(seq, True, set[str]()) for seq in range(3)]


@pytest.fixture(name="factory")
def enrolled(desk: Desk, leaves: list[bytes]) -> PaperSite:
    made = PaperSite(leaves)
    desk.enroll(made, plan=PLAN, binding=BINDING)
    return made


def test_a_truthful_log_is_admitted(desk: Desk, factory: PaperSite) -> None:
    deliver(desk, factory)
    found = Admission(desk.archive, desk.registry).catch_up(factory.origin, desk.now)
    assert [verdict.reasons for verdict in found] == [(), (), ()]
    assert verdicts(desk, factory) == ADMITTED
    rows = desk.archive.verdicts(site=factory.site)
    assert [(row.start, row.end) for row in rows] == [(T0 + n * MINUTE, T0 + (n + 1) * MINUTE) for n in range(3)]
    assert all(leaf.digest(row.body) == row.digest for row in rows)


def test_a_new_process_after_every_bundle_judges_the_same(desk: Desk, factory: PaperSite) -> None:
    for size in range(10, len(factory.leaves), 13):
        assert desk.deliver(factory.bundle(desk.size(factory), size)).receipt
        Admission(desk.archive, desk.registry).catch_up(factory.origin, desk.now)
    deliver(desk, factory)
    Admission(desk.archive, desk.registry).catch_up(factory.origin, desk.now)
    assert verdicts(desk, factory) == ADMITTED


def test_without_approval_a_receipt_comes_and_the_verdict_waits(desk: Desk, leaves: list[bytes]) -> None:
    site = PaperSite(leaves)
    desk.enroll(site)
    deliver(desk, site)
    admission = Admission(desk.archive, desk.registry)
    admission.catch_up(site.origin, desk.now)
    both = {"audit.plan_not_approved", "audit.binding_not_approved"}
    assert verdicts(desk, site) == [(seq, False, both) for seq in range(3)]

    desk.enroll(site, key=None, plan=PLAN)
    admission.judge_again(site.site, desk.now)
    assert verdicts(desk, site) == [(seq, False, {"audit.binding_not_approved"}) for seq in range(3)]
    desk.enroll(site, key=None, binding=BINDING)
    assert len(admission.judge_again(site.site, desk.now)) == 3
    assert verdicts(desk, site) == ADMITTED
    assert admission.judge_again(site.site, desk.now) == (), "nothing waits any more"


def test_approving_one_thing_does_not_excuse_another(desk: Desk, leaves: list[bytes]) -> None:
    site = PaperSite(forged(leaves))
    desk.enroll(site)
    deliver(desk, site)
    admission = Admission(desk.archive, desk.registry)
    admission.catch_up(site.origin, desk.now)
    desk.enroll(site, key=None, plan=PLAN, binding=BINDING)
    admission.judge_again(site.site, desk.now)
    assert [admitted for _, admitted, _ in verdicts(desk, site)] == [False, True, True]


def forged(leaves: Sequence[bytes]) -> list[bytes]:
    """The site itself writes another register value than its raw words say, and signs that."""
    index = next(i for i, data in enumerate(leaves) if isinstance(fact := leaf.decode(data), Reading) and fact.slot)
    fact = leaf.decode(leaves[index])
    assert isinstance(fact, Reading)
    return replaced(list(leaves), index, registers={**fact.registers, "1.8.0": "1.000"})


def test_a_register_that_the_raw_words_do_not_say(desk: Desk, leaves: list[bytes]) -> None:
    site = PaperSite(forged(leaves))
    desk.enroll(site, plan=PLAN, binding=BINDING)
    deliver(desk, site)
    Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    (first, *_) = verdicts(desk, site)
    assert first[1] is False
    assert "audit.registers_differ" in first[2]


@pytest.mark.parametrize("mode", ["before", "after"])
def test_a_verdict_that_could_not_be_stored(desk: Desk, factory: PaperSite, mode: str) -> None:
    deliver(desk, factory)
    admission = Admission(desk.archive, desk.registry)
    desk.database.armed = mode
    with pytest.raises(DiskError):
        admission.catch_up(factory.origin, desk.now)
    admission.catch_up(factory.origin, desk.now)
    assert verdicts(desk, factory) == ADMITTED


def test_a_log_that_calls_itself_another(desk: Desk, leaves: list[bytes]) -> None:
    site = PaperSite(leaves, site="other", seed=4)
    desk.enroll(site, plan=PLAN.replace("demo-factory", "other"), binding=BINDING.replace("demo-factory", "other"))
    deliver(desk, site)
    Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    assert all("audit.genesis_differs" in reasons for _, _, reasons in verdicts(desk, site))


def with_a_false_closing(leaves: list[bytes]) -> list[bytes]:
    """The second minute closes, by the site's own signed word, at a register of nothing; everything else is true."""
    second = [i for i, data in enumerate(leaves) if isinstance(leaf.decode(data), Summary)][1]
    usages = [leaf.decode(data) for data in leaves[second - 2 : second]]
    false = []
    for usage in usages:
        assert isinstance(usage, Usage)
        closed = {
            obis: UsedRegister(
                opening=r.opening, closing="0.000", used=f"-{r.opening}" if float(r.opening) else "0.000"
            )
            for obis, r in usage.registers.items()
        }
        false.append(leaf.encode(msgspec.structs.replace(usage, registers=closed)))
    told = [*leaves[: second - 2], *false, *leaves[second:]]
    return replaced(told, second, usages=tuple(map(leaf.digest, false)))


def test_a_false_closing_is_not_an_opening_after_a_restart(desk: Desk, leaves: list[bytes]) -> None:
    """A summary found wrong is not believed by the next process either: the third minute is counted from readings."""
    told = with_a_false_closing(leaves)
    site = PaperSite(told[: 1 + max(i for i, d in enumerate(told[:-5]) if isinstance(leaf.decode(d), Summary))])
    desk.enroll(site, plan=PLAN, binding=BINDING)
    deliver(desk, site)
    Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    assert [admitted for _, admitted, _ in verdicts(desk, site)] == [True, False]

    book = restored(LogView(archive=desk.archive, origin=site.origin, limit=len(site.leaves)), verify=False)
    site.leaves = told_on(site.leaves, book, leaves[len(site.leaves) :])
    deliver(desk, site)
    Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    third = verdicts(desk, site)[2]
    assert third[1] is False
    assert {"audit.usages_differ", "audit.summary_differs"} <= third[2]


def told_on(leaves: list[bytes], book: Book, truth: list[bytes]) -> list[bytes]:
    """`leaves` and the true readings after them, closed by a `book` that believes the false closing."""
    told = list(leaves)
    for data in truth:
        if isinstance(leaf.decode(data), Reading):
            told.append(data)
            book.add(data)
    due = book.due()
    assert due is not None
    settled = book.close(*due)
    usages, summary = settled.usages, settled.summary
    return [*told, *map(leaf.encode, usages), leaf.encode(summary)]


# -- at most one admitted summary per period -------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0, 30_000])
def test_a_second_epoch_cannot_count_a_period_again(desk: Desk, factory: PaperSite, shift: int) -> None:
    deliver(desk, factory)
    admission = Admission(desk.archive, desk.registry)
    admission.catch_up(factory.origin, desk.now)
    log = SiteLog(plan=MADE, start=T0 + shift)
    log.run(T0 + shift, T0 + 4 * MINUTE + 10_000)
    again = PaperSite([], epoch=2, seed=2)
    again.leaves = replaced(log.leaves, 0, origin=again.origin, epoch=2, key=again.key.vkey)
    desk.enroll(again, epoch=2)
    deliver(desk, again)
    admission.catch_up(again.origin, desk.now)
    assert [admitted for _, admitted, _ in verdicts(desk, again)] == [False, False, False, True]
    assert verdicts(desk, again)[0][2] == {"collector.period_taken"}
    assert verdicts(desk, factory) == ADMITTED


def test_the_schema_itself_refuses_a_second_one(desk: Desk, factory: PaperSite) -> None:
    deliver(desk, factory)
    Admission(desk.archive, desk.registry).catch_up(factory.origin, desk.now)
    other = PaperSite([], epoch=2, seed=2)
    desk.enroll(other, epoch=2)
    first = desk.archive.verdicts(site=factory.site)[0]
    values = {
        name: getattr(first, name)
        for name in first._fields
        if hasattr(VERDICTS.c, name) and name not in ("origin", "idx")
    }
    second = insert(VERDICTS).values(**values, origin=other.origin, idx=0)
    with pytest.raises(Forbidden):
        desk.database.write(lambda connection: connection.execute(second)).result()


ALTERATIONS = (
    "UPDATE leaves SET body = '0'",
    "DELETE FROM leaves",
    "UPDATE checkpoints SET note = ''",
    "DELETE FROM checkpoints",
    "UPDATE evidence SET body = ''",
    "UPDATE approvals SET digest = ''",
    "DELETE FROM keys",
    "UPDATE keys SET vkey = ''",
    "UPDATE keys SET last_size = 1",
    "UPDATE heads SET size = 1",
    "UPDATE heads SET forked = 0",
    "DELETE FROM heads",
    "DELETE FROM verdicts",
    "DELETE FROM changes",
)


@pytest.mark.parametrize("statement", ALTERATIONS)
def test_what_is_held_cannot_be_altered(desk: Desk, factory: PaperSite, statement: str) -> None:
    deliver(desk, factory)
    Admission(desk.archive, desk.registry).catch_up(factory.origin, desk.now)
    desk.deliver(PaperSite(filler(3)).bundle(0, 3))
    desk.enroll(PaperSite([], epoch=2, seed=2), epoch=2)
    with pytest.raises(Forbidden):
        desk.database.write(lambda connection: connection.exec_driver_sql(statement)).result()


# -- leaves that break the accounting --------------------------------------------------------------------------------


def test_a_log_that_breaks_the_accounting_breaks_only_its_own(
    desk: Desk, factory: PaperSite, leaves: list[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    poison = b'{"k":"poison"}'
    broken = PaperSite([*leaves[:5], poison, *leaves[5:]], site="broken", seed=5)
    desk.enroll(broken)
    original = Book.add

    def fragile(self: Book, data: bytes) -> Any:
        if data == poison:
            raise RecursionError("as an unforeseen leaf would")
        return original(self, data)

    monkeypatch.setattr(Book, "add", fragile)
    for site in (broken, factory):
        deliver(desk, site, 30)
    admission = Admission(desk.archive, desk.registry)
    for site in (broken, factory):
        admission.catch_up(site.origin, desk.now)
    assert verdicts(desk, factory) == ADMITTED
    assert [admitted for _, admitted, _ in verdicts(desk, broken)] == [False] * 3
    assert all("collector.account_broken" in reasons for _, _, reasons in verdicts(desk, broken))
    assert [(alarm.origin, alarm.code) for alarm in desk.archive.alarms()] == [
        (broken.origin, "collector.account_broken")
    ]
    restarted = Admission(desk.archive, desk.registry)
    broken.leaves += leaves[-3:]
    deliver(desk, broken)
    restarted.catch_up(broken.origin, desk.now)
    assert [admitted for _, admitted, _ in verdicts(desk, broken)] == [False] * 4


NONSENSE = st.one_of(st.none(), st.integers(-(2**53) + 1, 2**53 - 1), st.text(max_size=3), st.just([]), st.just({}))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_leaf_stops_an_account(data: st.DataObject, leaves: list[bytes]) -> None:
    """Any leaf of an honest log with a field replaced by nonsense: findings, never an exception."""
    index = data.draw(st.integers(0, len(leaves) - 4), label="leaf")
    fields = json.loads(leaves[index])
    name = data.draw(st.sampled_from(sorted(fields)), label="field")
    fields[name] = data.draw(NONSENSE, label="value")
    running = Running("x", Book(), 0)
    for at, body in enumerate([*leaves[:index], rfc8785.dumps(fields), *leaves[index + 1 :]]):
        running.add(at, body)
    assert running.broken is None


def test_kinds_are_stored_for_rebuilding_only(desk: Desk, leaves: list[bytes]) -> None:
    site = PaperSite([*leaves[:3], b"\xff", b"[]", b'{"k":5}', b'{"k":"new-kind"}'])
    desk.enroll(site)
    deliver(desk, site)
    kinds = desk.database.read(lambda c: c.execute(LEAVES.select().order_by(LEAVES.c.idx)).all())
    assert [row.kind for row in kinds] == ["genesis", "boot", "clock", "", "", "", ""]
    assert list(desk.archive.leaves(site.origin, kinds=Book.LANDMARKS)) == leaves[:3]
