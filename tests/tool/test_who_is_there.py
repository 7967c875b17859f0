"""Every meter that can be recognised is, in the simulator, by requests a real one of its kind would answer."""

from __future__ import annotations

import meter_cases
import msgspec
import pytest

from drivers import identify, profiles
from drivers.bus import ALL, Effort
from drivers.candidate import Candidate
from drivers.errors import NotAvailable
from drivers.identify import Interview
from drivers.meter import Meter
from drivers.scan_plan import Speed
from drivers.simulator import scenario
from drivers.simulator.frames import Refusal
from drivers.simulator.meter import Simulated
from drivers.simulator.plant import Clock
from mrv.binding import BoundMeter, Settings
from mrv.identity import FIRMWARE, SERIAL, SETTINGS, proves, tellable
from mrv.profile import Profile, Table
from tests.tool.line import SILENCE, Device, refusal
from tests.tool.line import Line as Several

LIBRARY = {name: profile for name, profile in profiles.library().items() if profile.status != "documented"}
RECOGNISED = [name for name, profile in LIBRARY.items() if profile.identify or profile.sunspec]
#: A base that the chain of a SunSpec device leads to: "SunS" at 40000, a common model of 66 registers.
BASE = 40070


class Line:
    """A line with one simulated meter, which refuses what the real one would; everything asked is kept."""

    def __init__(self, profile: str, settings: Settings, **more: object) -> None:
        fields = {"id": "m", "line": "a", "profile": profile, "settings": settings, "serial": "21044711", **more}
        spec = scenario.Meter(load=scenario.Load(watts=1), **fields)  # type: ignore[arg-type]
        self._meter = Simulated(spec, profiles.library(), Clock(), ())
        self.asked: list[tuple[Table, int, int]] = []

    async def read(self, unit: int, table: Table, address: int, count: int, *, effort: Effort = ALL) -> tuple[int, ...]:
        self.asked.append((table, address, count))
        try:
            return self._meter.at(0.0, ()).read(table, address, count)
        except Refusal:
            raise refusal() from None

    async def server_id(self, unit: int) -> bytes:
        said = self._meter.at(0.0, ()).server_id()
        if not said:
            raise refusal(1)
        return said

    async def device_id(self, unit: int, first: int) -> dict[int, bytes]:
        raise refusal(1)

    async def close(self) -> None:
        """Nothing is open."""


def settings(profile: Profile) -> Settings:
    return meter_cases.wired(profile, base=BASE if profile.relative else None)


def agent(line: Line, profile: Profile) -> Meter:
    bound = BoundMeter(meter="m", point="P", profile=profile.id, every=10, settings=settings(profile))
    return Meter(bound, profile, line, 1)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", RECOGNISED)
async def test_it_is_recognised_and_the_agent_is_told_what_the_tool_is(name: str) -> None:
    profile = LIBRARY[name]
    line = Line(name, settings(profile))
    interview = Interview(line, 1)  # type: ignore[arg-type]
    best = (await identify.candidates(interview, LIBRARY.values()))[0]
    assert (best.profile.id, best.identified, best.settings.base) == (name, True, settings(profile).base)
    serial = await identify.serial(interview, best)
    details, _ = await agent(line, profile).say()
    assert details.get(SERIAL, "") == serial
    assert bool(serial) == (profile.serial_number is not None)
    assert (FIRMWARE in details) == (profile.firmware is not None)
    assert (SETTINGS in details) == bool(profile.fingerprint)
    assert proves(details) == tellable(profile, settings(profile))


