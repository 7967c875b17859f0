"""Who a meter is: asked at the start, after silence, once a day and when a counter fell; a change holds the point."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from fakes import FakeBus, FakeClock
from gateway import Gateway, Verdict, write

from agent import cli, config
from agent.identity import DAY, PAUSE, Acquaintance
from drivers import profiles
from drivers.bus import ALL, Effort
from drivers.errors import NoReply
from mrv import known, leaf
from mrv.leaf import MeterEvent, Usage
from mrv.profile import Item, Profile

SERIAL, FIRMWARE, CT = 64512, 64514, 64520
HOUR = 3_600_000


@pytest.fixture(autouse=True)
def profile(monkeypatch: pytest.MonkeyPatch) -> Profile:
    """An SDM630 that says its serial number, firmware and CT setting in holding registers."""
    plain = profiles.library()["eastron_sdm630"]
    able = msgspec.structs.replace(
        plain,
        serial_number=Item(at=SERIAL, type="uint32", table="holding"),
        firmware=Item(at=FIRMWARE, type="ascii", count=2, table="holding"),
        fingerprint=(Item(at=CT, type="uint16", table="holding", name="ct"),),
    )
    monkeypatch.setattr(profiles, "_loaded", lambda _name: able)
    digests = {"eastron_sdm630": frozenset({leaf.digest(leaf.canonical(able))})}
    monkeypatch.setattr(known, "PROFILES", digests)
    return able


class TalkingBus(FakeBus):
    """Meters that say who they are: what `says` has for (unit, address), else words that are the same for all."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self.says: dict[tuple[int, int], tuple[int, ...]] = {}
        self.identity: list[tuple[int, int]] = []

    async def read(self, unit: int, table: str, address: int, count: int, *, effort: Effort = ALL) -> tuple[int, ...]:
        if address < SERIAL or unit in self.dead:
            return await super().read(unit, table, address, count, effort=effort)
        self.identity.append((unit, address))
        default = {SERIAL: (0, 1000 + unit), FIRMWARE: (0x312E, 0x3300), CT: (80,)}
        return self.says.get((unit, address), default[address])


class Site:
    def __init__(self, folder: Path) -> None:
        write(folder)
        self.folder, self.clock = folder, FakeClock()
        self.bus = TalkingBus(self.clock)

    async def start(self) -> Gateway:
        gateway = Gateway(self.folder, self.clock, self.bus)
        await gateway.start()
        return gateway

    def events(self, meter: str = "pv-main") -> list[MeterEvent]:
        facts = (fact for fact in Verdict(self.folder).facts if isinstance(fact, MeterEvent))
        return [fact for fact in facts if fact.meter == meter and fact.event in {"identity", "changed"}]

    def usages(self, meter: str = "pv-main") -> list[Usage]:
        return [f for f in Verdict(self.folder).facts if isinstance(f, Usage) and f.meter == meter]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


async def test_every_meter_says_who_it_is_once(site: Site) -> None:
    gateway = await site.start()
    await gateway.pass_time(300)
    await gateway.stop()
    for meter, serial in (("pv-main", "1001"), ("pv-inverter", "1003"), ("chiller-1", "1007")):
        (event,) = site.events(meter)
        assert (event.event, event.details["serial"], event.details["firmware"]) == ("identity", serial, "1.3")
        assert event.details["settings.ct"] == "80"
        assert event.raw == {f"h:{SERIAL}": f"{0:04x}{int(serial):04x}312e3300", f"h:{CT}": "0050"}
    Verdict(site.folder).clean()


async def test_another_serial_number_holds_the_point_and_no_figure_is_made(site: Site) -> None:
    gateway = await site.start()
    await gateway.pass_time(125)
    await gateway.stop()
    site.bus.says[1, SERIAL] = (0, 4711)
    gateway = await site.start()
    await gateway.pass_time(125)
    alarms = {
        (alarm.code, alarm.where) for alarm in gateway.daemon._status("running", gateway.daemon.time.now()).alarms
    }
    await gateway.stop()
    assert ("agent.held_identity", "pv-main") in alarms
    assert [event.event for event in site.events()][:2] == ["identity", "changed"]
    last = site.usages()[-1]
    assert "held" in last.flags
    assert list(last.holds) == ["serial"]
    verdict = Verdict(site.folder)
    verdict.clean()
    before, after = verdict.summaries[0], verdict.summaries[-1]
    assert before.projects[0].missing == ()
    assert after.projects[0].reduction is None
    assert after.projects[0].missing
    assert after.projects[1].missing == (), "the other meter counts on"


