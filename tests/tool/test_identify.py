"""Recognising a meter: by what it says of itself, else by plausible volts and hertz; and its variants."""

from __future__ import annotations

import struct

import msgspec
import pytest

from drivers import identify, profiles
from drivers.candidate import Candidate
from drivers.commission_variants import clear, distinct, tried, variants
from drivers.errors import NoReply, Unreachable
from drivers.identify import Interview
from drivers.scan import Found
from drivers.scan_plan import Speed
from drivers.simulator.registers import image
from drivers.survey import meet
from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.profile import Profile
from mrv.profile_device import Chain, DeviceId, Item, RegisterIs, ServerId, SunSpecModels, Variant
from tests.tool.line import AWAY, SILENCE, Device, Line, Wire

SDM = profiles.library()["eastron_sdm630"]
HEALTHY = dict.fromkeys(Measurand, 0.0) | {
    Measurand.VOLTAGE_L1: 229.8,
    Measurand.VOLTAGE_L2: 231.0,
    Measurand.VOLTAGE_L3: 230.4,
    Measurand.VOLTAGE_L1_L2: 399.0,
    Measurand.VOLTAGE_L2_L3: 399.5,
    Measurand.VOLTAGE_L3_L1: 398.6,
    Measurand.CURRENT_L1: 10.0,
    Measurand.CURRENT_L2: 10.1,
    Measurand.CURRENT_L3: 9.9,
    Measurand.ACTIVE_POWER_L1: 2068.0,
    Measurand.ACTIVE_POWER_L2: 2099.0,
    Measurand.ACTIVE_POWER_L3: 2053.0,
    Measurand.ACTIVE_POWER: 6220.0,
    Measurand.POWER_FACTOR: 0.9,
    Measurand.FREQUENCY: 49.98,
    Measurand.ACTIVE_ENERGY_IMPORT: 18343.2,
}
N96 = Speed(9600)


def bus(device: Device, otherwise: object = SILENCE) -> Wire:
    return Line({(N96, 1): device}, otherwise)(N96, 1000)  # type: ignore[arg-type]


def meter(profile: Profile = SDM, settings: Settings = Settings(), **more: object) -> Device:  # noqa: B008
    return Device(image(profile, settings, HEALTHY).words, gaps=True, **more)  # type: ignore[arg-type]


def changed(profile: Profile, **fields: object) -> Profile:
    return msgspec.structs.replace(profile, **fields)


# -- what a device says of itself ----------------------------------------------------------------------------------

REGISTER = RegisterIs(item=Item(at=11, type="uint16", table="holding"), means={"341": "EM340", "332": "EM330"})
TEXT = RegisterIs(item=Item(at=20, type="ascii", count=4, table="holding"), means={"KM-N": "KM-N2", "KM": "KM"})
SERVER = ServerId(means={"0x79": "DMG210", "0x82": "DMG300"})
OBJECT = DeviceId(object=1, means={"METSEIEM3": "iEM3155"})


def words(text: str) -> dict[tuple[str, int], int]:
    return {("h", 20 + n): word for n, (word,) in enumerate(struct.iter_unpack(">H", text.ljust(8, "\0").encode()))}


@pytest.mark.parametrize(
    ("rule", "device", "model"),
    [
        (REGISTER, Device({("h", 11): 341}), "EM340"),
        (REGISTER, Device({("h", 11): 340}), None),
        (REGISTER, Device({}), None),
        (TEXT, Device(words("KM-N2-FL")), "KM-N2"),
        (TEXT, Device(words("KM-X")), "KM"),
        (TEXT, Device(words("PM")), None),
        (SERVER, Device(server=b"\x82\xff"), "DMG300"),
        (SERVER, Device(server=b"\x83\xff"), None),
        (SERVER, Device(), None),
        (OBJECT, Device(objects={0: b"Schneider", 1: b"METSEIEM3155"}), "iEM3155"),
        (OBJECT, Device(objects={0: b"Schneider"}), None),
    ],
)
async def test_one_rule(rule: object, device: Device, model: str | None) -> None:
    profile = changed(SDM, identify=(rule,))
    found = await identify.recognised(Interview(bus(device), 1), profile, {})
    assert (found.model if found else None) == model


async def test_all_rules_must_hold_and_the_last_name_counts() -> None:
    profile = changed(SDM, identify=(REGISTER, SERVER))
    both = Device({("h", 11): 341}, server=b"\x79")
    assert (await identify.recognised(Interview(bus(both), 1), profile, {})).model == "DMG210"  # type: ignore[union-attr]
    assert await identify.recognised(Interview(bus(Device({("h", 11): 341})), 1), profile, {}) is None


def sunspec(base: int, *models: tuple[int, int]) -> dict[tuple[str, int], int]:
    found, at = {("h", base): 0x5375, ("h", base + 1): 0x6E53}, base + 2
    for model, length in (*models, (0xFFFF, 0)):
        found |= {("h", at): model, ("h", at + 1): length}
        at += 2 + length
    return found  # type: ignore[return-value]


async def test_a_sunspec_chain_gives_the_base() -> None:
    profile = changed(
        profiles.library()["sunspec_inverter_3p"],
        identify=(SunSpecModels(models=(103,)),),
        sunspec=Chain(models=(103,)),
    )
    device = Device(sunspec(40000, (1, 66), (103, 50)), sparse=True)
    found = await identify.recognised(Interview(bus(device), 1), profile, {})
    assert found is not None
    assert found.settings.base == 40070
    other = Device(sunspec(50000, (1, 65), (113, 60)), sparse=True)
    assert await identify.recognised(Interview(bus(other), 1), profile, {}) is None


