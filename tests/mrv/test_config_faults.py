"""Every field of the wiring, a profile, a plan and a methodology: missing, of a wrong type, out of range, misspelt.

Each gives a fault with file, line and field, a sentence and what to do; several at once are all reported.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import partial
from typing import Any

import meter_cases
import pytest
import schema_walk
from msgspec.structs import replace
from schema_walk import Slip

from drivers import profiles, wiring
from mrv import plan, strict
from mrv.errors import BadInput, Fault, Phrase
from mrv.messages import next_step, what
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology
from mrv.plan import MonitoringPlan
from mrv.profile import Factor, Item, Limits, Line, Profile, Ratio, Timing, Value

SITE = """
site: demo-factory
org: example.org
collector:
  host: broker.example.org
  port: 1883
  tls: true
  first_use: true
  cosigners: [example/mrv/collector+67efe43c+BGVaa3UyIqZj/Y9rrqFDdajyzfyB0+j+mh323i31oxhc]
clock: {sync: assumed}
buses:
  - {kind: tcp, id: roof, host: 192.168.1.20, port: 502, timeout: 1000, retries: 2, gap: 10}
meters:
  - {id: pv-main, point: PV-AC, bus: roof, unit: 1, profile: ct_meter, every: 15, serial: A1, ratio: 400/5,
     word_order: big, answers_as: 255, voltage: 22000, max_current: 400, byte_order: big, table: input, offset: 1,
     vt_ratio: 22000/110, summation: vector}
  - {id: pv-inverter, point: PV-INV, bus: roof, unit: 3, profile: sunspec_inverter_3p, every: 15, base: 40069}
  - {id: mill, point: MILL, bus: roof, unit: 4, profile: menu_meter, every: 15, parameters: {full_load: 75},
     acknowledged: "A. Technician, 2026-03-01"}
latitude: 10.82
longitude: 106.63
"""

PROFILE = """
id: some_meter
revision: 3
maker: Someone
models: [One, Two]
kind: meter
confidence: low
sources: [somewhere]
caveats: [beware]
table: holding
relative: true
byte_order: big
word_order: little
limits:
  registers: 50
  align: 2
  gap: 10
  forbidden: [{table: input, first: 8, last: 9}]
  windows: [{table: holding, first: 0, last: 99}]
  whole: [{table: holding, first: 60, last: 70}]
sentinels: {int32: ["0x7FFFFFFF"]}
summation: netted
guards: [{at: 0, equals: ["0x0067"]}]
values:
  active_energy_import: {at: 10, type: int32, decimals: 1, scale: 0.1, modulus: 1000000, confidence: high, note: counts,
    ratio: ct_vt}
  active_power:
    at: 20
    type: int32
    decimals: 1
    table: holding
    byte_order: big
    word_order: big
    alone: false
    sentinels: ["0x80000000"]
    scale_register: {at: 22, type: sunssf, kind: power_of_ten, scale: 0.1}
    plus: [{at: 24, type: uint16, scale: 1000, most: 999}]
    sign: {at: 25, type: uint16, negative: ["0x0001"], positive: ["0x0000"]}
    most: 999999
    scaled_by: [unit_of_power]
    ratio: ct_vt
    resolution: 10
    basis: single_source
  power_factor: {at: 26, type: float32, decimals: 3, decode: four_quadrant}
atomic: [[active_energy_import, active_power]]
read: [active_energy_import]
status: experimental
ratio: {source: register, ct: [ct], vt: [vt]}
factors:
  ct: {at: 40, type: uint16, kind: multiply, table: holding, byte_order: big, word_order: little, note: as set}
  vt: {at: 41, type: uint16, kind: multiply, scale: 0.1}
  unit_of_power: {kind: steps, times: [ct], steps: [{below: 5000, factor: 0.01}, {factor: 1}]}
line: {confidence: low, baud: 9600, parity: N, stop: 1, unit: 7, tcp_units: [200, 240], note: "one source"}
timing: {timeout: 1500, turnaround: 50, connect_delay: 1000, busy_retry: 200, refresh: 1000, single_client: true}
identify:
  - by: register
    item: {at: 50, type: uint16, table: input, byte_order: big, word_order: big, alone: true, name: model_code, note: x}
    means: {"341": One}
  - {by: server_id, means: {"0x79": Two}}
  - {by: device_id, object: 1, means: {EM: One}}
  - {by: sunspec, models: [103]}