async def test_a_hold_survives_a_restart(site: Site) -> None:
    gateway = await site.start()
    await gateway.pass_time(65)
    site.bus.says[1, CT] = (60,)
    await gateway.crash()
    for _ in range(2):
        gateway = await site.start()
        await gateway.pass_time(185)
        await gateway.crash()
    assert [event.event for event in site.events()] == ["identity", "changed", "identity"]
    assert list(site.usages()[-1].holds) == ["settings"]
    assert site.usages()[-1].holds["settings"] < site.usages()[-1].start
    Verdict(site.folder).clean()


async def test_the_serial_number_of_the_binding_is_what_was_approved(site: Site) -> None:
    text = (site.folder / "site.yaml").read_text()
    given = text.replace("id: pv-main,", "id: pv-main, serial: SN-0001001,").replace(
        "id: chiller-1,", 'id: chiller-1, serial: "999",'
    )
    (site.folder / "site.yaml").write_text(given)
    assert config.load(site.folder).binding.meters[-1].serial == "SN-0001001"
    gateway = await site.start()
    await gateway.pass_time(125)
    await gateway.stop()
    assert [event.event for event in site.events("chiller-1")] == ["changed"]
    assert list(site.usages("chiller-1")[-1].holds) == ["binding"]


async def test_a_new_firmware_is_accepted_by_a_named_person_at_the_site(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await site.start()
    await gateway.pass_time(65)
    await gateway.stop()
    site.bus.says[1, FIRMWARE] = (0x312E, 0x3400)
    gateway = await site.start()
    await gateway.pass_time(125)
    gateway.daemon._write_status()
    arguments = ["accept", "pv-main", "--dir", str(site.folder), "--who", "Nguyen Van A", "--json"]
    assert cli.main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["reasons"] == ["firmware"]
    await gateway.daemon.take_up()
    await gateway.pass_time(125)
    await gateway.stop()
    held = ["held" in usage.flags for usage in site.usages()]
    assert held[0] is False
    assert any(held)
    assert held[-1] is False
    Verdict(site.folder).clean()


async def test_another_serial_number_is_not_accepted_at_the_site(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway = await site.start()
    await gateway.pass_time(65)
    await gateway.stop()
    site.bus.says[1, SERIAL] = (0, 4711)
    gateway = await site.start()
    await gateway.pass_time(65)
    gateway.daemon._write_status()
    for meter, code in (("pv-main", "agent.accept_not_here"), ("chiller-1", "agent.accept_nothing")):
        assert cli.main(["accept", meter, "--dir", str(site.folder), "--who", "A", "--json"]) == 3
        assert json.loads(capsys.readouterr().out)["faults"][0]["code"] == code
    await gateway.stop()
    assert not (site.folder / "spool").exists()


async def test_a_meter_that_does_not_answer_is_not_asked_who_it_is(site: Site) -> None:
    site.bus.dead[1] = NoReply
    gateway = await site.start()
    await gateway.pass_time(60)
    assert not [unit for unit, _ in site.bus.identity if unit == 1]
    del site.bus.dead[1]
    await gateway.pass_time(60)
    assert [address for unit, address in site.bus.identity if unit == 1] == [SERIAL, FIRMWARE, CT]
    await gateway.stop()


# -- when ----------------------------------------------------------------------------------------------------------


def known_one() -> Acquaintance:
    one = Acquaintance()
    one.read({"1.8.0": "5.000"})
    one.asking(0)
    one.told()
    return one


def test_once_a_day() -> None:
    one = known_one()
    assert not one.due(DAY - 1)
    assert one.due(DAY)


def test_after_silence_but_never_more_often_than_every_five_minutes() -> None:
    one = known_one()
    one.silent()
    assert not one.due(HOUR), "it does not answer"
    one.read({"1.8.0": "5.001"})
    assert not one.due(PAUSE - 1)
    assert one.due(PAUSE)


def test_when_a_counter_fell() -> None:
    one = known_one()
    one.read({"1.8.0": "5.002"})
    assert not one.due(HOUR)
    one.read({"1.8.0": "0.000"})
    assert one.due(HOUR)
