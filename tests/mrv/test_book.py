"""Settling and judging: what a truthful log gives, and what each lie in it is called."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from meter_cases import behind_transformers
from site_log import EVERY, T0, SiteLog, demo_binding, demo_plan, replaced

from drivers.profiles import library
from mrv import known, leaf
from mrv.audit import Approvals, admit
from mrv.binding import BoundMeter, Settings
from mrv.book import Book, Judgement
from mrv.leaf import Blob, Config, Genesis, Summary, Usage
from mrv.period import in_ms, instant
from mrv.reading import ClockState, GapReason, Quality, Reading

MINUTE, HOUR = 60_000, 3_600_000
STEP = EVERY * 1000


def judge(leaves: list[bytes]) -> tuple[Book, list[Judgement]]:
    book = Book()
    return book, [j for j in map(book.add, leaves) if j is not None]


def codes(leaves: list[bytes]) -> set[str]:
    """Every finding a second program has about a log."""
    book, judgements = judge(leaves)
    return {f.code for j in judgements for f in j.findings} | {f.code for f in book.open_findings}


def index_of(log: SiteLog, kind: type, nth: int = 0) -> int:
    return [i for i, data in enumerate(log.leaves) if isinstance(leaf.decode(data), kind)][nth]


@pytest.fixture(name="log")
def a_log() -> SiteLog:
    log = SiteLog()
    log.run(T0, T0 + 5 * MINUTE + STEP)
    return log


# -- a truthful log ------------------------------------------------------------------------------------------------


def test_five_minutes_of_constant_power(log: SiteLog) -> None:
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [()] * 5
    assert [(j.summary.seq, j.summary.start, j.summary.end) for j in judgements] == [
        (n, T0 + n * MINUTE, T0 + (n + 1) * MINUTE) for n in range(5)
    ]
    assert {(j.summary.expected, j.summary.read, j.summary.gap) for j in judgements} == {(12, 12, 0)}
    pv, chiller = judgements[2].summary.projects
    assert (pv.reference, pv.emissions, pv.reduction) == ("0.180000", "0.000000", "0.180000")  # 0.6 kWh x 0.3 kg/kWh
    assert (chiller.reference, chiller.emissions, chiller.reduction) == ("0.450000", "0.360000", "0.090000")
    assert {pv.status, chiller.status} == {"provisional"}


def test_usages_telescope(log: SiteLog) -> None:
    _, judgements = log.judged()
    used = [u.registers["1.8.0"] for j in judgements for u in j.usages if u.meter == "chiller-1"]
    assert [u.opening for u in used[1:]] == [u.closing for u in used[:-1]]
    assert sum(Decimal(u.used) for u in used) == Decimal(used[-1].closing) - Decimal(used[0].opening)
    assert judgements[0].usages[0].flags == ("first",)
    assert judgements[1].usages[0].flags == ()


def test_a_missed_closing_is_carried_and_comes_with_the_next_reading() -> None:
    log = SiteLog()
    log.run(T0, T0 + 50_000)
    for meter in ("chiller-1", "pv-main"):
        log.gap(meter, T0 + 50_000, T0 + MINUTE)
        log.gap(meter, T0 + MINUTE, T0 + MINUTE + STEP)
    log.close()
    log.run(T0 + MINUTE + STEP, T0 + 2 * MINUTE + STEP)
    _, (first, second) = log.judged()
    assert (first.findings, second.findings) == ((), ())
    assert first.usages[0].flags == ("first", "carried")
    assert (first.usages[0].closed, second.usages[0].opened) == (T0 + 40_000, T0 + 40_000)
    used = [Decimal(j.usages[0].registers["1.8.0"].used) for j in (first, second)]
    assert used == [Decimal("0.400"), Decimal("0.800")]  # nothing lost, only booked with the later reading
    assert (first.summary.read, first.summary.gap) == (10, 2)


def test_a_meter_never_read_is_missing_not_zero() -> None:
    log = SiteLog()
    for ts in range(T0, T0 + MINUTE + STEP, STEP):
        log.read("pv-main", ts, export=100)
        log.gap("chiller-1", ts, ts + STEP)
    log.close()
    _, (only,) = log.judged()
    assert only.findings == ()
    chiller = only.summary.projects[1]
    assert (chiller.reduction, chiller.missing) == (None, ("CH-1:active_energy_import",))
    assert only.usages[0].registers == {}


def test_a_suspect_reading_covers_its_slot_and_is_not_used() -> None:
    log = SiteLog()
    log.run(T0, T0 + MINUTE)
    log.read("chiller-1", T0 + MINUTE, kwh=999, quality=Quality.SUSPECT)
    log.read("pv-main", T0 + MINUTE, export=100.6)
    log.close()
    _, (only,) = log.judged()
    assert only.findings == ()
    assert only.usages[0].flags == ("first", "carried")


def test_a_register_that_falls_is_signed_and_flagged() -> None:
    log = SiteLog()
    log.run(T0, T0 + MINUTE)
    log.read("chiller-1", T0 + MINUTE, kwh=98)
    log.read("pv-main", T0 + MINUTE, export=100.6)
    log.close()
    _, (only,) = log.judged()
    assert only.usages[0].registers["1.8.0"].used == "-2.000"
    assert only.usages[0].flags == ("first", "backward", "rewind")


def test_a_ratio_scales_the_difference_not_the_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    made = behind_transformers(library()["eastron_sdm630"])
    monkeypatch.setattr(known, "PROFILES", {made.id: frozenset({leaf.digest(leaf.canonical(made))})})
    settings = Settings(ratio="400/5", max_current=10_000)
    log = SiteLog(binding=demo_binding(profile=made.id, settings=settings), profiles=(made,))
    log.run(T0, T0 + MINUTE + STEP)
    _, (only,) = log.judged()
    assert only.usages[0].registers["1.8.0"].used == "0.600"
    assert only.summary.projects[0].reference == "14.400000"  # 0.6 x 80 x 0.3


def test_an_outage_collapses_into_one_empty_period() -> None:
    log = SiteLog()
    log.run(T0, T0 + 90_000)
    back = T0 + 3 * HOUR + 20_000
    log.fill(back)
    log.close()
    log.run(back, back + 2 * MINUTE)
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [()] * len(judgements)
    spans = [((j.summary.start - T0) // MINUTE, (j.summary.end - T0) // MINUTE, j.summary.read) for j in judgements]
    assert spans == [(0, 1, 12), (1, 2, 6), (2, 180, 0), (180, 181, 8), (181, 182, 12)]
    assert judgements[3].usages[0].opened == T0 + 80_000


def test_an_outage_over_new_year_is_cut_there() -> None:
    eve = in_ms(instant(T0).replace(month=12, day=31, hour=16, minute=58))
    log = SiteLog(start=eve)
    for meter in ("chiller-1", "pv-main"):
        log.read(meter, eve, kwh=1)
    log.fill(eve + 5 * MINUTE)
    log.close()
    _, judgements = log.judged()
    assert [((j.summary.start - eve) // MINUTE, (j.summary.end - eve) // MINUTE) for j in judgements] == [
        (0, 1),
        (1, 2),
    ]
    log.run(eve + 5 * MINUTE, eve + 6 * MINUTE + STEP)
    _, judgements = log.judged()
    assert [((j.summary.start - eve) // MINUTE, (j.summary.end - eve) // MINUTE) for j in judgements[2:]] == [
        (2, 5),
        (5, 6),
    ]
    assert [j.findings for j in judgements] == [()] * 4


# -- configurations ------------------------------------------------------------------------------------------------


def test_a_new_meter_at_the_point_starts_from_its_own_register() -> None:
    log = SiteLog()
    log.run(T0, T0 + 30_000)
    changed = demo_binding(serial="24A0017")
    log.configure(T0 + 30_000, demo_plan(), changed)
    for ts in range(T0 + 30_000, T0 + 2 * MINUTE + STEP, STEP):
        log.read("chiller-1", ts, kwh=7)
        log.read("pv-main", ts, export=7)
        log.close()
    _, (first, second) = log.judged()
    assert (first.findings, second.findings) == ((), ())
    assert [(u.meter, u.expected, u.flags) for u in first.usages[:2]] == [
        ("chiller-1", 3, ("first", "ended")),
        ("chiller-1", 3, ("first",)),
    ]
    assert [u.registers["1.8.0"].used for u in first.usages[:2]] == ["0.200", "0.000"]


def test_an_unchanged_binding_continues_its_chain() -> None:
    log = SiteLog()
    log.run(T0, T0 + 30_000)
    log.configure(T0 + 30_000, demo_plan(min_coverage=Decimal("0.5")), demo_binding())
    log.run(T0 + 30_000, T0 + MINUTE + STEP)
    _, (only,) = log.judged()
    assert only.findings == ()
    assert [u.expected for u in only.usages] == [6, 6]
    assert only.summary.config == 2


def test_a_removed_meter_is_owed_no_longer() -> None:
    log = SiteLog()
    log.run(T0, T0 + 30_000)
    both = demo_binding()
    log.configure(T0 + 30_000, demo_plan(), msgspec.structs.replace(both, meters=both.meters[1:]))
    for ts in range(T0 + 30_000, T0 + 2 * MINUTE + STEP, STEP):
        log.read("pv-main", ts, export=100)
        log.close()
    _, (first, second) = log.judged()
    assert [(u.meter, u.expected) for u in first.usages] == [("chiller-1", 3), ("pv-main", 6)]
    assert [u.meter for u in second.usages] == ["pv-main"]
    assert (first.findings, second.findings) == ((), ())


# -- clocks --------------------------------------------------------------------------------------------------------


def test_start_unsynchronised() -> None:
    log = SiteLog(clock=ClockState.UNKNOWN, start=T0 - 50 * 365 * 24 * HOUR)  # a gateway without RTC wakes up in 1976
    wrong = T0 - 50 * 365 * 24 * HOUR
    for ts in range(wrong, wrong + 90_000, STEP):
        log.read("chiller-1", ts, kwh=1 + (ts - wrong) / 100_000, slotted=False)
    assert log.book.frontier("chiller-1") is None
    assert log.book.due() is None
    log.clock(wrong + 90_000, ClockState.SYNCHRONISED, step=T0 + 93_000 - (wrong + 90_000))
    assert log.book.frontier("chiller-1") == T0 + 90_000  # nine readings placed from T0 + 3.1 s to T0 + 83.1 s
    log.fill(T0 + 93_000)
    log.run(T0 + 100_000, T0 + 3 * MINUTE)
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [()] * len(judgements)
    first = judgements[0].summary
    assert (first.start, first.clock, first.read) == (T0 + STEP, ClockState.RELATIVE, 5)


def test_a_step_back_covers_nothing_twice() -> None:
    log = SiteLog()
    log.run(T0, T0 + 2 * MINUTE)
    log.clock(T0 + 2 * MINUTE, ClockState.SYNCHRONISED, why="step", step=-MINUTE)
    for ts in range(T0 + MINUTE, T0 + 2 * MINUTE, STEP):  # the same minute again: kept, counted once
        log.read("chiller-1", ts, kwh=200, slotted=False)
        log.read("pv-main", ts, export=200, slotted=False)
    log.run(T0 + 2 * MINUTE, T0 + 3 * MINUTE + STEP)
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [(), (), ()]
    assert [j.summary.read for j in judgements] == [12, 12, 12]
    assert judgements[1].usages[0].registers["1.8.0"].used == "0.600"


def test_a_step_forward_leaves_a_gap() -> None:
    log = SiteLog()
    log.run(T0, T0 + MINUTE)
    log.clock(T0 + MINUTE, ClockState.SYNCHRONISED, why="step", step=HOUR)
    log.fill(T0 + MINUTE + HOUR)
    log.run(T0 + MINUTE + HOUR, T0 + HOUR + 3 * MINUTE)
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [()] * len(judgements)
    assert sum(j.summary.expected for j in judgements) == 12 * (HOUR // MINUTE + 2)
    assert sum(j.summary.read for j in judgements) == 12 * 2


def test_readings_of_a_boot_whose_clock_was_never_known_stay_surplus() -> None:
    log = SiteLog(clock=ClockState.UNKNOWN)
    log.read("chiller-1", T0, kwh=1, slotted=False)
    log.boot(T0 + 40_000, number=2)
    log.clock(T0 + 40_000, ClockState.SYNCHRONISED)
    assert log.book.frontier("chiller-1") == T0 + 40_000
    log.run(T0 + 40_000, T0 + 2 * MINUTE)
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [()]
    assert judgements[0].summary.start == T0 + 40_000


# -- lies ----------------------------------------------------------------------------------------------------------


def test_an_altered_register_is_seen(log: SiteLog) -> None:
    forged = replaced(log.leaves, index_of(log, Reading, 12), registers={"1.8.0": "999.000", "2.8.0": "0.000"})
    assert "audit.registers_differ" in codes(forged)


def test_altered_raw_words_are_seen(log: SiteLog) -> None:
    assert {"audit.registers_differ"} <= codes(
        replaced(log.leaves, index_of(log, Reading, 12), raw={"i:72": "4479c000" * 2})
    )


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"slot": T0 + 5_000}, "audit.slot_off_grid"),
        ({"slot": 0}, "audit.slot_off_grid"),
        ({"slot": T0 - STEP}, "audit.covered_twice"),
        ({"ts": T0 + 12_000}, "audit.outside_slot"),
        ({"slot": T0 + 10 * MINUTE}, "audit.not_yet"),
        ({"ts": T0 + 9_000}, "audit.clock_disagrees"),
        ({"meter": "pv-other"}, "audit.unknown_meter"),
        ({"config": 0}, "audit.unknown_meter"),
    ],
)
def test_a_forged_reading(log: SiteLog, changes: dict[str, object], code: str) -> None:
    assert code in codes(replaced(log.leaves, index_of(log, Reading, 0), **changes))


def test_each_dropped_leaf_is_noticed(log: SiteLog) -> None:
    """Whatever single leaf a forger leaves out, the summaries behind it no longer hold."""
    for index, data in enumerate(log.leaves):
        fact = leaf.decode(data)
        later = any(isinstance(leaf.decode(d), Summary) for d in log.leaves[index + 1 :])
        if later or isinstance(fact, Summary):
            rest = log.leaves[:index] + log.leaves[index + 1 :]
            unnoticed = isinstance(fact, Summary) and not later
            assert bool(codes(rest)) is not unnoticed, fact


def test_each_repeated_leaf_is_noticed(log: SiteLog) -> None:
    for index, data in enumerate(log.leaves):
        fact = leaf.decode(data)
        if isinstance(fact, Reading | Config | Genesis | Usage):
            assert codes([*log.leaves[: index + 1], data, *log.leaves[index + 1 :]]), fact


def test_a_prettier_summary(log: SiteLog) -> None:
    index = index_of(log, Summary, 1)
    summary = leaf.decode(log.leaves[index])
    assert isinstance(summary, Summary)
    better = msgspec.structs.replace(summary.projects[0], reduction="9.000000")
    forged = replaced(log.leaves, index, projects=(better, *summary.projects[1:]))
    _, judgements = judge(forged)
    assert [f.code for f in judgements[1].findings] == ["audit.summary_differs"]
    assert "9.000000" in judgements[1].findings[0].params["site"]
    assert judgements[2].findings == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"seq": 7}, "audit.summary_differs"),
        ({"rules": 2}, "audit.unknown_rules"),
        ({"end": T0 + 3 * MINUTE}, "audit.period_not_due"),
        ({"start": T0 + 30_000}, "audit.period_not_due"),
        ({"read": 11}, "audit.summary_differs"),
        ({"clock": ClockState.RELATIVE}, "audit.summary_differs"),
        ({"usages": ()}, "audit.summary_differs"),
    ],
)
def test_a_forged_summary(log: SiteLog, changes: dict[str, object], code: str) -> None:
    assert code in codes(replaced(log.leaves, index_of(log, Summary, 1), **changes))


def test_a_forged_usage(log: SiteLog) -> None:
    index = index_of(log, Usage, 2)
    usage = leaf.decode(log.leaves[index])
    assert isinstance(usage, Usage)
    used = msgspec.structs.replace(usage.registers["1.8.0"], used="5.000")
    assert codes(replaced(log.leaves, index, registers={**usage.registers, "1.8.0": used})) == {"audit.usages_differ"}


def test_contents_are_what_their_digests_say(log: SiteLog) -> None:
    index = index_of(log, Blob, 0)
    blob = leaf.decode(log.leaves[index])
    assert isinstance(blob, Blob)
    assert {"audit.blob_digest", "audit.content_missing"} <= codes(
        replaced(log.leaves, index, text=blob.text.replace("0.3", "0.9"))
    )
    late = leaf.encode(msgspec.structs.replace(blob, index=3, count=9))
    assert "audit.blob_order" in codes([*log.leaves[:index], late, *log.leaves[index + 1 :]])
    assert "audit.content_missing" in codes(replaced(log.leaves, index_of(log, Config), plan="00" * 32))


def test_a_gap_across_the_end_of_a_period_with_readings_closes_nothing() -> None:
    log = SiteLog()
    for meter in ("chiller-1", "pv-main"):
        log.read(meter, T0, kwh=1)
        log.gap(meter, T0 + STEP, T0 + 90_000)
    assert log.book.due() is None


def test_hostile_leaves_never_raise(log: SiteLog) -> None:
    hostile = [b"", b"{}", b"[]", b'{"k":"reading"}', b'{"k":7}', b"\xff" * 40, b'{"k":"meter","x":1}', b"{" * 5000]
    hostile += [
        leaf.encode(Blob(digest="x", index=0, count=10**9, text="")),
        leaf.encode(Blob(digest="x", index=9, count=1, text="")),
    ]
    book = Book()
    for data in [*log.leaves, *hostile]:
        book.add(data)
    assert "log.leaf_malformed" in {f.code for f in book.open_findings}


def test_a_far_future_gap_costs_nothing() -> None:
    """A site that signs nonsense about the year 9000 must not make its judge count periods one by one."""
    log = SiteLog()
    end = T0 + 7_000 * 365 * 24 * HOUR
    log.clock(T0, ClockState.SYNCHRONISED, why="step", step=end - T0)
    for meter in ("chiller-1", "pv-main"):
        log.gap(meter, T0, end, now=end)
    assert log.book.due() is None  # it crosses every new year there is


# -- admission -----------------------------------------------------------------------------------------------------


def test_admission(log: SiteLog) -> None:
    _, judgements = log.judged()
    config = judgements[0].config
    assert config is not None
    approved = Approvals(plans=frozenset({config.plan}), bindings=frozenset({config.binding}))
    assert admit(judgements[0], approved).admitted
    nothing = Approvals(plans=frozenset(), bindings=frozenset())
    assert [f.code for f in admit(judgements[0], nothing).reasons] == [
        "audit.plan_not_approved",
        "audit.binding_not_approved",
    ]


def test_clock_and_coverage_are_conditions_of_the_plan() -> None:
    log = SiteLog(plan=demo_plan(min_coverage=Decimal("0.9")), clock=ClockState.INFORMATIVE)
    log.run(T0, T0 + 40_000)
    for meter in ("chiller-1", "pv-main"):
        log.gap(meter, T0 + 40_000, T0 + MINUTE)
        log.gap(meter, T0 + MINUTE, T0 + MINUTE + STEP)
    log.close()
    _, (only,) = log.judged()
    assert only.config is not None
    approved = Approvals(plans=frozenset({only.config.plan}), bindings=frozenset({only.config.binding}))
    assert [f.code for f in admit(only, approved).reasons] == ["audit.clock_not_accepted", "audit.coverage_too_low"]


def test_a_night_is_a_gap_that_costs_no_coverage() -> None:
    log = SiteLog(plan=demo_plan(min_coverage=Decimal("0.9")))
    log.run(T0, T0 + MINUTE)
    for ts in range(T0 + MINUTE, T0 + 2 * MINUTE + STEP, STEP):
        log.read("chiller-1", ts, kwh=200)
    night = T0 + MINUTE + STEP, T0 + 2 * MINUTE
    log.read("pv-main", T0 + MINUTE, export=200)
    log.gap("pv-main", *night, why=GapReason.ASLEEP)
    log.read("pv-main", T0 + 2 * MINUTE, export=200)
    log.close()
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [(), ()]
    day, dark = ([(u.meter, u.expected, u.gap, u.asleep) for u in j.usages] for j in judgements)
    assert day == [("chiller-1", 6, 0, 0), ("pv-main", 6, 0, 0)]
    assert dark == [("chiller-1", 6, 0, 0), ("pv-main", 6, 5, 5)]
    config = judgements[1].config
    assert config is not None
    approved = Approvals(plans=frozenset({config.plan}), bindings=frozenset({config.binding}))
    assert admit(judgements[1], approved).admitted
    slept = [n for n, data in enumerate(log.leaves) if b'"asleep":5' in data]
    assert len(slept) == 1
    assert "audit.usages_differ" in codes(replaced(log.leaves, slept[0], asleep=4))


def test_two_meters_may_poll_at_their_own_pace() -> None:
    slow = demo_binding().meters[0]
    fast = BoundMeter(meter="pv-main", point="PV-AC", profile="eastron_sdm630", every=5)
    log = SiteLog(binding=msgspec.structs.replace(demo_binding(), meters=(slow, fast)))
    for ts in range(T0, T0 + MINUTE + 5_000, 5_000):
        if ts % STEP == 0:
            log.read("chiller-1", ts, kwh=1)
        log.read("pv-main", ts, export=1)
        log.close()
    _, (only,) = log.judged()
    assert only.findings == ()
    assert [u.expected for u in only.usages] == [6, 12]


def test_one_reading_before_a_long_outage_does_not_cost_a_gap_per_period() -> None:
    log = SiteLog()
    log.run(T0, T0 + MINUTE)
    log.read("chiller-1", T0 + MINUTE, kwh=1)  # the other meter's round was never committed
    back = T0 + 7 * 24 * HOUR + 20_000
    spans = log.book.uncovered(back)
    assert len(spans) <= 6
    log.fill(back)
    log.run(back, back + 2 * MINUTE)
    _, judgements = log.judged()
    assert [j.findings for j in judgements] == [()] * len(judgements)
    assert len(judgements) == 5
