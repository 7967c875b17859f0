"""The planner: legal blocks only, and never one more than brute force needs."""

from __future__ import annotations

from functools import cache
from itertools import combinations, pairwise

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers import blocks, profiles
from drivers.blocks import Block, Need
from mrv.errors import BadInput
from mrv.profile import Factor, Limits, Profile, Ratio, Sign, Span, Stretch, Term, Value

SIZE = 14
LIBRARY = profiles.library()


def legal(block: Block, limits: Limits, wanted: frozenset[Need]) -> bool:
    """The rules, written down a second time, register by register."""
    inside = range(block.first, block.end)
    covered = {at for need in wanted for at in range(need.first, need.end)}
    if not 0 < block.count <= limits.registers or block.first % limits.align or block.count % limits.align:
        return False
    if any(span.first <= at <= span.last for span in limits.forbidden for at in inside):
        return False
    if any(span.first <= at <= span.last for span in limits.whole for at in inside):
        return False
    if any(0 < sum(w.first <= at <= w.last for at in inside) < block.count for w in limits.windows):
        return False
    known = [at for at in inside if at in covered]
    gaps = [after - before - 1 for before, after in pairwise(known)]
    return max(gaps, default=0) <= limits.gap


def serves(block: Block, need: Need) -> bool:
    if need.alone:
        return (block.first, block.end) == (need.first, need.end)
    return block.first <= need.first and need.end <= block.end


def fewest(wanted: frozenset[Need], limits: Limits) -> int | None:
    """The least number of legal blocks that serve every need, by trying all sets of them."""
    together = frozenset(need for need in wanted if not need.alone)
    spans = [Block("i", a, b - a) for a in range(SIZE) for b in range(a + 1, SIZE + 5)]
    shared = [block for block in spans if legal(block, limits, together)]
    for need in wanted - together:
        whole = tuple(w for w in limits.whole if (w.first, w.last + 1) != (need.first, need.end))
        relaxed = msgspec.structs.replace(limits, whole=whole)
        if not legal(Block("i", need.first, need.end - need.first), relaxed, frozenset()):
            return None
    served = {frozenset(n for n in together if serves(block, n)) for block in shared} - {frozenset()}
    for count in range(len(together) + 1):
        if any(frozenset().union(*chosen) == together for chosen in combinations(served, count)):
            return count + len(wanted - together)
    return None


spans_ = st.tuples(st.integers(0, SIZE - 1), st.integers(1, 4)).map(lambda p: (p[0], min(p[0] + p[1], SIZE)))
needs_ = st.sets(spans_, min_size=1, max_size=5).flatmap(
    lambda spans: st.tuples(*[st.booleans() if i == 0 else st.just(False) for i in range(len(spans))]).map(
        lambda alone: frozenset(Need("i", a, b, own) for (a, b), own in zip(sorted(spans), alone, strict=True))
    )
)


def stretches(longest: int, most: int) -> st.SearchStrategy[tuple[Stretch, ...]]:
    one = st.tuples(st.integers(0, SIZE), st.integers(0, longest - 1))
    return st.lists(one.map(lambda p: Stretch(table="input", first=p[0], last=p[0] + p[1])), max_size=most).map(tuple)


limits_ = st.builds(
    Limits,
    registers=st.integers(1, 9),
    align=st.sampled_from([1, 2, 4]),
    gap=st.integers(0, 5),
    forbidden=stretches(2, 2),
    windows=stretches(8, 2),
    whole=stretches(3, 1),
)


@settings(max_examples=400, deadline=None)
@given(needs_, limits_)
def test_as_few_as_brute_force_and_all_of_them_legal(wanted: frozenset[Need], limits: Limits) -> None:
    best = fewest(wanted, limits)
    if best is None:
        with pytest.raises(BadInput) as caught:
            blocks.cover(wanted, limits)
        assert caught.value.faults[0].code == "meter.not_in_one_request"
        return
    found = blocks.cover(wanted, limits)
    assert len(found) == best
    together = frozenset(need for need in wanted if not need.alone)
    for need in wanted:
        assert any(serves(block, need) for block in found)
    for block in found:
        lonely = any(need.alone and serves(block, need) for need in wanted)
        own = msgspec.structs.replace(limits, whole=()) if lonely else limits
        assert legal(block, own, frozenset() if lonely else together)