serial_number: {at: 52, type: ascii, count: 7, model: 1}
firmware: {at: 51, type: uint16}
fingerprint: [{at: 40, type: uint16, name: ct}]
requires: [{item: {at: 48, type: uint16}, equals: ["7"], hint: "set the application to H"}]
variants:
  - {profile: some_meter_old, note: "firmware 1", when: [{by: server_id, means: {"0x7A": Two}}]}
sunspec: {models: [103], bases: [40000, 50000]}
prerequisites: ["Modbus is off by default"]
keypad: ["SET, then Addr"]
"""


PLAN = """
site: demo-factory
timezone: Asia/Ho_Chi_Minh
period: 900
clock: [S]
min_coverage: 0.5
from: 2026-07-01
amends: {what: a check meter was added, approval: letter 7}
points:
  - id: PV-AC
    scope: the plant
    evidence: meter
    diagram: Q1
    commissioned: 2026-01-02
    accepted: {document: PDD, date: 2026-01-01, locator: page 9}
    rated: {power: {value: 100, unit: kW}, hours: 4000, source: nameplate}
    devices:
      - device: ct
        serial: C1
        make: Maker
        model: Model
        accuracy: "0.5"
        standard: IEC 61869-2
        ratio: 400/5
        burden: 5 VA
        seals: [S1]
        photos: [aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa]
        mpe: {value: 0.5, unit: "%"}
        installed: 2025-12-01
        removed: 2035-12-01
        certificates:
          - number: "17"
            laboratory: Laboratory
            accreditation: VILAS 1
            done: 2025-12-01
            due: 2027-12-01
            as_found: {value: -0.1, unit: "%"}
            as_left: {value: 0.0002, unit: "1"}
            document: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa
  - {id: PV-CHECK, scope: the plant once more, evidence: check, checks: PV-AC}
projects:
  - id: pv
    title: Rooftop PV
    reference: VN001
    methodology: VN_AM007_ver01.0
    participants: [{name: A Company, country: VN, role: owner}]
    crediting_start: 2026-01-01
    crediting_end: 2035-12-31
    operation_start: 2025-12-15
    boundary: at the low-voltage side of the transformer
    grid: true
    generators: [{id: diesel, mode: standby, power: {value: 500, unit: kW}, fuel: diesel}]
    error_rule: sum
    estimates: [{year: 2026, tonnes: 30}]
    responsible: [{role: MRV officer, duty: checks the data every month, name: not yet named}]
    ex_ante:
      EF_grid: {value: 0.3, unit: tCO2/MWh, provenance: {document: PDD, date: 2026-01-01, locator: page 7}}
      EF_captive: {value: 0.5, unit: tCO2/MWh, provenance: {document: PDD, date: 2026-01-01, locator: page 7}}
    monitored: {}
    items:
      - id: roof
        title: All of it
        operation_start: 2025-12-15
        ex_ante: {}
        monitored:
          EG:
            plus: [{point: PV-AC, register: active_energy_export}]
            minus: [{point: PV-AC, register: active_energy_import}]
            manual: false
            option: C
            accuracy: {value: 0.5, unit: "%"}
            estimate: {value: 120, unit: MWh}
            procedure: read every minute
            frequency: continuously
