"""A scenario: read strictly, documented whole, played on time; and what a meter shows after whatever was done to it."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from pathlib import Path

import pytest

from drivers import profiles
from drivers.simulator import misfortune, scenario
from drivers.simulator.meter import Simulated
from drivers.simulator.misfortune import KINDS, Counted, Late, Once, seconds
from drivers.simulator.plant import Clock
from drivers.simulator.stage import Stage
from drivers.simulator.timeline import Happening, Timeline
from mrv import codec
from mrv.binding import Settings
from mrv.errors import BadInput
from mrv.measurand import Measurand

DOCUMENT = (Path(__file__).resolve().parents[2] / "docs" / "simulator.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.S)[0]
LIBRARY = profiles.library()


def loaded(text: str) -> scenario.Scenario:
    return scenario.load(text, "scenario.yaml", LIBRARY).value


# -- the file --------------------------------------------------------------------------------------------------------


async def test_the_documented_example_plays(tmp_path: Path) -> None:
    example = loaded(EXAMPLE.replace("port: 5020, ", ""))
    told: list[dict[str, object]] = []
    now = [0.0]
    stage = Stage(example, LIBRARY, folder=tmp_path, tell=told.append, now=lambda: now[0])
    where = await stage.start()
    try:
        assert where.keys() == {"lan", "usb", "box"}
        assert (tmp_path / "usb").is_symlink()
        now[0] = 130.0
        await stage.advance()
    finally:
        await stage.stop()
    assert not (tmp_path / "usb").exists()
    happened = [(event["t"], event["event"], event.get("fault")) for event in told if event["event"] != "listens"]
    assert happened == [
        (30.0, "begins", "late"),
        (50.0, "ends", "late"),
        (60.0, "begins", "usb_loss"),
        (70.0, "ends", "usb_loss"),
        (120.0, "begins", "swapped"),
    ]


def test_every_fault_and_all_it_takes_are_documented() -> None:
    rows = dict(re.findall(r"^\| `(\w+)`(.*)$", DOCUMENT, re.M))
    assert rows.keys() == KINDS.keys()
    common = {field for kind in (Counted, misfortune.OnWire) for field in kind.__struct_encode_fields__}
    for tag, kind in KINDS.items():
        own = set(kind.__struct_encode_fields__) - common - {"at", "meter", "line"}
        assert set(re.findall(r"`(\w+)`", rows[tag].split("|")[-2])) >= own, tag
        assert rows[tag].startswith(" *") == issubclass(kind, Counted), tag


def test_every_part_of_the_file_is_documented() -> None:
    shown = DOCUMENT.partition("## What can go wrong")[0]
    for part in (scenario.Scenario, scenario.Meter, scenario.Load, scenario.Replayed, scenario.Rtu, scenario.Tcp):
        for field in part.__struct_encode_fields__:
            assert re.search(rf"\b{field}\b", shown), field


def test_all_mistakes_are_named_at_once_with_their_lines() -> None:
    wrong = """
what: mistakes
lines:
  - {id: a, kind: tcp}
  - {id: b, kind: rtu}
meters:
  - {id: one, line: a, profile: nothing, load: {watts: 1}}
  - {id: two, line: a, profile: eastron_sdm630}
  - {id: six, line: a, profile: eastron_sdm630, load: {watts: 1}, values: {volts: 230}}
faults:
  - {fault: silent, meter: one, line: a}
  - {fault: late, meter: one, delay: 3}
"""
    with pytest.raises(BadInput) as raised:
        loaded(wrong)
    found = [(fault.where.partition(" ")[0], fault.code) for fault in raised.value.faults]
    assert found == [
        ("scenario.yaml:7", "meter.unknown_profile"),
        ("scenario.yaml:8", "scenario.shows_one_thing"),
        ("scenario.yaml:9", "scenario.unknown"),
        ("scenario.yaml:11", "scenario.one_target"),
        ("scenario.yaml:12", "config.wrong_type"),
    ]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("{fault: crc, meter: tcp-meter}", "scenario.not_on_such_a_line"),
        ("{fault: echo, line: a}", "scenario.not_on_such_a_line"),
        ("{fault: usb_loss, line: a}", "scenario.not_on_such_a_line"),
        ("{fault: usb_loss, line: c}", "scenario.not_on_such_a_line"),
        ("{fault: gateway_gone, line: b}", "scenario.not_on_such_a_line"),
        ("{fault: silent, meter: nobody}", "scenario.unknown"),
        ("{fault: silent, line: nowhere}", "scenario.unknown"),
        ("{fault: nan, meter: tcp-meter, values: [speed]}", "scenario.unknown"),
        ("{fault: rollover, meter: tcp-meter}", "scenario.modulus_missing"),
        ("{fault: torn, meter: tcp-meter, value: voltage_l1, part: scale, lag: 1s}", "scenario.no_such_part"),
        ("{fault: torn, meter: tcp-meter, value: voltage_l1, part: terms, lag: 1s}", "scenario.no_such_part"),
        ("{fault: swapped, meter: tcp-meter, profile: nothing}", "meter.unknown_profile"),
        ("{fault: swapped, meter: tcp-meter, for: 3s}", "config.unknown_key"),
    ],
)
def test_a_fault_must_be_able_to_happen(fault: str, code: str) -> None:
    text = f"""