def needs(*spans: tuple[int, int]) -> list[Need]:
    return [Need("h", first, end) for first, end in spans]


def test_tables_are_never_mixed() -> None:
    wanted = [Need("h", 0, 2), Need("i", 2, 4)]
    assert blocks.cover(wanted, Limits()) == (Block("h", 0, 2), Block("i", 2, 2))


def test_the_gap_budget_splits() -> None:
    assert len(blocks.cover(needs((0, 2), (12, 14)), Limits(gap=10))) == 1
    assert len(blocks.cover(needs((0, 2), (12, 14)), Limits(gap=9))) == 2


def test_alignment_widens_and_still_respects_the_limit() -> None:
    assert blocks.cover(needs((3, 4), (6, 7)), Limits(align=2, registers=6)) == (Block("h", 2, 6),)
    assert blocks.cover(needs((3, 4), (6, 7)), Limits(align=2, registers=4)) == (Block("h", 2, 2), Block("h", 6, 2))


def test_forbidden_registers_are_never_filler() -> None:
    limits = Limits(forbidden=(Stretch(table="holding", first=4, last=4),))
    assert blocks.cover(needs((0, 2), (6, 8)), limits) == (Block("h", 0, 2), Block("h", 6, 2))
    assert len(blocks.cover([Need("i", 0, 2), Need("i", 6, 8)], limits)) == 1, "another table's"
    assert blocks.cover(needs((100, 102), (106, 108)), limits, base=100) == (Block("h", 100, 2), Block("h", 106, 2))


def test_the_last_register_of_the_address_space_is_reachable_and_nothing_beyond() -> None:
    assert blocks.cover(needs((65534, 65536)), Limits()) == (Block("h", 65534, 2),)
    with pytest.raises(BadInput):
        blocks.cover(needs((65535, 65537)), Limits())


@cache
def changed(profile_id: str, **changes: object) -> Profile:
    return msgspec.structs.replace(LIBRARY[profile_id], **changes)


def test_the_eight_quantities_of_an_sdm630_cost_one_request() -> None:
    profile = LIBRARY["eastron_sdm630"]
    assert len(profile.read) == 8
    assert blocks.plan(profile, profile.read) == (Block("i", 0, 76),)


def test_an_older_sdm630_limited_to_sixty_registers_costs_two() -> None:
    profile = changed("eastron_sdm630", limits=Limits(registers=60, align=2))
    assert blocks.plan(profile, profile.read) == (Block("i", 0, 54), Block("i", 62, 14))


def test_a_value_and_its_scale_register_are_never_torn() -> None:
    profile = changed("sunspec_inverter_3p", limits=Limits(registers=4))
    for block in (plan := blocks.plan(profile, ("voltage_l1", "active_power", "frequency"), base=40069)):
        assert block.count <= 4
    assert any(block.first <= 40079 and block.end >= 40083 for block in plan), "voltage L1 at +10, scale at +13"


def test_an_atomic_group_is_one_need() -> None:
    names = ("active_energy_import", "active_energy_export")
    torn = changed("eastron_sdm630", limits=Limits(registers=2, align=2))
    assert len(blocks.plan(torn, names)) == 2
    whole = msgspec.structs.replace(torn, atomic=(names,))
    with pytest.raises(BadInput):
        blocks.plan(whole, names)
    assert len(blocks.plan(whole, names[:1])) == 1, "only what is asked for must come together"
    assert len(blocks.plan(msgspec.structs.replace(whole, limits=Limits(registers=4, align=2)), names)) == 1