@pytest.mark.parametrize(
    ("name", "words", "variant"),
    [
        ("abb_b21_b23_b24", {"h:20484": "ffffffffffffffff"}, "abb_b21_b23_b24_import"),
        ("abb_a43_a44", {"h:20484": "ffffffffffffffff"}, "abb_a43_a44_import"),
        ("socomec_diris_a10_a14", {"h:50050": b"DIRIS A14".ljust(16, b"\0").hex()}, "socomec_diris_a14"),
        (
            "socomec_diris_a10_a14",
            {"h:50050": "Diris A1".encode("utf-16-be").hex()},
            "socomec_diris_a10_a14",  # eight characters do not reach the 4: nothing is claimed
        ),
    ],
)
async def test_what_the_meter_shows_chooses_the_map(name: str, words: dict[str, str], variant: str) -> None:
    line = Line(name, settings(LIBRARY[name]), words=words)
    found = await identify.recognised(Interview(line, 1), LIBRARY[name], LIBRARY)  # type: ignore[arg-type]
    assert found is not None
    assert found.profile.id == variant


@pytest.mark.parametrize(("application", "suffix"), [(7, ""), (4, "_import")])
async def test_the_application_of_an_em24_chooses_the_map(application: int, suffix: str) -> None:
    shows = Device({("i", 11): 70, ("i", 4353): application})
    line = Several({(Speed(9600), 1): shows}, SILENCE)(Speed(9600), 1000)
    found = await identify.recognised(Interview(line, 1), LIBRARY["carlogavazzi_em24_rs485"], LIBRARY)
    assert found is not None
    assert (found.profile.id, found.model) == (f"carlogavazzi_em24_rs485{suffix}", "EM24-DIN AV9")


@pytest.mark.parametrize("name", ["abb_b21_b23_b24", "abb_a43_a44"])
async def test_a_steel_meter_gives_readings(name: str) -> None:
    """Its export counter is all ones: no reading for a profile that wants it, one for the profile that does not."""
    line = Line(name, settings(LIBRARY[name]), words={"h:20484": "ffffffffffffffff"})
    with pytest.raises(NotAvailable):
        await agent(line, LIBRARY[name]).read()
    sample = await agent(line, LIBRARY[f"{name}_import"]).read()
    assert set(sample.registers) == {"1.8.0"}


async def test_siemens_is_asked_for_its_block_as_a_whole_and_once() -> None:
    profile = LIBRARY["siemens_pac2200_pac3200_pac4200"]
    line = Line(profile.id, settings(profile))
    details, raw = await agent(line, profile).say()
    assert line.asked == [("h", 64001, 27)]
    assert details[SERIAL] == "21044711"
    assert sum(len(content) for content in raw.values()) // 4 == 8 + 2 + 10, "only the words that tell are evidence"


async def test_a_chain_that_begins_elsewhere_tells_nothing_of_this_device() -> None:
    """A base far behind the common model: what stands at the nearest beginning is not this device's name."""
    profile = LIBRARY["sunspec_inverter_3p"]
    line = Line(profile.id, Settings(base=40300))
    bound = BoundMeter(meter="m", point="P", profile=profile.id, every=10, settings=Settings(base=40300))
    details, _ = await Meter(bound, profile, line, 1).say()  # type: ignore[arg-type]
    assert details == {}
    alone = msgspec.structs.replace(profile, sunspec=None)
    assert not tellable(alone, settings(profile)), "without a chain to look for, it cannot be asked"


async def test_a_fronius_is_called_one() -> None:
    """Model 113 is read by two profiles; the name in the common model decides."""
    profile = LIBRARY["sunspec_inverter_3p_float"]
    line = Line("fronius_sunspec", settings(profile))
    found = await identify.candidates(Interview(line, 1), LIBRARY.values())  # type: ignore[arg-type]
    assert [one.profile.id for one in found] == ["fronius_sunspec"]


async def test_settings_of_the_wiring_move_the_serial_number_too() -> None:
    """A table or a word order given in site.yaml is where the tool and the agent look, both."""
    profile = LIBRARY["inepro_pro380"]
    given = Settings(table="input")
    line = Line(profile.id, given)
    bound = BoundMeter(meter="m", point="P", profile=profile.id, every=10, settings=given)
    details, _ = await Meter(bound, profile, line, 1).say()  # type: ignore[arg-type]
    candidate = Candidate(profile=profile, settings=given)
    assert details == {SERIAL: await identify.serial(Interview(line, 1), candidate)}  # type: ignore[arg-type]
    assert {table for table, _, _ in line.asked} == {"i"}