"""

METHODOLOGY = """
id: SOME_METHODOLOGY
version: "01.0"
title: Some methodology
status: provisional
sources: [{what: a page, url: https://example.org, read: 2026-01-01}]
notes: [beware]
symbols:
  EC: {kind: monitored, per: item, unit: MWh, description: used}
  EF:
    kind: ex_ante
    per: project
    unit: tCO2/MWh
    description: factor
    range: {least: 0.05, most: 2}
    supply: {grid: EF_grid, captive: EF_captive}
  EF_grid: {kind: ex_ante, per: project, unit: tCO2/MWh, description: grid, range: {least: 0.05, most: 2}}
  EF_captive: {kind: ex_ante, per: project, unit: tCO2/MWh, description: captive, range: {least: 0.05, most: 2}}
  RE_p: {kind: computed, per: project, unit: tCO2, description: reference}
  PE_p: {kind: computed, per: project, unit: tCO2, description: project}
  ER_p: {kind: computed, per: project, unit: tCO2, description: reduction}
equations:
  - RE_p = sum_i(EC[i]) * EF
  - PE_p = 0
  - ER_p = RE_p - PE_p
"""


MENU = """
id: menu_meter
revision: 1
maker: Someone
models: [One]
kind: meter
confidence: low
status: experimental
sources: [somewhere]
table: holding
ratio: {source: meter}
factors: {full_load: {kind: steps, note: "the full-load power in kW", steps: [{below: 10, factor: 0.01}, {factor: 1}]}}
values: {active_energy_import: {at: 0, type: uint32, decimals: 2, scaled_by: [full_load]}}
read: [active_energy_import]
"""
BEHIND = meter_cases.behind_transformers(profiles.library()["eastron_sdm630"])
LIBRARY = dict(profiles.library()) | {"menu_meter": profiles.load(MENU, "menu_meter.yaml"), "ct_meter": BEHIND}


def load_site(text: str) -> object:
    return wiring.load(text, "f.yaml", LIBRARY)


def load_profile(text: str) -> object:
    return profiles.load(text, "f.yaml")


def load_part(part: type, text: str) -> object:
    return strict.decode(text, part, "f.yaml")


SCHEMAS: list[tuple[type, str, Callable[[str], Any]]] = [
    (wiring.Site, SITE, load_site),
    (Profile, PROFILE, load_profile),
    (MonitoringPlan, PLAN, lambda text: plan.load(text, "f.yaml")),
    (Methodology, METHODOLOGY, lambda text: catalogue.load(text, "f.yaml")),
]
IDS = ["site.yaml", "profile", "plan.yaml", "methodology"]
#: Parts of a profile that stand in many places: each is tested once, as a document of its own.
PARTS: dict[type, schema_walk.Path] = {
    Value: ("values", "active_power"),
    Factor: ("factors", "ct"),
    Item: ("identify", 0, "item"),
    Line: ("line",),
    Timing: ("timing",),
    Limits: ("limits",),
    Ratio: ("ratio",),
}
SLIPS = [
    *(
        (f"{IDS[n]} {slip}", slip, load)
        for n, (c, e, load) in enumerate(SCHEMAS)
        for slip in schema_walk.slips(c, e, apart=tuple(PARTS))
    ),
    *(
        (f"{part.__name__} {slip}", slip, partial(load_part, part))
        for part, at in PARTS.items()
        for slip in schema_walk.slips(part, schema_walk.part(PROFILE, at))
    ),
]
#: All of them take minutes; without the slow ones every eighth is tried, of every schema.
EVERY = 8


def faults(load: Callable[[str], object], text: str) -> tuple[Fault, ...]:
    with pytest.raises(BadInput) as caught:
        load(text)
    return caught.value.faults


@pytest.mark.parametrize(("cls", "example", "load"), SCHEMAS, ids=IDS)
def test_the_example_is_well_and_uses_every_field(cls: type, example: str, load: Callable[[str], object]) -> None:
    load(example)
    load(schema_walk.dumped(schema_walk.loaded(example)))
    assert schema_walk.uncovered(cls, example) == set()


@pytest.mark.parametrize(
    ("slip", "load"),
    [
        pytest.param(*rest, id=name, marks=[pytest.mark.slow] if n % EVERY else [])
        for n, (name, *rest) in enumerate(SLIPS)
    ],
)
def test_one_slip_is_named_with_file_line_and_field(slip: Slip, load: Callable[[str], object]) -> None:
    found = [fault for fault in faults(load, slip.text) if fault.code == slip.code]
    line, field = schema_walk.line_of(slip.text, slip.path), schema_walk.spoken(slip.path)
    assert f"f.yaml:{line} {field}" in {fault.where for fault in found}
    for fault in found:
        assert what(fault) != fault.code, "a sentence, not a code"
        assert next_step(fault), "and what to do next"


@pytest.mark.parametrize(("cls", "example", "load"), SCHEMAS, ids=IDS)
def test_every_pattern_is_explained_by_an_example_of_it(cls: type, example: str, load: Callable[[str], object]) -> None:
    """Nobody at a factory reads regular expressions."""
    for pattern, shown in schema_walk.patterns(cls):
        assert shown, f"{pattern} needs Meta(examples=[...])"
        for value in shown:
            assert re.fullmatch(pattern.removeprefix("^").removesuffix("$"), value) or value.endswith("...")


#: Words of the English catalogue that would be left over in a sentence half translated.
ENGLISH = re.compile(r"\b(a|of|from|to|one|or|text|like|number|whole|list|nothing|characters)\b")


@pytest.mark.parametrize(
    ("slip", "load"),
    [
        pytest.param(*rest, id=name, marks=[pytest.mark.slow] if n % EVERY else [])
        for n, (name, *rest) in enumerate(SLIPS)
    ],
)
def test_a_slip_is_said_wholly_in_vietnamese(slip: Slip, load: Callable[[str], object]) -> None:
    for fault in faults(load, slip.text):
        if fault.domain == "config":
            said = what(fault, "vi") + " " + next_step(fault, "vi")
            own = [value for value in fault.params.values() if not isinstance(value, Phrase)]
            for value in own:
                said = said.replace(value, "")
            assert not ENGLISH.search(re.sub(r"“.*”|\(.*\)|như .*|`.*`|một trong: .*", "", said)), said


@pytest.mark.parametrize(("cls", "example", "load"), SCHEMAS, ids=IDS)
def test_all_at_once(cls: type, example: str, load: Callable[[str], object]) -> None:
    """Twenty times four slips in fields that do not lie inside one another: each is reported."""
    slips = [
        slip for slip in schema_walk.slips(cls, example) if slip.what.startswith(("out of range", "of a wrong type"))
    ]
    for seed in range(20):
        chosen = _apart(random.Random(seed).sample(slips, len(slips)), 4)
        data = schema_walk.loaded(example)
        for slip in chosen:
            data = schema_walk.with_value(data, slip.path, _at(slip.data, slip.path))
        found = {(fault.code, fault.where.partition(" ")[2]) for fault in faults(load, schema_walk.dumped(data))}
        assert {(slip.code, schema_walk.spoken(slip.path)) for slip in chosen} <= found


def _apart(slips: list[Slip], count: int) -> list[Slip]:
    chosen: list[Slip] = []
    for slip in slips:
        if all(slip.path[: len(o.path)] != o.path and o.path[: len(slip.path)] != slip.path for o in chosen):
            chosen.append(slip)
    return chosen[:count]


def _at(data: Any, path: schema_walk.Path) -> Any:
    for part in path:
        data = data[part]
    return data


@pytest.mark.parametrize(
    ("before", "after", "code", "where"),
    [
        ("bus: roof, unit: 3", "bus: cellar, unit: 3", "meter.unknown_bus", "meters[1].bus"),
        ("profile: ct_meter", "profile: ct_metre", "meter.unknown_profile", "meters[0].profile"),
        ("id: pv-inverter", "id: pv-main", "meter.given_twice", "meters[1].id"),
        ("point: PV-INV", "point: PV-AC", "meter.given_twice", "meters[1].point"),
        ("unit: 3", "unit: 1", "meter.given_twice", "meters[1].unit"),
        (", base: 40069", "", "meter.base_missing", "meters[1].base"),
        ("serial: A1", "base: 0", "meter.base_not_used", "meters[0].base"),
        ("base: 40069", "base: 65510", "meter.base_too_high", "meters[1].base"),
        ("parameters: {full_load: 75},", "", "meter.parameter_missing", "meters[2].parameters"),
        ("{full_load: 75}", "{full_load: 0}", "config.out_of_range", "meters[2].parameters.full_load"),
        ("{full_load: 75}", "{full_load: 75, x: 1}", "meter.parameter_not_used", "meters[2].parameters.x"),
        (
            ',\n     acknowledged: "A. Technician, 2026-03-01"',
            "",
            "meter.profile_experimental",
            "meters[2].acknowledged",
        ),
        ("offset: 1", "offset: -1", "meter.not_in_one_request", "meters[0].profile"),
        ("cosigners: [", "cosigners: [a b, ", "config.out_of_range", "collector.cosigners[0]"),
    ],
)
def test_rules_between_fields(before: str, after: str, code: str, where: str) -> None:
    assert before in SITE
    (found,) = faults(load_site, SITE.replace(before, after, 1))
    assert found.code == code
    assert re.fullmatch(rf"f\.yaml:\d+ {re.escape(where)}", found.where)
    assert next_step(found)


def test_rules_speak_although_other_fields_are_wrong() -> None:
    text = SITE.replace("profile: ct_meter", "profile: nothing").replace("port: 1883", "port: zero")
    text = text.replace("unit: 3", "unit: 1").replace(", base: 40069", "")
    found = [(fault.code, fault.where.partition(" ")[2]) for fault in faults(load_site, text)]
    assert found == [
        ("config.wrong_type", "collector.port"),
        ("meter.unknown_profile", "meters[0].profile"),
        ("meter.base_missing", "meters[1].base"),
    ]


def test_a_profile_no_request_can_serve() -> None:
    tight = replace(BEHIND, limits=Limits(registers=1))
    with pytest.raises(BadInput) as caught:
        wiring.load(SITE, "f.yaml", {**LIBRARY, tight.id: tight})
    assert {(fault.code, fault.where) for fault in caught.value.faults} == {
        ("meter.not_in_one_request", "f.yaml:14 meters[0].profile")
    }


def test_two_buses_of_one_name() -> None:
    line = "  - {kind: tcp, id: roof, host: 192.168.1.20, port: 502, timeout: 1000, retries: 2, gap: 10}\n"
    (found,) = faults(load_site, SITE.replace(line, line + line.replace("192.168.1.20", "192.168.1.21")))
    assert (found.code, found.where) == ("meter.given_twice", "f.yaml:13 buses[1].id")


SERIAL = """
  - {kind: rtu, id: yard, port: /dev/ttyUSB0, baud: 19200, parity: E, stop: 2, timeout: 300, retries: 0, gap: 5,
     late: 700}
  - {kind: rtu-over-tcp, id: mill, host: 192.168.1.30, port: 4196, baud: 2400, parity: O, stop: 1, timeout: 300,
     retries: 0, gap: 5, late: 700}
meters:"""


@pytest.mark.parametrize("port", ["/dev/ttyUSB0", "192.168.1.30, port: 4196", "192.168.1.20, port: 502"])
def test_two_buses_at_one_end(port: str) -> None:
    """Two masters on one line would garble each other; the kernel would let only one of them have it."""
    text = SITE.replace("\nmeters:", SERIAL)
    kind = "kind: rtu, id: twin, port" if port.startswith("/") else "kind: rtu-over-tcp, id: twin, host"
    (found,) = faults(load_site, text.replace("\nmeters:", f"\n  - {{{kind}: {port}}}\nmeters:"))
    assert (found.code, found.where.partition(" ")[2]) == ("meter.given_twice", "buses[3].port")


def test_lines_of_every_kind() -> None:
    serial, bridged = load_site(SITE.replace("\nmeters:", SERIAL)).value.buses[1:]
    assert (serial.end, serial.baud, serial.parity, serial.stop, serial.lateness) == (
        "/dev/ttyUSB0",
        19200,
        "E",
        2,
        700,
    )
    assert (bridged.end, bridged.baud, bridged.parity, bridged.gap) == ("192.168.1.30:4196", 2400, "O", 5)


@pytest.mark.parametrize(
    ("before", "after", "code", "field"),
    [
        ("longitude: 106.63\n", "", "config.missing", "longitude"),
        ("latitude: 10.82\nl", "l", "config.missing", "latitude"),
        ("10.82", "90.5", "config.out_of_range", "latitude"),
        ("106.63", "-181", "config.out_of_range", "longitude"),
    ],
)
def test_where_the_sun_rises(before: str, after: str, code: str, field: str) -> None:
    (found,) = faults(load_site, SITE.replace(before, after))
    assert (found.code, found.where.partition(" ")[2]) == (code, field)


@pytest.mark.parametrize(
    ("before", "after", "code", "where"),
    [
        ("  active_power:", "  active_poker:", "meter.unknown_measurand", "values.active_poker"),
        ("read: [active_energy_import]", "read: [frequency]", "meter.value_not_described", "read[0]"),
        ("active_power]]", "frequency]]", "meter.value_not_described", "atomic[0][1]"),
        ("at: 20", "at: 11", "meter.values_overlap", "values.active_power.at"),
        ("at: 20", "at: 9", "meter.values_overlap", "values.active_power.at"),
        ('"0x80000000"', '"0x8000"', "config.out_of_range", "values.active_power.sentinels[0]"),
        ('"0x7FFFFFFF"', '"0x7FFF"', "config.out_of_range", "sentinels.int32[0]"),
        ('"0x0067"', '"0x00670067"', "config.out_of_range", "guards[0].equals[0]"),
        ("scale: 0.1", "scale: 0", "config.out_of_range", "values.active_energy_import.scale"),
        ("scale: 0.1", "scale: 1e999999999", "config.out_of_range", "values.active_energy_import.scale"),
        ("first: 8, last: 9", "first: 9, last: 8", "config.out_of_range", "limits.forbidden[0].last"),
        ("decimals: 1\n    table: holding", "decimals: 1\n    table: input", "meter.atomic_in_two_tables", "atomic[0]"),
    ],
)
def test_rules_within_a_profile(before: str, after: str, code: str, where: str) -> None:
    assert before in PROFILE
    found = faults(load_profile, PROFILE.replace(before, after, 1))
    assert (code, where) in {(fault.code, fault.where.partition(" ")[2]) for fault in found}
    assert all(next_step(fault) for fault in found)
