"""Every (meter, slot) exactly once, whatever the clock, the line or the power does; judged again from raw words."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import NEW_YEAR, FakeBus, FakeClock
from gateway import Gateway, Verdict, running, write

from drivers.errors import NoReply
from mrv.leaf import Boot, Clock
from mrv.reading import Reading

HOUR = 3_600_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path)
    return tmp_path


async def test_a_quiet_quarter_of_an_hour(folder: Path) -> None:
    async with running(folder, FakeClock()) as gateway:
        await gateway.pass_time(900.5)
    verdict = Verdict(folder)
    verdict.clean()
    assert [s.end - s.start for s in verdict.summaries] == [60_000] * 15
    assert all(s.read == s.expected == 18 for s in verdict.summaries)
    assert list(verdict.covered("pv-main")) == list(range(NEW_YEAR, NEW_YEAR + 901_000, 10_000))


async def test_a_dead_meter_leaves_gaps_with_its_reason_and_takes_nobodys_slots(folder: Path) -> None:
    clock = FakeClock()
    async with running(folder, clock, FakeBus(clock, dead={3: NoReply})) as gateway:
        await gateway.pass_time(300.5)
    verdict = Verdict(folder)
    verdict.clean()
    assert {why for _, why in verdict.gaps("pv-inverter")} == {"timeout"}
    assert verdict.gaps("pv-main") == []
    assert all((s.read, s.gap) == (12, 6) for s in verdict.summaries)


async def test_a_clock_unknown_at_start_is_placed_once_it_is_known(folder: Path) -> None:
    clock = FakeClock(realtime=0, synchronised=False)
    async with running(folder, clock) as gateway:
        await gateway.pass_time(120)
        clock.synchronised = True
        clock.step(NEW_YEAR + 500_000)
        await gateway.pass_time(300)
    verdict = Verdict(folder)
    verdict.clean()
    assert [(f.why, str(f.clock)) for f in verdict.facts if isinstance(f, Clock)] == [("start", "U"), ("sync", "S")]
    unplaced = [f for f in verdict.facts if isinstance(f, Reading) and f.slot is None]
    assert len(unplaced) >= 3 * 12
    assert verdict.summaries[0].read > 0
    assert sum(s.gap for s in verdict.summaries) <= 3, "at most the slot the clock was set in"


async def test_an_hour_back_covers_no_slot_again(folder: Path) -> None:
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(305)
        clock.step(-HOUR)
        await gateway.pass_time(3600 + 300)
    verdict = Verdict(folder)
    verdict.clean()
    slots = list(verdict.covered("pv-main"))
    assert slots == list(range(NEW_YEAR, slots[-1] + 1, 10_000))
    assert slots[-1] >= NEW_YEAR + 590_000
    assert [f.step for f in verdict.facts if isinstance(f, Clock)] == [0, -HOUR]
    assert verdict.gaps("pv-main") == []


async def test_an_hour_forward_leaves_clock_gaps_for_the_hour(folder: Path) -> None:
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(305)
        clock.step(HOUR)
        await gateway.pass_time(120)
    verdict = Verdict(folder)
    verdict.clean()
    slots = list(verdict.covered("chiller-1"))
    assert slots == list(range(NEW_YEAR, slots[-1] + 1, 10_000))
    assert {why for _, why in verdict.gaps("chiller-1")} == {"clock"}
    assert sum(n for n, _ in verdict.gaps("chiller-1")) == 360


@pytest.mark.parametrize("step", [-HOUR, HOUR, -2_000, 2_000, 30_000, -30_000])
async def test_a_step_in_the_middle_of_a_round(folder: Path, step: int) -> None:
    """The clock moves while a slow meter is being read: leaves stamped before and after must not claim twice."""
    clock = FakeClock()
    async with running(folder, clock, FakeBus(clock, latency=700)) as gateway:
        await gateway.pass_time(120.9)
        clock.step(step)
        await gateway.pass_time(240 + max(0, -step // 1000))
    Verdict(folder).clean()


@pytest.mark.parametrize("off", [3, 25, 600, 7 * 24 * 3600])
async def test_what_the_agent_was_down_for_becomes_gaps(folder: Path, off: int) -> None:
    clock = FakeClock()
    first = Gateway(folder, clock)
    await first.start()
    await first.pass_time(125)
    await first.crash()
    clock.pass_time(off * 1000)
    async with running(folder, clock) as gateway:
        await gateway.pass_time(130)
    verdict = Verdict(folder)
    verdict.clean()
    slots = list(verdict.covered("pv-main"))
    assert slots == list(range(NEW_YEAR, slots[-1] + 1, 10_000))
    assert {why for _, why in verdict.gaps("pv-main")} <= {"down"}
    boots = [f for f in verdict.facts if isinstance(f, Boot)]
    assert [(b.boot, b.clean) for b in boots] == [(1, True), (1, False)]


async def test_another_boot_of_the_kernel_is_another_boot(folder: Path) -> None:
    async with running(folder, FakeClock()) as gateway:
        await gateway.pass_time(65)
    later = FakeClock(realtime=NEW_YEAR + HOUR, boottime=20_000, boot="boot-b")
    async with running(folder, later) as gateway:
        await gateway.pass_time(65)
    verdict = Verdict(folder)
    verdict.clean()
    assert [(b.boot, b.clean) for b in verdict.facts if isinstance(b, Boot)] == [(1, True), (2, True)]


async def test_a_boot_whose_clock_was_never_known_lies_between_two_that_were(folder: Path) -> None:
    async with running(folder, FakeClock()) as gateway:
        await gateway.pass_time(65)
    blind = FakeClock(realtime=1_000, boottime=20_000, boot="boot-b", synchronised=False)
    async with running(folder, blind) as gateway:
        await gateway.pass_time(125)
    later = FakeClock(realtime=NEW_YEAR + HOUR, boottime=20_000, boot="boot-c")
    async with running(folder, later) as gateway:
        await gateway.pass_time(125)
    verdict = Verdict(folder)
    verdict.clean()
    slots = list(verdict.covered("pv-main"))
    assert slots == list(range(NEW_YEAR, slots[-1] + 1, 10_000))
    assert verdict.summaries[-1].end > NEW_YEAR + HOUR


async def test_meters_changed_while_the_agent_was_off(folder: Path) -> None:
    """One meter gets another interval and other limits: its old chain is filled up, a new one starts."""
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(95)
    clock.pass_time(90_000)
    site = folder / "site.yaml"
    site.write_text(
        site.read_text().replace(
            "unit: 7, profile: eastron_sdm630, every: 10",
            "unit: 7, profile: eastron_sdm630, every: 20, max_current: 400",
        )
    )
    async with running(folder, clock) as gateway:
        await gateway.pass_time(130)
    verdict = Verdict(folder)
    assert not verdict.findings, verdict.findings
    assert verdict.book.config is not None
    assert verdict.book.config.number == 2
    assert verdict.summaries[-1].config == 2


async def test_a_step_while_the_agent_is_being_restarted(folder: Path) -> None:
    clock = FakeClock()
    async with running(folder, clock) as gateway:
        await gateway.pass_time(305)
    clock.step(-HOUR)
    async with running(folder, clock) as gateway:
        await gateway.pass_time(HOUR // 1000 + 120)
    verdict = Verdict(folder)
    verdict.clean()
    assert verdict.gaps("pv-main") in ([], [(1, "down")])
