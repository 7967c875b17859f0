"""Counters: one test per rule of docs/wire.md "Counters", and the wrong ways that are known to be wrong.

A meter behind 400/5 on 400 V carries at most sqrt(3) x 400 V x 400 A x 1.2 = 332.55 kW, which its native counts show as
4.157 kW: 0.0115 kWh in the ten seconds between two readings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from meter_cases import behind_transformers

from drivers.profiles import library
from mrv.binding import BoundMeter, Settings
from mrv.counter import IDENTITY_WAIT, LATER, SETTLING, UNDECIDED, Mark, Walk, passed
from mrv.leaf import Usage
from mrv.limits import NANO, Limits, Scale, coarseness, limits
from mrv.reading import ClockState
from mrv.usage import Chain, Seen, energy

T0, STEP = 1_772_409_600_000, 10_000
OBIS = "1.8.0"
CT = limits(behind_transformers(library()["eastron_sdm630"]), Settings(ratio="400/5"), 10)
MINUTE, HOUR, DAY = 60_000, 3_600_000, 86_400_000


def mark(number: int, kwh: str, **given: object) -> Mark:
    """Reading `number` of a meter read every ten seconds, in boot 1."""
    slot = T0 + number * STEP
    return Mark(**{"slot": slot, "registers": {OBIS: kwh}, "boot": 1, "boottime": slot - T0 + 100, **given})  # type: ignore[arg-type]


def walked(values: Sequence[str], bounds: Limits = CT, base: Mark | None = None, **given: object) -> Walk:
    walk = Walk(bounds, base, **given)  # type: ignore[arg-type]
    for number, kwh in enumerate(values):
        walk.see(mark(number, kwh))
    walk.finish(T0 + len(values) * STEP, ended=False)
    return walk


def used(walk: Walk) -> Decimal:
    return sum((Decimal(part.get(OBIS, 0)) / NANO for part in walk.used.values()), Decimal(0))


def verdicts(walk: Walk) -> list[tuple[str, str]]:
    return [(found.verdict, found.why) for found in walk.decisions]


def steady(start: str, count: int, by: str = "0.010") -> list[str]:
    return [f"{Decimal(start) + n * Decimal(by):.3f}" for n in range(count)]


# -- what is possible ----------------------------------------------------------------------------------------------


def test_the_jump_bound_is_root_3_times_voltage_times_current_times_a_fifth_more() -> None:
    most = CT.most(HOUR, None)
    assert abs(Fraction(most, NANO) - Fraction("4.1569219")) < Fraction(1, 10**6)
    medium = limits(None, Settings(voltage=22_000, max_current=100), 10)
    assert round(medium.power) == 4573  # kW: 1.732 x 22 kV x 100 A x 1.2
    low = limits(None, Settings(), 10)
    assert round(low.power) == 5238  # no busbar at 400 V carries more than 6300 A


def test_a_step_at_the_bound_is_energy_and_one_beyond_it_is_not() -> None:
    bound = Fraction(CT.most(STEP, None), NANO)
    resolution = Fraction(CT.resolution(OBIS, 100 * NANO), NANO)
    most = (bound + 2 * resolution) // Fraction(1, 1000)
    at, beyond = walked(["100.000", f"{100 + most / 1000:.3f}"]), walked(["100.000", f"{100 + (most + 1) / 1000:.3f}"])
    assert (at.suspect, used(at)) == (None, Decimal(most) / 1000)
    assert (beyond.suspect, used(beyond)) == (T0 + STEP, 0)


def test_the_resolution_of_a_float_is_the_step_to_its_neighbour_where_it_stands() -> None:
    kwh = Scale(step=NANO // 1000, mantissa=24, count=Fraction(NANO))
    assert kwh.resolution(1_000_000 * NANO) == NANO // 16  # 0.0625 kWh at 1 GWh
    assert kwh.resolution(NANO) == NANO // 1000  # finer than its last decimal
    watthours = Scale(step=NANO // 1000, mantissa=24, count=Fraction(NANO, 1000))
    assert watthours.resolution(1_000_000 * NANO) == 64 * NANO // 1000  # 64 Wh at 1 GWh
    assert Scale(step=NANO).resolution(5 * NANO) == NANO  # whole kWh


def test_a_register_too_coarse_for_its_period_is_known_before_it_is_read() -> None:
    watthours = replace(CT, factor=Fraction(1), scales={OBIS: Scale(NANO // 1000, 24, Fraction(NANO, 1000))})
    share = coarseness(watthours, OBIS, Fraction(12), 900, 8784)  # 12 kW for ten years: 1 GWh, steps of 64 Wh
    assert share == Fraction("0.064") / 3
    kilowatthours = replace(watthours, scales={OBIS: Scale(NANO)})
    assert coarseness(kilowatthours, OBIS, Fraction(12), 900, 8784) == Fraction(1, 3)


def test_time_is_that_of_the_boot_and_unknown_over_a_reboot_somebody_only_vouched_for() -> None:
    one, two = mark(0, "1"), mark(60, "1", boottime=5_000)
    assert passed(one, two, STEP) == 4_900, "the wall clock was turned, boot time was not"
    later = mark(60, "1", boot=2)
    assert passed(one, later, STEP) == 60 * STEP + STEP
    assert passed(one, later._replace(clock=ClockState.INFORMATIVE), STEP) is None


# -- ordinary steps ------------------------------------------------------------------------------------------------


def test_a_small_step_back_is_signed_and_not_clamped() -> None:
    """Clamped at 0 the register would have counted 0.030 kWh, although it only went from 100.000 to 100.020."""
    values = ["100.000", "100.010", "100.000", "100.010", "100.020"]
    walk = walked(values)
    assert used(walk) == Decimal("0.020")
    assert walk.backward
    clamped = sum((max(Decimal(0), Decimal(b) - Decimal(a)) for a, b in pairwise(values)), Decimal(0))
    assert clamped == Decimal("0.030"), "the wrong way counts what came back twice"


def test_a_counter_is_followed_over_a_gap_as_far_as_the_time_allows() -> None:
    walk = Walk(CT, mark(0, "100.000"))
    walk.see(mark(360, "104.000"))  # an hour later
    assert (used(walk), walk.suspect) == (4, None)


# -- suspects ------------------------------------------------------------------------------------------------------


def test_nothing_is_decided_before_three_later_readings_and_a_minute() -> None:
    jumped = steady("500.000", 9)
    assert LATER == 3
    assert SETTLING == MINUTE
    for count in range(1, 7):
        walk = walked(["100.000", "100.010", *jumped[:count]])
        assert (walk.suspect, verdicts(walk), used(walk)) == (T0 + 2 * STEP, [], Decimal("0.010"))
    assert verdicts(walked(["100.000", "100.010", *jumped[:7]])) == [("held", "jump")]


def test_a_glitch_never_becomes_energy() -> None:
    walk = walked(["100.000", "100.010", "999999.000", "100.030", "100.040"])
    assert used(walk) == Decimal("0.040")
    assert verdicts(walk) == [("glitch", "")]
    assert (walk.holds, walk.lost) == ({}, 0)


@pytest.mark.parametrize("burst", [1, 3, 30])
def test_a_burst_of_zeros_never_becomes_energy(burst: int) -> None:
    """evcc#30267: a meter that answers 0 for a while. However long, the counter goes on from where it stood."""
    before, after = steady("18343.000", 5), steady(f"{Decimal('18343.040') + burst * Decimal('0.010'):.3f}", 5)
    walk = Walk(replace(CT, identifiable=True), None)
    for number, kwh in enumerate([*before, *["0.000"] * burst, *after]):
        walk.see(mark(number, kwh))
    walk.finish(T0 + DAY // 2, ended=False)
    assert used(walk) == Decimal(after[-1]) - Decimal(before[0])
    assert verdicts(walk) == [("glitch", "")]
    assert walk.decisions[0].reads == burst


def test_a_meter_that_wakes_with_zeros_opens_with_its_register_never_with_0() -> None:
    walk = walked(["0.000", "0.000", "0.000", *steady("18343.000", 8)])
    assert walk.opened is not None
    assert walk.opened.registers == {OBIS: "18343.000"}
    assert (used(walk), walk.jumped) == (Decimal("0.070"), {})
    assert verdicts(walk) == [("glitch", "opening")]


def test_the_zero_of_a_new_meter_is_real() -> None:
    walk = walked(["0.000", "0.000", "0.005", "0.010"])
    assert walk.opened is not None
    assert (walk.opened.registers, used(walk), verdicts(walk)) == ({OBIS: "0.000"}, Decimal("0.010"), [])


def test_zeros_over_whole_periods_and_then_a_register_are_no_energy_and_said_to_be_lost() -> None:
    walk = Walk(CT, mark(0, "0.000"))
    for number, kwh in enumerate(steady("18343.000", 8), 1):
        walk.see(mark(number, kwh))
    assert (used(walk), walk.jumped, walk.lost) == (Decimal("0.070"), {OBIS: 18343 * NANO}, STEP)


def test_two_glitches_of_one_period_are_one_decision() -> None:
    walk = walked(["100.000", "900.000", "100.010", "0.000", "0.000", "100.020"])
    assert [(found.verdict, found.reads, found.after.slot) for found in walk.decisions] == [("glitch", 3, T0 + STEP)]


def test_a_jump_that_stays_is_held_for_a_person_and_not_rebased_silently() -> None:
    walk = walked([*steady("100.000", 3), *steady("500.000", 8)])
    assert verdicts(walk) == [("held", "jump")]
    assert walk.holds == {"jump": T0 + 3 * STEP}
    assert (used(walk), walk.jumped[OBIS]) == (Decimal("0.090"), 399_980 * NANO // 1000)
    assert walk.lost == STEP


def test_a_step_over_an_unknown_time_is_held() -> None:
    """A reboot without a real-time clock: an hour's energy, and nobody knows whether an hour passed."""
    walk = Walk(CT, mark(0, "100.000"))
    for number, kwh in enumerate(steady("104.000", 8), 360):
        walk.see(mark(number, kwh, boot=2, clock=ClockState.INFORMATIVE))
    assert (verdicts(walk), list(walk.holds)) == ([("held", "time")], ["time"])


def test_an_ordinary_step_needs_no_time() -> None:
    walk = Walk(CT, mark(0, "100.000"))
    walk.see(mark(360, "100.005", boot=2, clock=ClockState.INFORMATIVE))
    assert (walk.suspect, used(walk)) == (None, Decimal("0.005"))


def test_a_suspect_nobody_could_decide_is_held_after_a_day_not_ignored_for_ever() -> None:
    walk = Walk(CT, mark(0, "100.000"))
    walk.see(mark(1, "500.000"))
    walk.finish(T0 + UNDECIDED, ended=False)
    assert (walk.suspect, verdicts(walk)) == (T0 + STEP, [])
    walk.finish(T0 + STEP + UNDECIDED + 1, ended=False)
    assert (walk.suspect, verdicts(walk)) == (None, [("held", "undecided")])


def test_a_suspect_at_the_end_of_a_chain_is_held_because_nothing_will_come() -> None:
    walk = Walk(CT, mark(0, "100.000"))
    walk.see(mark(1, "500.000"))
    walk.finish(T0 + MINUTE, ended=True)
    assert (verdicts(walk), used(walk)) == ([("held", "undecided")], 0)


# -- what a fallen counter was -------------------------------------------------------------------------------------

FALLEN = [*steady("18343.000", 3), *steady("0.005", 8, "0.005")]


def test_a_reset_counts_on_when_the_meter_says_that_it_is_the_same() -> None:
    walk = walked(FALLEN, replace(CT, identifiable=True), confirmed=T0 + 4 * STEP)
    assert verdicts(walk) == [("reset", "")]
    assert used(walk) == Decimal("0.020") + Decimal("0.035")
    assert (walk.lost, walk.holds) == (STEP, {})


def test_a_fallen_counter_waits_an_hour_for_the_meter_to_say_who_it_is() -> None:
    bounds = replace(CT, identifiable=True)
    waiting = walked(FALLEN, bounds, confirmed=T0)
    assert (waiting.suspect, verdicts(waiting)) == (T0 + 3 * STEP, [])
    long = [*FALLEN, *steady("0.045", IDENTITY_WAIT // STEP, "0.005")]
    assert verdicts(walked(long, bounds, confirmed=T0)) == [("held", "drop")]


def test_a_fallen_counter_of_a_meter_that_cannot_say_who_it_is_is_held() -> None:
    assert verdicts(walked(FALLEN)) == [("held", "drop")]


def test_a_counter_that_fell_to_an_older_value_is_held() -> None:
    walk = walked(
        [*steady("18343.000", 3), *steady("18000.000", 8)], replace(CT, identifiable=True), confirmed=T0 + DAY
    )
    assert verdicts(walk) == [("held", "drop")]


def test_nothing_is_subtracted_across_an_exchange() -> None:
    """The meter says it is another one: also where its counter happens to stand where the old one's did."""
    walk = walked(steady("100.000", 10), changes=(T0 + 4 * STEP + 200,))
    assert verdicts(walk) == [("exchange", "")]
    assert used(walk) == Decimal("0.040") + Decimal("0.040")
    assert (walk.lost, walk.jumped[OBIS]) == (STEP, NANO // 100)


# -- rollover ------------------------------------------------------------------------------------------------------


def rolling(modulus: int | None = 100_000 * NANO) -> Limits:
    return replace(CT, scales={OBIS: Scale(step=NANO // 1000, modulus=modulus)})


ROUND = ["99999.985", "99999.995", *steady("0.005", 8)]


def test_a_documented_rollover_is_energy() -> None:
    walk = walked(ROUND, rolling())
    assert verdicts(walk) == [("rollover", "")]
    assert used(walk) == Decimal("0.090")
    assert (walk.holds, walk.lost, walk.jumped[OBIS]) == ({}, 0, -100_000 * NANO)


def test_a_rollover_nobody_documented_is_not_guessed() -> None:
    assert verdicts(walked(ROUND, rolling(None))) == [("held", "drop")]


def test_a_fall_that_the_modulus_does_not_explain_is_no_rollover() -> None:
    walk = walked(["50000.000", "50000.010", *steady("0.005", 8)], rolling())
    assert verdicts(walk) == [("held", "drop")]


def test_a_time_in_which_the_counter_could_have_gone_round_decides_nothing() -> None:
    """4.157 kW go round 10 kWh in 2.4 hours: after three, what the register shows says nothing of how often."""
    for shows in ("11.000", "9.000"):
        walk = Walk(rolling(10 * NANO), mark(0, "9.500"))
        for number, kwh in enumerate(steady(shows, 8), 3 * HOUR // STEP):
            walk.see(mark(number, kwh))
        assert verdicts(walk) == [("wraps", "")]
        assert (used(walk), walk.lost, walk.holds) == (Decimal("0.070"), 3 * HOUR, {})


# -- ratios --------------------------------------------------------------------------------------------------------


def chain(bounds: Limits) -> Chain:
    every = bounds.every // 1000
    made = Chain(bound=BoundMeter(meter="m", point="P", profile="p", every=every), profile="", config=1, start=T0)
    made.limits = bounds
    return made


def hourly(*readings: tuple[str, int]) -> tuple[Usage, Walk]:
    """The usage of a DTSU666 read every hour, with the ratio it said each time: whole tenths, before any ratio."""
    own = chain(replace(limits(None, Settings(), 3600), scales={OBIS: Scale(step=NANO // 10)}))
    for number, (kwh, ratio) in enumerate(readings):
        at = number * HOUR
        own.seen[T0 + at] = Seen({OBIS: kwh}, ClockState.SYNCHRONISED, 1, 100 + at, Fraction(ratio))
    return own.use(T0, T0 + (len(readings) - 1) * HOUR)


def test_a_changed_ratio_splits_the_difference_at_the_reading_where_it_changed() -> None:
    """DTSU666: native 1000.0 -> 1010.0 while the CT ratio changes 80 -> 60. Truth: 600 kWh."""
    at_rest = [("1000.0", 80)] * 3 + [("1000.0", 60)] * 3
    usage, walk = hourly(*at_rest, ("1005.0", 60), ("1010.0", 60))
    register = usage.registers[OBIS]
    assert (register.used, register.by) == ("10.0", {"80": "0.0", "60": "10.0"})
    assert energy(register, Fraction(1)) == 600
    assert verdicts(walk) == [("ratio", "ratio")]
    assert {"held"} <= set(usage.flags), "a changed ratio is a silent exchange until somebody says otherwise"
    scaled = 1010 * 60 - 1000 * 80
    assert scaled == -19_400, "the wrong way: scaled counters look like a reset"


def test_energy_before_and_after_a_ratio_change_keeps_its_own() -> None:
    usage, _ = hourly(*((f"{1000 + number}.0", 80 if number < 4 else 60) for number in range(12)))
    assert usage.registers[OBIS].by == {"80": "3.0", "60": "8.0"}
    assert energy(usage.registers[OBIS], Fraction(1)) == 3 * 80 + 8 * 60


def test_a_ratio_misread_once_scales_nothing() -> None:
    usage, walk = hourly(*((f"{1000 + number}.0", 6 if number == 3 else 80) for number in range(6)))
    assert usage.registers[OBIS].by == {"80": "5.0"}
    assert (verdicts(walk), "held" in usage.flags) == ([("glitch", "")], False)


def test_a_site_constant_scales_the_difference() -> None:
    own = chain(CT)
    for number, kwh in enumerate(steady("100.000", 3)):
        own.seen[T0 + number * STEP] = Seen({OBIS: kwh}, ClockState.SYNCHRONISED, 1, number * STEP)
    register = own.use(T0, T0 + 2 * STEP)[0].registers[OBIS]
    assert (register.by, energy(register, Settings(ratio="400/5").factor)) == ({}, Fraction(16, 10))


# -- what a usage says ---------------------------------------------------------------------------------------------


def usage_of(
    values: Sequence[str | None], bounds: Limits = CT, *, start: int = 0, closing: Mark | None = None
) -> Usage:
    own = chain(bounds)
    own.closing = closing
    for number, kwh in enumerate(values, start):
        if kwh is not None:
            own.seen[T0 + number * STEP] = Seen({OBIS: kwh}, ClockState.SYNCHRONISED, 1, number * STEP + 100)
    return own.use(T0 + start * STEP, T0 + (start + len(values) - 1) * STEP)[0]


def test_what_was_used_is_closing_less_opening_less_what_it_jumped_by() -> None:
    for values in (steady("1.000", 9), [*steady("100.000", 3), *steady("500.000", 8)], ROUND, FALLEN):
        register = usage_of(values, rolling()).registers[OBIS]
        jumped = Decimal(register.jumped or 0)
        assert Decimal(register.used) == Decimal(register.closing) - Decimal(register.opening) - jumped


def test_energy_from_before_the_period_straddles_its_begin() -> None:
    """Carried in the period before; here it is said that not all of it belongs to this one."""
    usage = usage_of([None, "104.000", "104.010"], start=360, closing=mark(0, "100.000"))
    assert usage.flags == ("straddle",)
    assert usage_of([None, None, None], start=360, closing=mark(0, "100.000")).flags == ("carried",)


def test_a_carried_usage_says_when_its_closing_reading_was_taken() -> None:
    usage = usage_of(["100.000", "100.010", None])
    assert usage.flags == ("first", "carried")
    assert usage.stood is not None
    assert (usage.stood.boot, usage.stood.boottime) == (1, STEP + 100)
    assert usage_of(["100.000", "100.010"]).stood is None


def test_a_usage_says_how_coarsely_its_register_counts_there() -> None:
    assert usage_of(["1000000.000", "1000000.000"]).registers[OBIS].resolution == "0.0625"
    assert usage_of(["1.000", "1.000"]).registers[OBIS].resolution is None


def test_an_undecided_suspect_is_named_in_the_usage() -> None:
    usage = usage_of(["100.000", "100.010", "500.000"])
    assert (usage.suspect, usage.flags) == (T0 + 2 * STEP, ("first", "carried", "jump"))


@given(
    st.integers(-(10**15), 10**15),
    st.sampled_from([24, 53]),
    st.sampled_from([Fraction(10**9), Fraction(10**6), Fraction(10**8, 36), Fraction(1), Fraction(1, 3)]),
)
def test_the_step_of_a_float_register_is_the_textbooks(value: int, mantissa: int, count: Fraction) -> None:
    """Whole numbers give what fractions do: 2^(floor(log2 |x|) + 1 - mantissa), rounded up to a whole nano unit."""
    number = abs(Fraction(value) / count)
    found = Scale(step=1, mantissa=mantissa, count=count).resolution(value)
    if not number:
        assert found == 1
        return
    exponent = 0
    while Fraction(2) ** (exponent + 1) <= number:
        exponent += 1
    while Fraction(2) ** exponent > number:
        exponent -= 1
    ulp = Fraction(2) ** (exponent + 1 - mantissa) * count
    assert found == max(1, -(-ulp.numerator // ulp.denominator))
