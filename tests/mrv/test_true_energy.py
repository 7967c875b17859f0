"""What is sealed, against what truly flowed.

A meter counts true energy for ever; a site reads it with gaps, restarts, misread words, and what a counter can suffer.
Loss-free histories: over whatever periods, the differences add up to the true energy between first and last reading.
Otherwise the credited energy lies below the truth by no more than what can have flowed while `lost` says that nobody
knows, so that 0 for an ER-raising and the most possible for an ER-lowering point bracket it.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from itertools import accumulate

from hypothesis import given, settings
from hypothesis import strategies as st

from mrv.binding import BoundMeter, Settings
from mrv.leaf import Usage
from mrv.limits import NANO, Limits, Scale, limits
from mrv.reading import ClockState
from mrv.usage import Chain, Seen

T0, STEP, OBIS = 1_772_409_600_000, 10_000, "1.8.0"
MODULUS = 1000
#: 332.55 kW: 0.9237 kWh can flow in ten seconds.
MOST = 920
BOUNDS = replace(
    limits(None, Settings(max_current=400), 10),
    identifiable=True,
    scales={OBIS: Scale(step=NANO // 1000, modulus=MODULUS * NANO)},
)

#: True energy (Wh) from one slot to the next.
flows = st.lists(st.integers(0, MOST), min_size=30, max_size=120)
#: Slots of which nothing was read, and of which the wrong words were.
holes = st.sets(st.integers(0, 119), max_size=40)
#: Lengths of periods, in slots.
periods = st.lists(st.integers(1, 25), min_size=1, max_size=6)


def sealed(
    registers: list[Decimal | None], lengths: list[int], bounds: Limits = BOUNDS, confirmed: tuple[int, ...] = ()
) -> list[Usage]:
    """The usages of a meter that showed `registers`, over periods of these lengths again and again."""
    chain = Chain(
        bound=BoundMeter(meter="m", point="P", profile="p", every=10), profile="", config=1, start=T0, limits=bounds
    )
    usages, start, number, seen = [], 0, 0, 0
    while start < len(registers) - 1:
        end = min(start + lengths[number % len(lengths)], len(registers) - 1)
        for slot in range(seen, end + 1):
            value = registers[slot]
            said = None if value is None else {OBIS: f"{value:.3f}"}
            if said is not None:
                chain.seen[T0 + slot * STEP] = Seen(said, ClockState.SYNCHRONISED, 1, slot * STEP)
        seen = end + 1
        chain.confirmed = max((T0 + at * STEP for at in confirmed if at <= end), default=0)
        usages.append(chain.use(T0 + start * STEP, T0 + end * STEP)[0])
        chain.close(T0 + end * STEP)
        start, number = end, number + 1
    return usages


def total(usages: list[Usage]) -> Decimal:
    return sum((Decimal(one.registers[OBIS].used) for one in usages if one.registers), Decimal(0))


def counted(flow: list[int], start: Decimal = Decimal(400)) -> list[Decimal]:
    return [start + Decimal(wh) / 1000 for wh in accumulate(flow, initial=0)]


@settings(max_examples=60)
@given(flows, holes, periods)
def test_loss_free_histories_telescope_to_the_true_energy(flow: list[int], gaps: set[int], lengths: list[int]) -> None:
    true = counted(flow)
    shown = [None if slot in gaps else value for slot, value in enumerate(true)]
    read = [slot for slot, value in enumerate(shown) if value is not None]
    usages = sealed(shown, lengths)
    assert total(usages) == (true[read[-1]] - true[read[0]] if read else 0)
    assert not any({"lost", "held", "glitch"} & set(one.flags) for one in usages)


@settings(max_examples=60)
@given(flows, st.integers(1, 24), st.integers(1, 5), st.sampled_from([0, 999, 123_456]), periods)
def test_words_misread_for_a_while_change_nothing(
    flow: list[int], at: int, long: int, wrong: int, lengths: list[int]
) -> None:
    true = counted(flow)
    shown: list[Decimal | None] = list(true)
    shown[at : at + long] = [Decimal(wrong)] * long
    usages = sealed(shown, lengths)
    assert total(usages) == true[-1] - true[0]
    assert not any({"lost", "held"} & set(one.flags) for one in usages)


@settings(max_examples=60)
@given(flows, periods)
def test_a_rollover_is_no_loss(flow: list[int], lengths: list[int]) -> None:
    true = counted(flow, Decimal("995"))
    shown: list[Decimal | None] = [value % MODULUS for value in true]
    settled = [*shown, *[shown[-1]] * 10]  # time to decide what happened last
    usages = sealed(settled, lengths)
    assert total(usages) == true[-1] - true[0]
    assert not any({"lost", "held"} & set(one.flags) for one in usages)


@settings(max_examples=60)
@given(flows, st.integers(2, 25), st.integers(0, 20), periods)
def test_a_reset_loses_no_more_than_can_have_flowed(flow: list[int], at: int, dark: int, lengths: list[int]) -> None:
    """The counter begins anew at slot `at`, of which and of `dark` slots after it nothing was read."""
    true = counted(flow)
    anew = [value - true[at] if slot >= at else value for slot, value in enumerate(true)]
    shown = [None if at <= slot < at + dark else value for slot, value in enumerate(anew)]
    usages = sealed([*shown, *[anew[-1]] * 10], lengths, confirmed=(len(shown),))
    if not any("reset" in one.flags for one in usages):
        return  # nobody saw it: too small a fall, or nothing was read after it
    lost = sum(one.lost for one in usages)
    credited, truth = total(usages), true[-1] - true[0]
    most = Decimal(int(BOUNDS.power * 1_000_000 * Fraction(lost, 3_600_000)) + 1) / 1_000_000
    assert credited <= truth <= credited + most + Decimal("0.002")
    assert not any("held" in one.flags for one in usages)


@settings(max_examples=40)
@given(flows, st.integers(2, 25), st.integers(8, 100_000), periods)
def test_a_jump_nobody_explains_is_never_credited(flow: list[int], at: int, jump: int, lengths: list[int]) -> None:
    """One larger than can flow while later readings are waited for (8 kWh here); a smaller one may have flowed."""
    true = counted(flow)
    shown = [value + jump if slot >= at else value for slot, value in enumerate(true)]
    usages = sealed([*shown, *[shown[-1]] * 10], lengths, replace(BOUNDS, scales={OBIS: Scale(step=NANO // 1000)}))
    held = [one for one in usages if "held" in one.flags]
    assert held, "somebody has to decide"
    credited = total([one for one in usages if one not in held])
    assert credited <= true[-1] - true[0]
    assert total(usages) <= true[-1] - true[0], "also once it is signed for, the jump itself is no energy"


@settings(max_examples=40)
@given(flows, holes, st.integers(2, 25), periods, periods)
def test_the_sum_does_not_depend_on_where_periods_are_cut(
    flow: list[int], gaps: set[int], at: int, one: list[int], other: list[int]
) -> None:
    """Also across a reset and an undecided suspect: year ends fall where they fall.

    Two readings before the reset prove the counter. After a single one a cut decides whether it is an opening that
    nobody believes or a counter that began anew; what is credited is the same.
    """
    true, gaps = counted(flow), gaps - {at - 2, at - 1}
    anew = [value - true[at] if slot >= at else value for slot, value in enumerate(true)]
    shown: list[Decimal | None] = [None if slot in gaps else value for slot, value in enumerate(anew)]
    shown += [anew[-1]] * 10
    first, second = (sealed(shown, lengths, confirmed=(len(true),)) for lengths in (one, other))
    assert total(first) == total(second)
    assert sum(usage.lost for usage in first) == sum(usage.lost for usage in second)
