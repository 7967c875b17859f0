"""A difference is scaled by the ratio it was metered under, wherever that ratio comes from."""

from __future__ import annotations

from fractions import Fraction

from mrv.binding import BoundMeter, Settings
from mrv.crediting.sealed import Sealed
from mrv.leaf import Usage, UsedRegister


def sealed(register: UsedRegister, ratio: str | None = None) -> Sealed:
    usage = Usage(
        meter="m",
        config=1,
        start=0,
        end=60_000,
        expected=1,
        read=1,
        gap=0,
        opened=0,
        closed=1,
        registers={"1.8.0": register},
    )
    bound = BoundMeter(meter="m", point="P", profile="any", every=60, settings=Settings(ratio=ratio))
    return Sealed(usage=usage, bound=bound, digest="d")


def test_native_counts_times_the_ratio_of_the_nameplate() -> None:
    one = sealed(UsedRegister(opening="1000.0", closing="1010.0", used="10.0"), "300/5")
    assert one.energy("active_energy_import") == 600
    assert one.stands("active_energy_import") == (1000, 1010)
    assert one.energy("active_energy_export") is None
    assert sealed(UsedRegister(opening="0", closing="1", used="1"), "100/3").energy("active_energy_import") == Fraction(
        100, 3
    )


def test_a_ratio_read_with_the_counters_scales_each_part_by_its_own() -> None:
    """Rule 9: the ratio goes from 80 to 60 within the period; 4 counts came before, 6 after."""
    used = UsedRegister(opening="1000.0", closing="1010.0", used="10.0", by={"80": "4.0", "60": "6.0"})
    assert sealed(used).energy("active_energy_import") == 680
    after = UsedRegister(opening="1000.0", closing="1010.0", used="10.0", by={"60": "10.0"})
    assert sealed(after).energy("active_energy_import") == 600, "not a reset from 80,000 to 60,600"


def test_a_jump_that_is_no_energy_is_not_in_the_use() -> None:
    used = UsedRegister(opening="0.0", closing="110.0", used="10.0", jumped="100.0")
    assert sealed(used).energy("active_energy_import") == 10