async def test_a_chain_that_never_ends_is_left() -> None:
    loop = {("h", 40000): 0x5375, ("h", 40001): 0x6E53} | {("h", at): 7 * (at % 2 == 0) for at in range(40002, 65535)}
    interview = Interview(bus(Device(loop, sparse=True)), 1)  # type: ignore[arg-type]
    assert await interview.chain(40000) == {7: 40002}
    assert interview.questions < 60


async def test_firmware_chooses_the_variant() -> None:
    newer = changed(SDM, id="newer")
    rule = RegisterIs(item=Item(at=12, type="uint16", table="holding"), means={"2": "firmware 2"})
    older = changed(SDM, identify=(REGISTER,), variants=(Variant(profile="newer", note="firmware 2", when=(rule,)),))
    library = {"newer": newer}
    old, new = Device({("h", 11): 341, ("h", 12): 1}), Device({("h", 11): 341, ("h", 12): 2})
    assert (await identify.recognised(Interview(bus(old), 1), older, library)).profile.id == "eastron_sdm630"  # type: ignore[union-attr]
    assert (await identify.recognised(Interview(bus(new), 1), older, library)).profile.id == "newer"  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("item", "content", "said"),
    [
        (Item(at=0, type="uint32"), (0x0141, 0x1E37), "21044791"),
        (Item(at=0, type="uint32", word_order="little"), (0x1E37, 0x0141), "21044791"),
        (Item(at=0, type="int16"), (0xFFFF,), "-1"),
        (Item(at=0, type="ascii", count=2), (0x4142, 0x4300), "ABC"),
        (Item(at=0, type="utf16", count=4), (0x53, 0x4F, 0x43, 0x4F), "SOCO"),
        (Item(at=0, type="hex", count=2), (0x00AB, 0x0001), "00ab0001"),
    ],
)
def test_content_as_people_write_it(item: Item, content: tuple[int, ...], said: str) -> None:
    assert identify.spoken(SDM, item, list(content)) == said


def test_the_longest_beginning_wins() -> None:
    assert identify.begins({"A": "a", "AB": "ab"}, "ABC") == "ab"
    assert identify.begins({"X": "x"}, "ABC") is None


# -- plausibility --------------------------------------------------------------------------------------------------


async def test_without_identification_the_plausible_profile_is_found() -> None:
    library = [profile for profile in profiles.library().values() if profile.id != "eastron_sdm630"]
    found = await identify.candidates(Interview(bus(meter()), 1), [*library, SDM])
    assert found[0].profile.id == "eastron_sdm630"
    assert not found[0].identified
    assert found[0].score >= 20


async def test_a_device_that_says_nothing_sensible_has_no_candidate() -> None:
    zeros = Device({}, sparse=True)
    assert await identify.candidates(Interview(bus(zeros), 1), [SDM]) == ()


async def test_nothing_is_asked_twice_and_only_reads_are_sent() -> None:
    line = Line({(N96, 1): meter()})
    interview = Interview(line(N96, 1000), 1)
    await identify.candidates(interview, profiles.library().values())
    await identify.candidates(interview, profiles.library().values())
    assert len(line.asked) == len(set(line.asked))


async def test_a_meter_that_leaves_and_a_line_that_breaks_are_said() -> None:
    rules = tuple(RegisterIs(item=Item(at=n, type="uint16"), means={"1": "x"}) for n in range(9))
    many = [changed(SDM, id=f"p{n}", identify=(rule,)) for n, rule in enumerate(rules)]
    with pytest.raises(NoReply):
        await identify.candidates(Interview(bus(Device(moods=[SILENCE] * 99)), 1), many)
    with pytest.raises(Unreachable):
        await identify.candidates(Interview(bus(Device(moods=[AWAY])), 1), many)
    assert (await meet(bus(Device(moods=[SILENCE] * 99)), Found(N96, 1), {p.id: p for p in many})).candidates == ()


# -- variants ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(word_order="little"),
        Settings(table="holding"),
        Settings(offset=-1),
        Settings(offset=1),
        Settings(table="holding", offset=-1, word_order="little"),
    ],
    ids=str,
)
async def test_the_variant_a_meter_needs_comes_first(settings: Settings) -> None:
    moved = {name: msgspec.structs.replace(value, at=value.at + 1000) for name, value in SDM.values.items()}
    profile = changed(SDM, limits=msgspec.structs.replace(SDM.limits, align=1), values=moved)
    device = Device(image(profile, settings, HEALTHY).words, gaps=True)
    found = await tried(Interview(bus(device), 1), [Candidate(profile=profile)])
    assert found[0].settings == settings
    assert float(found[0].values[Measurand.FREQUENCY]) == pytest.approx(49.98, abs=0.01)


async def test_a_meter_that_mirrors_its_tables_is_read_as_the_profile_stands() -> None:
    both = {(table, at): word for (_, at), word in meter().words.items() for table in "hi"}
    found = await tried(Interview(bus(Device(both, gaps=True)), 1), [Candidate(profile=SDM)])
    assert found[0].settings == Settings()
    assert len(distinct(found)) < len(found)
    assert clear(found)


def test_word_order_is_not_varied_where_there_is_one_word() -> None:
    one = changed(
        SDM, values={"frequency": msgspec.structs.replace(SDM.values["frequency"], type="uint16")}, read=("frequency",)
    )
    assert len(list(variants(one, Settings()))) == 6
    assert len(list(variants(SDM, Settings()))) == 12
    assert next(variants(SDM, Settings(base=7))) == Settings(base=7)


async def test_an_interview_costs_little() -> None:
    """With all profiles of the library: what a technician waits for, at 60 ms a question."""
    interview = Interview(bus(meter()), 1)
    found = await identify.candidates(interview, profiles.library().values())
    await tried(interview, found)
    assert interview.questions < 150
