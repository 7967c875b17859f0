"""Every profile file is a test: schema, name, plan, round trip through the log; its words are used and needed."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import meter_cases
import msgspec
import pytest

from drivers import blocks, profiles
from mrv import codec, identity, leaf
from mrv.binding import Settings
from mrv.errors import BadInput
from mrv.limits import limits
from mrv.profile import MEASURANDS, Profile
from mrv.profile_fit import misfits

NAMES = profiles.names()
#: What is read at every slot may take so many requests: energy stands apart from the rest in most meters.
MOST_REQUESTS = 4
BASE = 40069


@pytest.fixture(params=NAMES)
def profile(request: pytest.FixtureRequest) -> Profile:
    return profiles.library()[request.param]


def base(profile: Profile) -> int:
    return BASE if profile.relative else 0


def test_the_library_is_what_the_folder_holds() -> None:
    assert set(profiles.library()) == set(NAMES) >= {"eastron_sdm630", "schneider_iem3155_iem3255", "huawei_sun2000"}


def test_only_what_is_asked_for_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway uses a few of them, with one of its own perhaps."""
    (tmp_path / profiles.OWN).mkdir()
    own = profiles.source_text("eastron_sdm630").replace("id: eastron_sdm630\n", "id: mine\n")
    (tmp_path / profiles.OWN / "mine.yaml").write_text(own, encoding="utf-8")
    load, read = profiles.load, []

    def noted(text: str, source: str) -> Profile:
        read.append(source)
        return load(text, source)

    monkeypatch.setattr(profiles, "load", noted)
    profiles._loaded.cache_clear()
    found = profiles.beside(tmp_path)
    assert list(found) == [*NAMES, "mine"]
    assert len(found) == len(NAMES) + 1
    assert "huawei_sun2000" in found
    assert "nobodys" not in found
    assert found["eastron_sdm630"].id == "eastron_sdm630"
    assert found["mine"].id == "mine"
    assert read == ["profiles/mine.yaml", "eastron_sdm630.yaml"]
    with pytest.raises(KeyError):
        found["nobodys"]


def test_an_unknown_profile_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(BadInput) as caught:
        profiles.source_text("../secret")
    assert caught.value.faults[0].params["known"] == ", ".join(NAMES)


def test_the_file_name_is_the_id_and_the_text_can_be_shown(profile: Profile) -> None:
    assert f"id: {profile.id}\n" in profiles.source_text(profile.id)


def test_it_says_where_its_numbers_come_from(profile: Profile) -> None:
    assert len(profile.sources) >= 2 or profile.confidence != "high"
    assert profile.caveats


def test_an_agent_reads_energy_and_something_to_check_it_with(profile: Profile) -> None:
    read = {MEASURANDS[name] for name in profile.read}
    if profile.status == "documented":
        assert not any(MEASURANDS[name].cumulative for name in profile.values), "else it would be of use"
    else:
        assert any(measurand.cumulative for measurand in read)
        assert MEASURANDS["active_power"] in read


def test_everything_it_describes_can_be_fetched(profile: Profile) -> None:
    assert len(blocks.plan(profile, profile.read, base(profile))) <= MOST_REQUESTS
    for name in profile.values:
        blocks.plan(profile, (name,), base(profile))
    for block in blocks.plan(profile, profile.values, base(profile)):
        assert block.count <= profile.limits.registers


def test_energy_is_written_as_finely_as_it_is_counted(profile: Profile) -> None:
    """An integer with the places of its scale, a float to the watt-hour: nothing is rounded away, nothing made up."""
    for name, value in profile.values.items():
        if not MEASURANDS[name].cumulative:
            continue
        if value.type.startswith("float") or value.scale_register or value.scaled_by:
            assert value.decimals == 3
        else:
            assert value.decimals == max(0, -value.scale.normalize().as_tuple().exponent)


def test_a_float_with_a_modulus_counts_finely_enough_to_show_it(profile: Profile) -> None:
    """A float32 near 2^32 steps by hundreds; only a float64 (Siemens) can go round at a number that is documented."""
    for value in profile.values.values():
        assert value.modulus is None or value.type != "float32"