what: one mistake
lines: [{{id: a, kind: tcp}}, {{id: b, kind: rtu}}, {{id: c, kind: rtu-over-tcp}}]
meters: [{{id: tcp-meter, line: a, profile: eastron_sdm630, load: {{watts: 1}}}}]
faults: [{fault}]
"""
    with pytest.raises(BadInput) as raised:
        loaded(text)
    assert [found.code for found in raised.value.faults] == [code]


def test_durations() -> None:
    assert [seconds(text) for text in ("250ms", "30s", "1.5m", "2h")] == [0.25, 30.0, 90.0, 7200.0]


# -- the timeline ----------------------------------------------------------------------------------------------------


def test_a_counted_fault_skips_takes_each_nth_and_ends() -> None:
    fault = Late(meter="one", delay="1s", at="10s", skip=2, every=3, times=2)
    told: list[Happening] = []
    line = Timeline([fault], told.append)
    assert line.meets(9.9, meter="one", line="a") == []
    hit = [bool(line.meets(10.0, meter="one", line="a")) for _ in range(14)]
    assert [number for number, was in enumerate(hit, 1) if was] == [5, 8]
    assert [happening.what for happening in told] == ["hits", "hits"]


def test_faults_of_others_are_not_met_and_a_line_is_everybodys() -> None:
    mine, lines = Late(meter="one", delay="1s"), Late(line="a", delay="2s", lasts="5s")
    line = Timeline([mine, lines], lambda _: None)
    assert line.meets(1.0, meter="one", line="a") == [mine, lines]
    assert line.meets(1.0, meter="two", line="a") == [lines]
    assert line.meets(1.0, meter="two", line="b") == []
    assert line.meets(5.0, meter="two", line="a") == []


# -- what a meter shows ----------------------------------------------------------------------------------------------


def meter(*faults: Once, profile: str = "eastron_sdm630", **fields: object) -> Simulated:
    """36 kW through an SDM630: 0.1 kWh every 10 s."""
    spec = {"id": "m", "line": "a", "profile": profile, "load": scenario.Load(watts=36000)} | fields  # type: ignore[arg-type]
    return Simulated(scenario.Meter(**spec), LIBRARY, Clock(start=10.0), faults)  # type: ignore[arg-type]


def shown(one: Simulated, t: float, *met: Once) -> dict[Measurand, float]:
    words = one.words(t, met)
    decoded = codec.decode(one.profile(t), one.spec.settings, words)
    return {measurand: float(value) for measurand, value in decoded.values.items()}


def energies(one: Simulated, *moments: float) -> list[float]:
    return [shown(one, t)[Measurand.ACTIVE_ENERGY_IMPORT] for t in moments]


def test_a_constant_load_counts_evenly() -> None:
    assert energies(meter(), 0, 10, 3600) == pytest.approx([1000.0, 1000.1, 1036.0], abs=1e-3)


def test_a_reset_and_a_swap_begin_again_where_they_say() -> None:
    assert energies(meter(misfortune.Reset(meter="m", at="20s")), 19, 20, 30) == pytest.approx(
        [1000.19, 0.0, 0.1], abs=1e-3
    )
    swap = misfortune.Swapped(meter="m", at="20s", opening=17)  # type: ignore[arg-type]
    assert energies(meter(swap), 10, 20, 30) == pytest.approx([1000.1, 17.0, 17.1], abs=1e-3)


def test_a_counter_rolls_over_at_its_moment() -> None:
    float_meter = meter(misfortune.Rollover(meter="m", at="20s", modulus=10000))  # type: ignore[arg-type]
    assert energies(float_meter, 10, 20, 30) == pytest.approx([9999.9, 0.0, 0.1], abs=1e-2)
    inverter = meter(
        misfortune.Rollover(meter="m", at="20s"),
        profile="sunspec_inverter_3p",
        settings=Settings(base=0),
        flow="generates",
    )
    found = [shown(inverter, t)[Measurand.ACTIVE_ENERGY_EXPORT] for t in (10, 21, 30)]
    assert found == pytest.approx([2**32 / 1000 - 0.1, 0.01, 0.1], abs=2e-3)


def test_a_ratio_set_wrong_shows_and_counts_its_share() -> None:
    one = meter(misfortune.CtRatio(meter="m", at="10s", lasts="10s", factor="0.5"))  # type: ignore[arg-type]
    assert energies(one, 10, 20, 30) == pytest.approx([1000.1, 1000.15, 1000.25], abs=1e-3)
    powers = [shown(one, t)[Measurand.ACTIVE_POWER] for t in (5, 15, 25)]
    assert powers == pytest.approx([36000, 18000, 36000])
    amps = [shown(one, t)[Measurand.CURRENT_L1] for t in (5, 15)]
    assert amps[1] == pytest.approx(amps[0] / 2, rel=0.02)


def test_a_transformer_turned_round_takes_its_phase_away() -> None:
    one = meter(misfortune.ReversedCt(meter="m", at="10s", phase=2))
    values = shown(one, 10.0)
    assert values[Measurand.ACTIVE_POWER_L2] == pytest.approx(-0.332 * 36000, abs=1)
    assert values[Measurand.ACTIVE_POWER] == pytest.approx((1 - 2 * 0.332) * 36000, abs=1)
    assert energies(one, 10, 3610) == pytest.approx([1000.1, 1000.1 + 36 * (1 - 2 * 0.332)], abs=1e-2)


def test_phase_voltages_can_be_line_voltages() -> None:
    values = shown(meter(misfortune.Sqrt3(meter="m")), 0.0)
    assert values[Measurand.VOLTAGE_L1] / values[Measurand.VOLTAGE_L1_L2] == pytest.approx(1.0, rel=0.02)
    values = shown(meter(misfortune.Sqrt3(meter="m", shows="phase_as_line")), 0.0)
    assert values[Measurand.VOLTAGE_L1_L2] / values[Measurand.VOLTAGE_L1] == pytest.approx(3.0, rel=0.02)


def test_frozen_registers_do_not_move() -> None:
    fault = misfortune.Stale(meter="m", at="10s")
    one = meter(fault)
    assert one.words(30.0, [fault]) == one.words(10.0, []) != one.words(30.0, [])


def test_a_torn_counter_is_a_moment_no_meter_ever_showed() -> None:
    """65.5 kWh fill the low register of a counter in Wh: its halves come from before and after."""
    fault = misfortune.Torn(meter="m", value="active_energy_export", part="low", lag="10s")
    one = meter(fault, profile="sunspec_inverter_3p", settings=Settings(base=0), flow="generates", opening=65.5)
    whole = [shown(one, t)[Measurand.ACTIVE_ENERGY_EXPORT] for t in (0, 10)]
    torn = shown(one, 10.0, fault)[Measurand.ACTIVE_ENERGY_EXPORT]
    assert whole == pytest.approx([65.5, 65.6])
    assert torn == pytest.approx((65536 + 65500) / 1000)


def test_a_scale_factor_from_before_multiplies_tenfold() -> None:
    fault = misfortune.Torn(meter="m", value="active_power", part="scale", lag="1h")
    pv = {"load": scenario.Load(curve="pv", watts=480000), "flow": "generates"}  # type: ignore[arg-type]
    one = meter(fault, profile="sunspec_inverter_3p", settings=Settings(base=0), **pv)
    found = [
        (shown(one, t)[Measurand.ACTIVE_POWER], shown(one, t, fault)[Measurand.ACTIVE_POWER])
        for t in range(0, 30000, 600)
    ]
    ratios = {round(math.log10(torn / true)) for true, torn in found if true > 1000}
    assert ratios > {0}, "sometimes the factor of an hour ago is another"


def test_marks_for_no_value_are_the_profiles() -> None:
    fault = misfortune.NotANumber(meter="m")
    for one in (meter(fault), meter(fault, profile="sunspec_inverter_3p", settings=Settings(base=7), flow="generates")):
        decoded = codec.decode(one.profile(0.0), one.spec.settings, one.words(0.0, [fault]))
        names = {m for m in decoded.absent if m.cumulative}
        assert names, decoded


def test_the_counter_is_the_integral_of_the_power_whatever_happens() -> None:
    faults = (
        misfortune.CtRatio(meter="m", at="100s", lasts="200s", factor="0.25"),  # type: ignore[arg-type]
        misfortune.ReversedCt(meter="m", at="200s", phase=1),
    )
    one = meter(*faults, load=scenario.Load(curve="chiller", watts=90000))  # type: ignore[arg-type]
    values = [one._history.shown(tenth / 10) for tenth in range(4001)]
    counted = values[-1][Measurand.ACTIVE_ENERGY_IMPORT] - values[0][Measurand.ACTIVE_ENERGY_IMPORT]
    summed = sum((a[Measurand.ACTIVE_POWER] + b[Measurand.ACTIVE_POWER]) / 2 / 3.6e7 for a, b in pairwise(values))
    assert counted == pytest.approx(summed, rel=5e-4)


def test_replayed_registers_are_shown_as_captured() -> None:
    frames = [scenario.Replayed(raw={"i:0": "43663333"}), scenario.Replayed(at="10s", raw={"i:0": "43673333"})]
    one = meter(load=None, replay=tuple(frames), words={"h:20": "0002"})
    settings = dict.fromkeys((("h", at) for at in (10, 11, 30, 31)), 0)
    assert one.words(9.9, []) == {("i", 0): 0x4366, ("i", 1): 0x3333, ("h", 20): 2} | settings
    assert one.words(10.0, [])["i", 0] == 0x4367
