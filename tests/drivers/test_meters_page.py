"""docs/meters.md is what the profiles say, and what they say of their own standing is true."""

from __future__ import annotations

from pathlib import Path

import meter_cases
import pytest

from drivers import profiles
from drivers.meters_page import STATUSES, counted, described, energy, page, proved, serial
from drivers.profiles import proofs
from drivers.profiles.proofs import ORIGINS, Proof, judged, proof, stated
from mrv.profile import Profile

LIBRARY = profiles.library()
PAGE = Path(__file__).resolve().parents[2] / "docs" / "meters.md"
#: The families whose register maps were gathered; each has at least one profile whose id begins so.
_NAMES = """
abb_a43_a44 abb_b21_b23_b24 abb_m1m abb_m2m_dmtme acrel_adl3000 acrel_adl400 acrel_adw300 carlogavazzi_em111_em112
carlogavazzi_em24_ethernet carlogavazzi_em24_rs485 carlogavazzi_em330_em340 carlogavazzi_em530_em540 chint_ddsu666
chint_dtsu666 eastron_sdm120 eastron_sdm230 eastron_sdm630 fronius_sunspec goodwe_et_dt growatt_mid_max huawei_sun2000
ime_nemo96_legrand_emdx3 inepro_pro380 iskra_wm3m4 janitza_b21_b23_b24 janitza_umg96rm_umg604 lovato_dmg610
mitsubishi_me96ss omron_km_n1_n2_n3 orno_we516_we517 schneider_iem3155_iem3255 schneider_pm2100_pm2200
schneider_pm5100_pm5300_pm5500 schneider_pm8000 selec_mfm383_mfm384 siemens_pac1600 siemens_pac2200_pac3200_pac4200
sma_sunny_tripower socomec_countis_e socomec_diris_a10_a14 sungrow_sg sunspec_inverter sunspec_meter
"""
FAMILIES = tuple(_NAMES.split())


def test_the_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(LIBRARY.values()), "run `make meters`"


def test_the_page_names_every_profile_with_all_its_caveats_and_sources() -> None:
    text = page(LIBRARY.values())
    for profile in LIBRARY.values():
        assert f"\n## {profile.id}\n" in text
        assert all(f"* {line}" in text for line in (*profile.caveats, *profile.sources, *profile.prerequisites))


@pytest.mark.parametrize("profile", LIBRARY.values(), ids=lambda profile: profile.id)
def test_a_status_is_true(profile: Profile) -> None:
    if profile.status == "usable":
        assert energy(profile), "usable needs an energy register"
        assert proof(profile).energy is not None, "usable needs a case of every energy register that is read"
        assert stated(profile), "and somebody else who stated what the words of one mean"
    elif profile.status == "experimental":
        assert energy(profile), "nothing can be commissioned without an energy register"
    else:
        assert profile.caveats, "the reason why it cannot be used"


def test_the_proofs_are_those_of_the_cases() -> None:
    assert proofs.origins() == meter_cases.proofs(), "run `make meters`"


@pytest.mark.parametrize("name", meter_cases.names())
def test_a_case_says_truly_what_its_values_come_from(name: str) -> None:
    """As far as a program can tell: words written by hand are not called a capture, and no value is named in vain."""
    case = meter_cases.load(name)
    assert case.origins.keys() <= case.values.keys()
    assert case.origin not in case.origins.values()
    if "by hand" in case.what and not case.origins:
        assert case.origin == "arithmetic"
    if case.points:
        assert case.origin in ("other_program", "arithmetic"), "the words were made by a library"


def test_a_profile_is_as_strong_as_the_weakest_energy_register_that_is_read() -> None:
    sdm630 = LIBRARY["eastron_sdm630"]
    both = {"active_energy_import": "capture", "active_energy_export": "datasheet_example"}
    assert judged(sdm630, both) == Proof("datasheet_example", "capture")  # type: ignore[arg-type]
    assert judged(sdm630, {"active_energy_import": "capture"}) == Proof(None, "capture"), "one of two proves little"
    assert judged(sdm630, {}) == Proof()
    assert proof(sdm630) == Proof("arithmetic", "capture"), "counters of the phases were captured, the totals never"
    assert [proved(one) for one in (Proof(), Proof("capture", "capture"), Proof("arithmetic", "silent_capture"))] == [
        "none",
        "capture",
        "arithmetic (at best: silent capture)",
    ]


def test_words_that_nobody_explained_make_no_meter_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    sdm630 = LIBRARY["eastron_sdm630"]
    for origin in ORIGINS:
        known = {"active_energy_import_l1": origin, "active_power": "capture"}
        monkeypatch.setattr(proofs, "origins", lambda known=known: {"eastron_sdm630": known})
        assert stated(sdm630) == (origin in ("capture", "other_program", "datasheet_example"))
    monkeypatch.setattr(proofs, "origins", dict)
    assert not stated(sdm630)


def test_what_proves_a_meter_is_shown_wherever_it_is_described() -> None:
    text = page(LIBRARY.values())
    for profile in LIBRARY.values():
        found = proof(profile)
        assert described(profile)["proof"] == {"energy": found.energy, "best": found.best}
        assert f"Proof of its energy registers: {proved(found)}.\n" in text
    assert all(f"* **{origin.replace('_', ' ')}**: " in text for origin in ORIGINS)


def test_counts_add_up() -> None:
    assert sum(counted(LIBRARY.values()).values()) == len(LIBRARY)
    assert tuple(counted(LIBRARY.values())) == STATUSES
    assert {described(profile)["status"] for profile in LIBRARY.values()} <= set(STATUSES)


def of(family: str) -> list[Profile]:
    return [profile for name, profile in LIBRARY.items() if name.startswith(family)]


def test_enough_families_can_be_read() -> None:
    ready = [family for family in FAMILIES if any(p.status in ("usable", "experimental") for p in of(family))]
    assert len(FAMILIES) == 43
    assert len(ready) >= 33


def test_serial_settings_are_said_as_a_technician_says_them() -> None:
    assert all(
        serial(profile) == "" or serial(profile)[0].isdigit() or "unit" in serial(profile)
        for profile in LIBRARY.values()
    )
