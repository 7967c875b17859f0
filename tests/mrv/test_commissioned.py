"""What an experimental profile reads counts from the comparison with the display on: held by every judge of the log."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from site_log import T0, SiteLog, demo_binding, demo_plan
from test_book_histories import Stored

from drivers import commission_record
from drivers.commission_proof import Bracket, Comparison, Shown
from drivers.commission_record import Commissioned, Compared
from drivers.profiles import library
from mrv import leaf
from mrv.audit import CONDITIONS, Approvals, admit
from mrv.binding import Settings
from mrv.book import Book
from mrv.commissioning import shortfall
from mrv.errors import fault
from mrv.leaf import MeterEvent
from mrv.measurand import Measurand
from mrv.messages import sentence
from mrv.profile import Profile
from mrv.restore import restored

MINUTE = 60_000
OURS = msgspec.structs.replace(library()["eastron_sdm630"], id="our_meter", status="experimental")
PLAN, BINDING = demo_plan(min_coverage=Decimal(0)), demo_binding(profile="our_meter")
OTHER = demo_binding(profile="our_meter", serial="77")
APPROVALS = Approvals(
    plans=frozenset({leaf.digest(leaf.canonical(PLAN))}),
    bindings=frozenset(leaf.digest(leaf.canonical(one)) for one in (BINDING, OTHER)),
    profiles=frozenset({leaf.digest(leaf.canonical(OURS))}),
)
METERS = ("chiller-1", "pv-main")
EQUAL = Comparison(
    "equal",
    Shown(Fraction("18343.2"), Fraction("0.1")),
    Bracket(Fraction("18343.25"), Fraction("18343.26"), Fraction("0.01")),
)
FEW = Comparison("equal", Shown(Fraction(18), Fraction(1)), Bracket(Fraction(18), Fraction(18), Fraction("0.01")))
WRONG = Comparison("slip", EQUAL.shown, EQUAL.bracket, Fraction(1000))


def details(
    one: Comparison = EQUAL,
    profile: Profile = OURS,
    settings: Settings = Settings(),  # noqa: B008
) -> dict[str, str]:
    """As `mrv-meter commission` records them."""
    compared = (Compared(Measurand.ACTIVE_ENERGY_IMPORT, (one,), (1000,)),)
    found = Commissioned(meter="m", who="Tran B", profile=profile, settings=settings, compared=compared)
    return commission_record.record(found, 5).details


def commission(log: SiteLog, ts: int, said: dict[str, str], *, event: str = "commissioned", meter: str = "") -> None:
    for name in [meter] if meter else METERS:
        stamp = log.stamp(ts)
        log.add(MeterEvent(**stamp, meter=name, config=log.config_number, event=event, who="Tran B", details=said))


def site() -> SiteLog:
    return SiteLog(plan=PLAN, binding=BINDING, profiles=(OURS,))


def reasons(log: SiteLog) -> list[set[str]]:
    book = Book(approved=APPROVALS.profiles)
    judged = [judgement for data in log.leaves if (judgement := book.add(data)) is not None]
    return [{found.code for found in admit(one, APPROVALS).reasons} for one in judged]


LACKING = {"audit.not_commissioned"}


def test_compared_before_anything_was_read() -> None:
    log = site()
    commission(log, T0, details())
    log.run(T0, T0 + 2 * MINUTE + 10_000)
    assert reasons(log) == [set()] * 2


def test_never_compared() -> None:
    log = site()
    log.run(T0, T0 + 2 * MINUTE + 10_000)
    assert reasons(log) == [LACKING] * 2
    assert LACKING <= CONDITIONS, "nothing is said against the account, which goes on"


def test_compared_late_counts_from_the_next_period_on_and_not_before() -> None:
    log = site()
    log.run(T0, T0 + MINUTE + 30_000)
    commission(log, T0 + MINUTE + 25_000, details())
    log.run(T0 + MINUTE + 30_000, T0 + 3 * MINUTE + 10_000)
    assert reasons(log) == [LACKING, LACKING, set()]


def test_each_meter_by_itself() -> None:
    log = site()
    commission(log, T0, details(), meter="pv-main")
    log.run(T0, T0 + MINUTE + 10_000)
    book = Book(approved=APPROVALS.profiles)
    (judged,) = [found for data in log.leaves if (found := book.add(data)) is not None]
    (reason,) = admit(judged, APPROVALS).reasons
    assert reason.params == {"meter": "chiller-1", "profile": "our_meter"}


@pytest.mark.parametrize(
    "said",
    [
        details(profile=msgspec.structs.replace(OURS, revision=9)),
        details(settings=Settings(word_order="little")),
        details(FEW),
        details(WRONG),
        details() | {"register.1.8.0.grade": "wrong"},
        details() | {"register.1.8.0.first.display": "9e999999999 / 1"},
        details() | {"register.1.8.0.first.display": "18343.2 / 0"},
        details() | {"decode": "proved"},
        {},
    ],
)
def test_a_comparison_that_proves_nothing(said: dict[str, str]) -> None:
    log = site()
    commission(log, T0, said)
    log.run(T0, T0 + MINUTE + 10_000)
    assert reasons(log) == [LACKING]


def test_a_note_is_no_comparison() -> None:
    log = site()
    commission(log, T0, details(), event="noted")
    log.run(T0, T0 + MINUTE + 10_000)
    assert reasons(log) == [LACKING]


def test_the_newest_comparison_counts() -> None:
    log = site()
    commission(log, T0, details())
    log.run(T0, T0 + MINUTE + 30_000)
    commission(log, T0 + MINUTE + 25_000, details(WRONG))
    log.run(T0 + MINUTE + 30_000, T0 + 3 * MINUTE + 10_000)
    assert reasons(log) == [set(), set(), LACKING]


def test_a_comparison_outlives_a_binding_that_leaves_profile_and_settings_alone() -> None:
    log = site()
    commission(log, T0, details())
    log.run(T0, T0 + MINUTE + 30_000)
    log.configure(T0 + MINUTE + 30_000, PLAN, OTHER)
    log.run(T0 + MINUTE + 30_000, T0 + 3 * MINUTE + 10_000)
    assert reasons(log) == [set()] * 3


def test_a_restored_account_knows_the_comparison() -> None:
    log = site()
    commission(log, T0, details())
    log.run(T0, T0 + 4 * MINUTE)
    cut = max(i for i, data in enumerate(log.leaves) if isinstance(leaf.decode(data), leaf.Summary)) + 1
    book = restored(Stored(log.leaves[:cut]), approved=APPROVALS.profiles)
    log.run(T0 + 4 * MINUTE, T0 + 5 * MINUTE + 10_000)
    judged = [found for data in log.leaves[cut:] if (found := book.add(data)) is not None]
    assert [admit(one, APPROVALS).reasons for one in judged] == [()] * 2


def test_a_usable_profile_needs_none() -> None:
    assert shortfall(library()["eastron_sdm630"], "", Settings(), None) is None


def test_the_reason_is_said_in_both_languages() -> None:
    reason = fault("audit.not_commissioned", "seq 0", meter="pv-main", profile="our_meter")
    english, vietnamese = (sentence(reason, language) for language in ("en", "vi"))
    assert english != vietnamese
    for said in (english, vietnamese):
        assert "mrv-meter commission --again pv-main" in said