def test_round_trip_through_the_log(profile: Profile) -> None:
    data = leaf.canonical(profile)
    again = msgspec.json.decode(data, type=Profile)
    assert again == profile
    assert leaf.canonical(again) == data


def test_what_is_left_at_its_default_is_not_written(profile: Profile) -> None:
    """So a field added later does not change the digest of a profile that does not use it."""
    written = msgspec.json.decode(leaf.canonical(profile), type=dict[str, object])
    defaults = {field.name: field.default for field in msgspec.structs.fields(Profile)} | {"factors": {}}
    for field in ("relative", "byte_order", "word_order", "summation", "atomic", "status", "factors"):
        assert field not in written or getattr(profile, field) != defaults[field]


def test_every_word_of_the_evidence_is_used_and_none_else(profile: Profile) -> None:
    settings = meter_cases.wired(profile)
    wanted = set(codec.addresses(profile, settings, profile.read))
    whole = codec.decode(profile, settings, dict.fromkeys(wanted, 0x0100) | guards(profile, settings))
    assert "missing" not in whole.absent.values()
    for lost in sorted(wanted):
        words = dict.fromkeys(wanted - {lost}, 0x0100) | guards(profile, settings)
        words.pop(lost, None)
        assert {"missing", "guard"} & set(codec.decode(profile, settings, words).absent.values())


def guards(profile: Profile, settings: Settings) -> dict[tuple[str, int], int]:
    spans = zip(profile.guards, profile.guard_spans(), strict=True)
    return {(span.table, (settings.base or 0) + span.at): int(guard.equals[0], 16) for guard, span in spans}


def test_no_meter_that_can_be_wired_has_two_sources_of_its_ratio(profile: Profile) -> None:
    """A ratio in site.yaml is refused unless the profile says that it is given there, and then it is demanded."""
    given = meter_cases.wired(profile, ratio="400/5", vt_ratio="22000/110")
    found = {code for _, code, _ in misfits(profile, given)}
    without = {code for _, code, _ in misfits(profile, meter_cases.wired(profile, ratio=None))}
    if profile.status == "documented":
        return
    assert profile.ratio is not None
    if profile.ratio.source == "site":
        assert (found, without) == (set(), {"meter.ratio_missing"})
    else:
        assert (found, without) == ({f"meter.ratio_twice_{profile.ratio.source}"}, set())
        assert codec.ratio(profile, given, {}) is None, "nothing is counted with it either"


def test_a_profile_that_does_not_say_where_its_ratio_comes_from_is_refused() -> None:
    text = profiles.source_text("eastron_sdm630").replace("ratio: {source: meter}\n", "")
    with pytest.raises(BadInput) as caught:
        profiles.load(text, "f.yaml")
    assert [(found.code, found.where) for found in caught.value.faults] == [("meter.ratio_unsaid", "f.yaml:3 ratio")]


def test_whoever_can_say_who_it_is_is_asked_in_requests_it_answers(profile: Profile) -> None:
    """What counts as able to tell can be asked for, and only that."""
    settings = meter_cases.wired(profile)
    places = identity.places(profile, settings)
    for place in places:
        block = blocks.fetch(profile, place, settings.shift)
        assert block.first <= place.at
        assert place.end <= block.end
        assert block.count <= profile.limits.registers
    words = {(place.table, at): 0x3131 for place in places for at in range(place.at, place.end)}
    words |= {("h", 40000): 0x5375, ("h", 40001): 0x6E53, ("h", 40002): 1} if profile.sunspec else {}
    told = identity.said(profile, settings, words)
    assert identity.proves(told) == identity.tellable(profile, settings) == limits(profile, settings, 10).identifiable


def test_a_variant_that_is_named_exists_and_knows_where_it_comes_from(profile: Profile) -> None:
    for variant in profile.variants:
        assert variant.profile in NAMES
        if not variant.when:
            continue
        assert profile.identify or profile.sunspec, "nobody looks for evidence in a meter nobody recognises"


def test_scales_keep_units(profile: Profile) -> None:
    """A scale is a power of ten (or turns the direction): anything else would be a conversion nobody has documented."""
    for value in profile.values.values():
        scale = abs(Fraction(value.scale))
        assert scale in {Fraction(10) ** power for power in range(-6, 7)}
