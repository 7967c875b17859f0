"""A site that holds its own key and lies with it: each lie is truthfully signed, settled by the site's own rules, and
must not be admitted. The site here is a SiteLog whose leaves are what an honest agent would write but for the lie.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
import site_log
from site_log import EVERY, T0, SiteLog, demo_binding, demo_plan, replaced
from test_book_histories import Stored

from drivers.profiles import library
from mrv import known, leaf
from mrv.audit import Approvals, Report, Verdict, admit
from mrv.binding import Settings
from mrv.book import Book
from mrv.findings import lines
from mrv.leaf import MeterEvent
from mrv.methodology import catalogue
from mrv.period import LAST
from mrv.plan import MonitoringPlan
from mrv.reading import ClockState
from mrv.restore import restored

MINUTE, STEP = 60_000, EVERY * 1000
PLAN, BINDING = (leaf.digest(leaf.canonical(value)) for value in (demo_plan(), demo_binding()))
APPROVED = Approvals(plans=frozenset({PLAN}), bindings=frozenset({BINDING}))


def reasons(leaves: list[bytes], approvals: Approvals = APPROVED) -> list[set[str]]:
    """Why each summary of a log is not admitted; an empty set for one that is."""
    book = Book()
    judgements = [judgement for data in leaves if (judgement := book.add(data)) is not None]
    return [{found.code for found in admit(judgement, approvals).reasons} for judgement in judgements]


def test_the_same_site_without_a_lie_is_admitted() -> None:
    log = SiteLog()
    log.run(T0, T0 + 2 * MINUTE + STEP)
    assert reasons(log.leaves) == [set(), set()]


# -- what nobody approved ------------------------------------------------------------------------------------------


def test_a_profile_of_the_sites_own_making(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plan, binding and raw words are honest; the log's `eastron_sdm630` counts every kilowatt-hour ten times."""
    honest = library()["eastron_sdm630"]
    values = {
        name: msgspec.structs.replace(value, scale=Decimal(10)) if "energy" in name else value
        for name, value in honest.values.items()
    }
    lying = msgspec.structs.replace(honest, values=values)
    monkeypatch.setattr(site_log, "library", lambda: {"eastron_sdm630": lying})
    log = SiteLog()
    log.run(T0, T0 + MINUTE + STEP)
    (found,) = reasons(log.leaves)
    assert "audit.profile_unknown" in found