def test_a_register_read_alone_has_its_own_request() -> None:
    """Carlo Gavazzi: one word at 0x000B is the model code, and part of a measurement in a longer read."""
    profile = changed("eastron_sdm630", limits=Limits())
    lonely = {**profile.values, "current_n": Value(at=11, type="uint16", decimals=0, alone=True)}
    profile = msgspec.structs.replace(profile, values=lonely)
    assert blocks.plan(profile, ("current_l3", "current_n", "voltage_l1")) == (Block("i", 0, 12), Block("i", 11, 1))


def test_the_guard_is_part_of_every_plan() -> None:
    profile = LIBRARY["sunspec_inverter_3p"]
    assert blocks.plan(profile, ("active_energy_export",), base=40069) == (Block("h", 40069, 27),)


def test_a_window_is_never_left() -> None:
    """Growatt answers 0 to 124 and 125 to 249, and nothing across."""
    windows = tuple(Stretch(table="input", first=first, last=first + 124) for first in (0, 125))
    wanted = [Need("i", 120, 122), Need("i", 128, 130)]
    assert blocks.cover(wanted, Limits()) == (Block("i", 120, 10),)
    assert blocks.cover(wanted, Limits(windows=windows)) == (Block("i", 120, 2), Block("i", 128, 2))
    assert blocks.cover([Need("h", 120, 130)], Limits(windows=windows)) == (Block("h", 120, 10),), "another table's"
    with pytest.raises(BadInput):
        blocks.cover([Need("i", 124, 126)], Limits(windows=windows))


def test_a_block_that_is_only_answered_whole() -> None:
    """Siemens: the identity block from 64001 is 27 registers or nothing."""
    limits = Limits(whole=(Stretch(table="holding", first=64001, last=64027),))
    profile = changed("eastron_sdm630", table="holding", limits=limits)
    for inside in (Span("h", 64001, 1), Span("h", 64012, 8), Span("h", 64027, 1)):
        assert blocks.fetch(profile, inside) == Block("h", 64001, 27)
    assert blocks.fetch(profile, Span("h", 63990, 2)) == Block("h", 63990, 2)
    assert blocks.fetch(profile, Span("h", 64013, 8), base=1) == Block("h", 64002, 27), "moved with the rest"
    with pytest.raises(BadInput):
        blocks.fetch(profile, Span("h", 64026, 4))


def test_settings_in_the_other_table_are_asked_for_as_they_stand() -> None:
    """Eastron: floats in pairs from even addresses, and single registers among the settings."""
    profile = LIBRARY["eastron_sdm120"]
    assert blocks.fetch(profile, Span("h", 64515, 1)) == Block("h", 64515, 1)
    assert blocks.fetch(profile, Span("i", 71, 1)) == Block("i", 70, 2)
    with pytest.raises(BadInput):
        blocks.fetch(profile, Span("h", 0, 126))


def test_a_ratio_register_is_fetched_with_the_counter_it_belongs_to() -> None:
    """DTSU666: the ratio stands at 6, the counter at 0x101E; no request reaches both, and both are read."""
    counter = Value(at=0x101E, type="float32", decimals=3, ratio="ct")
    profile = changed("eastron_sdm630", table="holding", limits=Limits(), read=("active_energy_import",))
    profile = msgspec.structs.replace(
        profile,
        values={"active_energy_import": counter},
        ratio=Ratio(source="register", ct=("ct",)),
        factors={"ct": Factor(kind="multiply", at=6, type="uint16")},
    )
    assert blocks.plan(profile, profile.read) == (Block("h", 6, 1), Block("h", 0x101E, 2))


def test_terms_and_sign_come_with_their_number() -> None:
    value = Value(
        at=20, type="uint32", decimals=0, plus=(Term(at=26, type="uint32"),),
        sign=Sign(at=30, type="uint16", negative=("0x0001",), positive=("0x0000",)),
    )  # fmt: skip
    profile = changed("eastron_sdm630", limits=Limits(), read=("active_energy_import",))
    profile = msgspec.structs.replace(profile, values={"active_energy_import": value})
    assert blocks.plan(profile, profile.read) == (Block("i", 20, 11),)
    with pytest.raises(BadInput):
        blocks.plan(msgspec.structs.replace(profile, limits=Limits(registers=10)), profile.read)
