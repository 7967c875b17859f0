"""Golden register blocks: what public sources print is what the codec decodes."""

from __future__ import annotations

from decimal import Decimal

import meter_cases
import msgspec
import pytest
import sunspec2.device

from drivers import profiles
from mrv import codec, register
from mrv.measurand import Measurand
from mrv.profile import Guard, Profile

LIBRARY = profiles.library()


@pytest.mark.parametrize("name", meter_cases.names())
def test_words_decode_to_what_the_source_prints(name: str) -> None:
    case = meter_cases.load(name)
    decoded = codec.decode(LIBRARY[case.profile], case.settings, case.words)
    assert meter_cases.by_name(decoded.values) == case.values
    absent = {name: why for name, why in meter_cases.by_name(decoded.absent).items() if why != register.MISSING}
    assert absent == case.absent


def test_every_profile_has_a_golden_block_of_all_it_reads() -> None:
    cases = [meter_cases.load(name) for name in meter_cases.names()]
    whole = {case.profile for case in cases if set(LIBRARY[case.profile].read) <= set(case.values)}
    assert whole == {name for name, profile in LIBRARY.items() if profile.status != "documented"}


@pytest.mark.parametrize("name", [n for n in meter_cases.names() if meter_cases.load(n).points])
def test_an_independent_library_makes_the_same_words(name: str) -> None:
    case = meter_cases.load(name)
    first = case.raw[f"h:{case.settings.base}"]
    model = sunspec2.device.Model(int(first[:4], 16))
    for point, number in case.points.items():
        model.points[point].value = int(number) if number == int(number) else float(number)
    assert model.get_mb().hex() == first


def test_imports_and_exports_settle_which_rows_are_which() -> None:
    """Import and export per phase add up to the total the meter itself keeps, to the float's resolution."""
    for name in ("sdm630_logged_by_tasmota", "sdm630_behind_a_tcp_gateway"):
        case = meter_cases.load(name)
        found = codec.decode(LIBRARY[case.profile], case.settings, case.words).values
        phases = [value for measurand, value in found.items() if measurand.cumulative and measurand.name[-2] == "L"]
        assert len(phases) == 6
        assert abs(sum(phases) - found[Measurand.ACTIVE_ENERGY_ABSOLUTE]) < Decimal("0.01")


def test_another_model_decodes_once_the_profile_means_it() -> None:
    """The guard, and nothing else, keeps the single-phase words out."""
    case = meter_cases.load("sunspec_single_phase_at_the_address")
    profile = LIBRARY[case.profile]
    single: Profile = msgspec.structs.replace(profile, guards=(Guard(at=0, equals=("0x0065",)),))
    found = meter_cases.by_name(codec.decode(single, case.settings, case.words).values)
    assert found["voltage_l1"] == "241.6"
    assert found["active_power"] == "1549.4"
    assert found["frequency"] == "49.97"
    assert found["active_energy_export"] == "175.666"