def test_a_methodology_of_the_sites_own_making(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = catalogue.library()
    lying = {
        name: msgspec.structs.replace(one, equations=tuple(e.replace("RE_p = ", "RE_p = 5 * ") for e in one.equations))
        for name, one in honest.items()
    }
    digests = {name: frozenset({leaf.digest(leaf.canonical(one))}) for name, one in lying.items()}
    monkeypatch.setattr(catalogue, "library", lambda: lying)
    log = SiteLog()
    with monkeypatch.context() as site:  # which believes itself
        site.setattr(known, "METHODOLOGIES", digests)
        log.run(T0, T0 + MINUTE + STEP)
    (found,) = reasons(log.leaves)
    assert {"audit.methodology_unknown", "audit.summary_differs"} <= found


def test_a_released_profile_under_anothers_name() -> None:
    log = SiteLog()
    index, config = next((i, f) for i, d in enumerate(log.leaves) if isinstance(f := leaf.decode(d), leaf.Config))
    inverter = library()["sunspec_inverter_3p"]
    blobs = [leaf.encode(blob) for blob in leaf.blobs(leaf.canonical(inverter))]
    swapped = msgspec.structs.replace(config, profiles={"eastron_sdm630": leaf.digest(leaf.canonical(inverter))})
    log.run(T0, T0 + MINUTE + STEP)
    (found,) = reasons([*log.leaves[:index], *blobs, leaf.encode(swapped), *log.leaves[index + 1 :]])
    assert "audit.profile_unknown" in found


@pytest.mark.parametrize(
    ("plan", "binding", "found"),
    [
        (
            demo_plan(),
            demo_binding(settings=Settings(ratio="4000/5")),
            {"audit.binding_not_approved", "audit.plan_and_binding"},
        ),
        (
            demo_plan(min_coverage=Decimal("0.1")),
            demo_binding(serial="1"),
            {"audit.plan_not_approved", "audit.binding_not_approved"},
        ),
    ],
)
def test_a_configuration_in_force_only_within_the_period(
    plan: MonitoringPlan, binding: object, found: set[str]
) -> None:
    """Half a minute under something nobody approved, and back before the period closes under what was."""
    log = SiteLog()
    log.run(T0, T0 + MINUTE + STEP)
    log.configure(T0 + MINUTE + STEP, plan, binding)  # type: ignore[arg-type]
    log.run(T0 + MINUTE + STEP, T0 + MINUTE + 4 * STEP)
    log.configure(T0 + MINUTE + 4 * STEP, demo_plan(), demo_binding())
    log.run(T0 + MINUTE + 4 * STEP, T0 + 3 * MINUTE + STEP)
    honest, lie, after = reasons(log.leaves)
    assert honest == after == set()
    assert lie == found


def test_a_plan_and_a_binding_approved_apart_that_do_not_fit() -> None:
    """Two meters at one point would count its energy twice."""
    twice = demo_binding(point="PV-AC")
    approvals = Approvals(plans=APPROVED.plans, bindings=frozenset({leaf.digest(leaf.canonical(twice))}))
    log = SiteLog(binding=twice)
    log.run(T0, T0 + MINUTE + STEP)
    assert reasons(log.leaves, approvals) == [{"audit.plan_and_binding"}]


# -- moments outside all reason ------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [2**53 - 1, -(2**53) + 1, 0, LAST, T0 + 400 * 365 * 24 * 60 * MINUTE])
def test_a_summary_that_ends_anywhere(end: int) -> None:
    """It says nothing about its own period, and the periods after it are judged as if it were not there."""
    log = SiteLog()
    log.run(T0, T0 + MINUTE + STEP)
    bogus = msgspec.structs.replace(log.judgements[0].summary, end=end, usages=())
    book = Book()
    for data in [*log.leaves, leaf.encode(bogus)]:
        judgement = book.add(data)
    assert judgement is not None
    assert [found.code for found in judgement.findings] == ["audit.period_not_due"]
    assert (book.last_end, book.seq) == (T0 + MINUTE, 0)
    report = Report(
        origin="o", size=1, received=1, findings=(), verdicts=((judgement, Verdict(reasons=judgement.findings)),)
    )
    assert "NOT clean" in list(lines(report))
    before = len(log.leaves)
    log.run(T0 + MINUTE + STEP, T0 + 2 * MINUTE + STEP)
    assert [j.findings for data in log.leaves[before:] if (j := book.add(data)) is not None] == [()]


def test_a_summary_with_the_greatest_number_there_is() -> None:
    log = SiteLog()
    log.run(T0, T0 + 2 * MINUTE + STEP)
    index = next(i for i, data in enumerate(log.leaves) if isinstance(leaf.decode(data), leaf.Summary))
    assert reasons(replaced(log.leaves, index, seq=2**53 - 1)) == [{"audit.summary_differs"}, set()]


@pytest.mark.parametrize("boottime", [2**53 - 1, -(2**53) + 1])
def test_a_boot_at_no_possible_time(boottime: int) -> None:
    """The config of a boot without a clock would hold from the next boot on; that one began in the year 280000."""
    log = SiteLog(clock=ClockState.UNKNOWN)
    boot = {"boot": 2, "ts": T0, "kernel": "k", "agent": "a", "clean": True, "clock": ClockState.UNKNOWN}
    log.add(leaf.Boot(**boot, boottime=boottime))
    clock = {"boot": 2, "ts": T0, "why": "start", "source": "kernel", "clock": ClockState.SYNCHRONISED}
    log.add(leaf.Clock(**clock, boottime=0))
    assert log.book.due() is None
    assert "audit.time_out_of_range" in {found.code for found in log.book.open_findings}


# -- lies about counters -------------------------------------------------------------------------------------------


def jumped() -> SiteLog:
    """A counter that jumps by 400 kWh in the second minute, which no busbar explains; decided and told in the third."""
    log = SiteLog()
    log.run(T0, T0 + MINUTE + STEP)
    log.run(T0 + MINUTE + STEP, T0 + 3 * MINUTE + STEP, base=500)
    return log


def decision(log: SiteLog) -> int:
    return next(i for i, data in enumerate(log.leaves) if isinstance(leaf.decode(data), MeterEvent))


def usage_of_the_jump(log: SiteLog) -> int:
    facts = (leaf.decode(data) for data in log.leaves)
    return next(i for i, fact in enumerate(facts) if isinstance(fact, leaf.Usage) and "held" in fact.flags)


def test_a_jump_honestly_told_is_admitted_and_credits_nothing() -> None:
    log = jumped()
    assert reasons(log.leaves) == [set(), set(), set()]
    projects = [judgement.summary.projects for judgement in log.judgements]
    assert [project.reduction is None for project in projects[2]] == [True, True]
    assert projects[0][0].reduction is not None
    assert [usage.flags for usage in log.judgements[1].usages] == [("carried", "jump")] * 2
    assert [usage.flags for usage in log.judgements[2].usages] == [("jump", "held", "straddle", "lost")] * 2


@pytest.mark.parametrize("verdict", ["glitch", "rollover", "reset"])
def test_a_decision_that_is_called_another(verdict: str) -> None:
    log = jumped()
    index = decision(log)
    fact = leaf.decode(log.leaves[index])
    assert isinstance(fact, MeterEvent)
    lie = replaced(log.leaves, index, details={**fact.details, "verdict": verdict})
    assert reasons(lie) == [set(), set(), {"audit.decisions_differ"}]


def test_a_decision_that_is_not_shown_or_invented() -> None:
    log = jumped()
    index = decision(log)
    hidden = [*log.leaves[:index], *log.leaves[index + 1 :]]
    twice = [*log.leaves[: index + 1], *log.leaves[index:]]
    for lie in (hidden, twice):
        assert reasons(lie) == [set(), set(), {"audit.decisions_differ"}]


@pytest.mark.parametrize("lie", [{"flags": ()}, {"flags": ("lost",), "holds": {}}, {"holds": {}}, {"lost": 0}])
def test_a_usage_that_hides_its_hold(lie: dict[str, object]) -> None:
    log = jumped()
    found = reasons(replaced(log.leaves, usage_of_the_jump(log), **lie))
    assert "audit.usages_differ" in found[2]


def test_a_jump_that_is_called_energy() -> None:
    log = jumped()
    index = usage_of_the_jump(log)
    fact = leaf.decode(log.leaves[index])
    assert isinstance(fact, leaf.Usage)
    all_of_it = {
        obis: msgspec.structs.replace(used, used=str(Decimal(used.used) + Decimal(used.jumped or 0)), jumped=None)
        for obis, used in fact.registers.items()
    }
    assert "audit.usages_differ" in reasons(replaced(log.leaves, index, registers=all_of_it))[2]


def test_an_exchange_that_is_called_the_same_meter() -> None:
    """The words of the serial number say another meter; the leaf says `identity`."""
    log = SiteLog()
    log.identify("pv-main", T0, serial="A")
    log.run(T0, T0 + MINUTE + STEP)
    log.identify("pv-main", T0 + MINUTE + STEP, event="identity", serial="B")
    log.run(T0 + MINUTE + STEP, T0 + 2 * MINUTE + STEP)
    assert reasons(log.leaves) == [set(), {"audit.identity_event"}]
    assert "held" in next(usage.flags for usage in log.judgements[1].usages if usage.meter == "pv-main")


def test_an_acceptance_of_what_is_not_the_sites_to_accept_lifts_nothing() -> None:
    log = SiteLog()
    for number, serial in enumerate(("A", "B")):
        log.identify("pv-main", T0 + number * MINUTE + number * STEP, serial=serial)
        log.run(T0 + number * (MINUTE + STEP), T0 + (number + 1) * MINUTE + STEP)
    log.identify("pv-main", T0 + 2 * MINUTE + STEP, event="accepted", who="A technician")
    log.run(T0 + 2 * MINUTE + STEP, T0 + 4 * MINUTE + STEP)
    assert reasons(log.leaves) == [set()] * 4
    held = [usage.flags for j in log.judgements for usage in j.usages if usage.meter == "pv-main"]
    assert ["held" in flags for flags in held] == [False, True, True, True]


def test_an_office_that_restarts_still_knows_what_is_held() -> None:
    """The hold stands in a summary it judged before; a site that forgets it afterwards is found out."""
    log = jumped()
    log.run(T0 + 3 * MINUTE + STEP, T0 + 4 * MINUTE + STEP, base=500)
    book = restored(Stored(log.leaves[:-1]))
    whole = Book()
    for data in log.leaves[:-1]:
        whole.add(data)
    assert [chain.holds for chain in book.chains] == [chain.holds for chain in whole.chains] != [{}, {}]
    last = leaf.decode(log.leaves[-1])
    assert isinstance(last, leaf.Summary)
    figures = msgspec.structs.replace(last, projects=log.judgements[0].summary.projects)
    judgement = book.add(leaf.encode(figures))
    assert judgement is not None
    assert [found.code for found in judgement.findings] == ["audit.summary_differs"]
