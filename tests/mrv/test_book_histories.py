"""Random lives of a site: whatever happens, every slot is covered once and a second program agrees.

A history is a list of events: time passes with readings or failures, the agent is down, reboots without a clock, the
clock is found, steps back or forward, a meter is exchanged; counters are misread, begin anew, jump, and the meter says
who it is. The site's own Book decides what to write, exactly as the agent does. After every history: the judge finds
nothing, each expected slot is counted once, what was used is what the registers moved by but for what was decided
otherwise, and a Book restored from storage at any summary goes on identically.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from site_log import EVERY, T0, SiteLog, demo_binding, demo_plan

from mrv import leaf
from mrv.book import Book
from mrv.leaf import Summary
from mrv.profile import Profile
from mrv.reading import ClockState
from mrv.restore import restored

STEP = EVERY * 1000
events = st.lists(
    st.one_of(
        st.tuples(st.just("run"), st.integers(1, 14), st.integers(0, 3)),
        st.tuples(st.just("down"), st.integers(1, 60), st.just(0)),
        st.tuples(st.just("reboot"), st.integers(1, 9), st.integers(0, 1)),
        st.tuples(st.just("step"), st.integers(-500_000, 500_000), st.just(0)),
        st.tuples(st.just("rebind"), st.integers(0, 99), st.just(0)),
        st.tuples(st.just("misread"), st.integers(1, 8), st.sampled_from([0, 1, 500_000])),
        st.tuples(st.just("counter"), st.sampled_from([-1, 0, 300_000]), st.just(0)),
        st.tuples(st.just("identity"), st.integers(1, 2), st.integers(1, 2)),
    ),
    min_size=1,
    max_size=9,
)


class Site:
    """Drives a SiteLog the way the agent drives its store: true time moves on, the wall clock may not agree."""

    def __init__(self, *profiles: Profile) -> None:
        self.log, self.true = SiteLog(profiles=profiles), T0
        self.wrong = 0  # wall clock minus true time
        self.known = True
        self.shift = 0.0  # what a jump or a reset did to the counters
        self.misread: list[float] = []

    def energy(self) -> float:
        return self.misread.pop() if self.misread else 100 + (self.true - T0) / 1_000_000 + self.shift

    def turn(self, fails: int) -> None:
        """One polling round of both meters; bit n of `fails` = meter n does not answer."""
        now = self.true + self.wrong
        slot = now // STEP * STEP
        if self.known:
            self.log.fill(slot)
        energy = self.energy()
        for number, meter in enumerate(("chiller-1", "pv-main")):
            frontier = self.log.book.frontier(meter)
            slotted = self.known and frontier is not None and slot >= frontier
            if fails >> number & 1:
                self.log.gap(meter, slot, slot + STEP, now=now, slotted=slotted)
            else:
                reading = self.log.reading(meter, slot, kwh=energy, slotted=slotted, late=now - slot)
                self.log.add(reading)
        self.log.close()
        self.true += STEP

    def apply(self, event: tuple[str, int, int]) -> None:
        name, amount, more = event
        if name == "run":
            for _ in range(amount):
                self.turn(more)
        elif name == "down":
            self.true += amount * 7_000
        elif name == "reboot":
            self.reboot(amount, synchronised=bool(more))
        elif name == "step" and self.known:
            self.wrong += amount
            self.log.clock(self.true + self.wrong - amount, ClockState.SYNCHRONISED, why="step", step=amount)
        elif name == "rebind" and self.known:
            self.log.configure(self.true + self.wrong, demo_plan(), demo_binding(serial=str(amount)))
        elif name == "misread":
            self.misread = [float(more)] * amount
        elif name == "counter":
            self.shift = {-1: -95.0 - (self.true - T0) / 1_000_000, 0: self.shift - 0.05}.get(
                amount, self.shift + amount
            )
        elif name == "identity":
            self.log.identify("chiller-1", self.true + self.wrong, serial=str(amount), firmware=str(more))

    def reboot(self, turns: int, *, synchronised: bool) -> None:
        self.true += 5_000
        self.log.boot(self.true + self.wrong, number=self.log.boot_number + 1)
        if not synchronised:
            self.log.clock(self.true + self.wrong, ClockState.UNKNOWN, why="start")
            self.known = False
            for _ in range(turns):
                self.turn(0)
        step, self.wrong, self.known = -self.wrong, 0, True
        self.log.clock(self.true - step, ClockState.SYNCHRONISED, why="sync", step=step)

    def finish(self) -> None:
        """Catch up with every slot that was ever promised and close what is due."""
        ahead = max((self.log.book.frontier(m) or 0) - self.true - self.wrong for m in ("chiller-1", "pv-main"))
        self.true += max(0, ahead)
        for _ in range(14):
            self.turn(0)


class Stored:
    """A log as a database offers it to `restored`."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves = leaves
        self.read = 0

    def newest_first(self) -> Iterable[tuple[int, bytes]]:
        for index in reversed(range(len(self.leaves))):
            self.read += 1
            yield index, self.leaves[index]

    def landmarks(self, before: int) -> Iterable[tuple[int, bytes]]:
        wanted = tuple(f'"k":"{kind}"'.encode() for kind in Book.LANDMARKS)
        return [
            (index, data) for index, data in enumerate(self.leaves[:before]) if any(kind in data for kind in wanted)
        ]

    def since(self, index: int) -> Iterable[bytes]:
        return self.leaves[index:]


def lived(history: list[tuple[str, int, int]], *profiles: Profile) -> SiteLog:
    site = Site(*profiles)
    for event in history:
        site.apply(event)
    site.finish()
    return site.log


@settings(max_examples=40)
@given(events)
def test_the_judge_agrees_with_every_truthful_life(history: list[tuple[str, int, int]]) -> None:
    agrees(history)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=600)
@given(events)
def test_the_judge_agrees_with_many_more(history: list[tuple[str, int, int]]) -> None:
    agrees(history)


def agrees(history: list[tuple[str, int, int]]) -> None:
    log = lived(history)
    book, judgements = log.judged()
    assert [f for j in judgements for f in j.findings] == []
    assert book.open_findings == ()
    assert judgements, "something was closed"
    assert [j.summary.seq for j in judgements] == list(range(len(judgements)))
    for before, after in pairwise(judgements):
        assert before.summary.end == after.summary.start
    for judgement in judgements:
        assert judgement.summary.expected == judgement.summary.read + judgement.summary.gap
        assert all(usage.gap >= 0 for usage in judgement.usages)


@settings(max_examples=25)
@given(st.lists(events.filter(bool).map(lambda e: e[0]), min_size=1, max_size=8))
def test_without_an_exchange_the_usages_telescope(history: list[tuple[str, int, int]]) -> None:
    history = [event for event in history if event[0] != "rebind"]
    _, judgements = lived([("run", 2, 0), *history]).judged()
    used = [u.registers["1.8.0"] for j in judgements for u in j.usages if u.meter == "chiller-1" and u.registers]
    assert [u.opening for u in used[1:]] == [u.closing for u in used[:-1]]
    moved = Decimal(used[-1].closing) - Decimal(used[0].opening)
    assert sum(Decimal(u.used) + Decimal(u.jumped or 0) for u in used) == moved
    if not {"misread", "counter", "identity"} & {event[0] for event in history}:
        assert {u.jumped for u in used} == {None}, "a loss-free history: the sum of the periods is the true energy"


@settings(max_examples=30)
@given(events, st.floats(0, 1))
def test_a_restored_book_goes_on_as_if_nothing_happened(history: list[tuple[str, int, int]], part: float) -> None:
    goes_on(history, part)


@pytest.mark.slow
@pytest.mark.timeout(600)
@settings(max_examples=400)
@given(events, st.floats(0, 1))
def test_a_restored_book_goes_on_many_more(history: list[tuple[str, int, int]], part: float) -> None:
    goes_on(history, part)


def goes_on(history: list[tuple[str, int, int]], part: float) -> None:
    leaves = lived(history).leaves
    cut = 1 + int(part * (len(leaves) - 1))
    whole = Book(verify=False)
    for item in leaves[:cut]:
        whole.add(item)
    again = restored(Stored(leaves[:cut]), verify=False)
    now = T0 + 4_000_000
    assert (again.seq, again.last_end, again.due()) == (whole.seq, whole.last_end, whole.due())
    assert again.uncovered(now) == whole.uncovered(now)
    for item in leaves[cut:]:
        assert again.add(item) == whole.add(item)


def test_restoring_reads_little_of_a_long_log() -> None:
    log = SiteLog()
    log.run(T0, T0 + 60 * 60_000)
    stored = Stored(log.leaves)
    assert restored(stored).seq == log.book.seq
    assert stored.read < 30 < len(log.leaves)


def test_a_summary_says_what_kind_of_leaf_it_is() -> None:
    """Stored.landmarks above finds kinds by their bytes; this is the spelling it relies on."""
    log = SiteLog()
    log.run(T0, T0 + 70_000)
    assert any(isinstance(leaf.decode(d), Summary) and b'"k":"summary"' in d for d in log.leaves)
