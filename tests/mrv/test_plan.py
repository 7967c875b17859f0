"""A plan says the same thing in its file, in the log and after years; the wiring is held against it."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv import leaf, strict
from mrv.binding import Binding, BoundMeter, Settings
from mrv.errors import BadInput
from mrv.measurand import Measurand
from mrv.messages import sentence
from mrv.number import in_bounds
from mrv.plan import ExAnte, Item, MonitoringPlan, Point, Project, Provenance, Term, Terms, check_against, load
from mrv.profile import Profile
from mrv.reading import ClockState

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "config" / "plan.yaml").read_text()
PLAN = load(TEXT, "plan.yaml").value
PROVENANCE = Provenance(document="PDD", date=date(2026, 1, 31), locator="p. 7")


def meter(name: str, point: str, **more: Any) -> BoundMeter:
    return BoundMeter(meter=name, point=point, **{"profile": "any", "every": 60} | more)


WIRED = (meter("chiller-1", "CH-1"), meter("pv-inverter", "PV-INV"), meter("pv-main", "PV-AC"))
BINDING = Binding(site="demo-factory", meters=WIRED)


def codes(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        load(text, "plan.yaml")
    return [fault.code for fault in caught.value.faults]


# -- the example ---------------------------------------------------------------------------------------------------


def test_the_example_says_what_the_demo_needs() -> None:
    assert (PLAN.site, PLAN.timezone, PLAN.period) == ("demo-factory", "Asia/Ho_Chi_Minh", 900)
    assert {p.id: p.evidence for p in PLAN.points} == {"PV-AC": "meter", "PV-INV": "inverter", "CH-1": "meter"}
    assert [p.methodology for p in PLAN.projects] == ["VN_AM007_ver01.0", "EFFICIENCY_RATIO_ver01.0"]
    credited = {(t.point, t.register) for p in PLAN.projects for _, t in p.terms()}
    assert credited == {
        ("PV-AC", "active_energy_export"),
        ("PV-AC", "active_energy_import"),
        ("CH-1", "active_energy_import"),
    }


def test_no_value_of_the_example_passes_for_official() -> None:
    places = [place for p in PLAN.projects for place in (p, *p.items)]
    given_values = [value for place in places for value in place.ex_ante.values()]
    assert len(given_values) == 4
    assert all(value.provenance.document.startswith("DEMO INPUT") for value in given_values)


# -- one plan, one digest ------------------------------------------------------------------------------------------


def test_a_plan_survives_the_log() -> None:
    data = leaf.canonical(PLAN)
    again = msgspec.json.decode(data, type=MonitoringPlan)
    assert again == PLAN
    assert leaf.canonical(again) == data
    assert list(strict.complaints(again)) == []
    assert isinstance(again.projects[0].items[0].ex_ante["EF_RE"].value, Decimal)


def test_the_digest_is_of_what_is_said_not_of_how_it_is_laid_out() -> None:
    digest = leaf.digest(leaf.canonical(PLAN))
    spaced = load(TEXT.replace("\nsite:", "\n\n# a remark\nsite:").replace("[S, R]", "\n  - S\n  - R"), "p").value
    assert leaf.digest(leaf.canonical(spaced)) == digest
    changed = load(TEXT.replace("value: 0.3\n", "value: 0.31\n"), "p").value
    assert leaf.digest(leaf.canonical(changed)) != digest


def test_what_is_left_at_its_default_is_not_written() -> None:
    """So a field added later changes no digest that was approved before."""
    plain = load(TEXT.replace("clock: [S, R]", "#").replace("min_coverage: 0.5", "#"), "p").value
    assert b'"clock"' not in leaf.canonical(plain)
    assert (plain.clock, plain.min_coverage) == ((ClockState.SYNCHRONISED, ClockState.RELATIVE), 0)
    assert b"crediting" not in leaf.canonical(plain)


decimals = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=9)
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
ids = st.from_regex("[a-z0-9][a-z0-9-]{0,9}", fullmatch=True)
symbols = st.from_regex("[A-Z][A-Za-z0-9]{0,6}", fullmatch=True)
terms = st.lists(
    st.builds(Term, point=st.just("P"), register=st.just("active_energy_import")), min_size=1, max_size=3
).map(tuple)
provenances = st.builds(Provenance, document=texts, date=st.dates(), locator=texts)
fixed = st.builds(ExAnte, value=decimals, unit=st.just("tCO2/MWh"), provenance=provenances)
items = st.builds(
    Item,
    id=ids,
    ex_ante=st.dictionaries(symbols, fixed, max_size=3),
    monitored=st.dictionaries(symbols, st.builds(Terms, plus=terms, minus=terms), max_size=2),
)
projects = st.builds(
    Project,
    id=ids,
    title=texts,
    reference=st.none() | texts,
    methodology=st.just("VN_AM007_ver01.0"),
    crediting_start=st.none() | st.dates(),
    items=st.lists(items, min_size=1, max_size=3).map(tuple),
)
plans = st.builds(
    MonitoringPlan,
    site=ids,
    timezone=st.just("UTC"),
    period=st.sampled_from([1, 60, 900, 3600]),
    min_coverage=st.decimals(0, 1, places=4),
    points=st.just((Point(id="P", scope="all of it", evidence="meter"),)),
    projects=st.lists(projects, min_size=1, max_size=2).map(tuple),
)


@given(plans)
def test_any_plan_survives_the_log(plan: MonitoringPlan) -> None:
    data = leaf.canonical(plan)
    again = msgspec.json.decode(data, type=MonitoringPlan)
    assert again == plan
    assert leaf.canonical(again) == data


def test_a_plan_from_a_log_is_held_to_the_same_rules() -> None:
    """JSON decoding alone would take it: every rule is asked again, at every depth."""
    evil = leaf.canonical(PLAN).replace(b'"value":"0.3"', b'"value":"1e999999999"').replace(b"MWh", b"mwh")
    again = msgspec.json.decode(evil.replace(b'"period":900', b'"period":7'), type=MonitoringPlan)
    found = {(path[-1], code) for path, code, _ in strict.complaints(again)}
    assert {("value", "plan.number_too_long"), ("unit", "plan.unit_unknown"), ("period", "plan.period")} <= found


@pytest.mark.parametrize(
    "text", ["1e-16", "1e30", "1e999999999", "-1e40", "0." + "1" * 16, "9" * 31, "NaN", "Infinity", "sNaN"]
)
def test_numbers_beyond_reason_are_not_in_bounds(text: str) -> None:
    assert not in_bounds(Decimal(text))


@pytest.mark.parametrize("text", ["0", "0.3", "-0.000000000000001", "1e3", "9" * 30, "123456789.123456789"])
def test_numbers_of_documents_are_in_bounds(text: str) -> None:
    assert in_bounds(Decimal(text))


# -- rules between fields ------------------------------------------------------------------------------------------


def test_a_register_is_credited_once() -> None:
    assert codes(TEXT.replace("point: CH-1", "point: PV-AC")) == ["plan.credited_twice"]
    both = TEXT.replace("register: active_energy_export}", "register: active_energy_import}")
    assert codes(both) == ["plan.credited_twice"]


@pytest.mark.parametrize("evidence", ["inverter", "check"])
def test_only_a_meter_is_credited(evidence: str) -> None:
    text = TEXT.replace("evidence: meter\n    diagram: Q-CH1", f"evidence: {evidence}\n    diagram: Q-CH1")
    assert codes(text) == ["plan.point_not_creditable"]


def test_a_zero_reference_cop_never_reaches_a_division() -> None:
    assert codes(TEXT.replace("value: 5.2", "value: 0")) == ["plan.value_implausible"]


@pytest.mark.parametrize(
    ("unit", "value", "expected"),
    [
        ("kgCO2/kWh", "0.6", None),
        ("gCO2/kWh", "600", None),
        ("kgCO2/MWh", "600", None),
        ("kgCO2/MWh", "0.6", "plan.value_implausible"),
        ("tCO2/kWh", "0.6", "plan.value_implausible"),
        ("MWh/tCO2", "0.6", "plan.unit_dimension"),
    ],
)
def test_a_slip_in_the_unit_is_refused(unit: str, value: str, expected: str | None) -> None:
    text = TEXT.replace("value: 0.6\n        unit: tCO2/MWh", f"value: {value}\n        unit: {unit}")
    assert text != TEXT
    if expected is None:
        assert load(text, "p").value.projects[1].ex_ante["EF_elec"].value == Decimal(value)
    else:
        assert codes(text) == [expected]


def test_the_crediting_period_runs_forwards() -> None:
    dated = "title: Rooftop PV of the demo factory\n    crediting_start: 2026-01-01\n    crediting_end: {}\n"
    title = "title: Rooftop PV of the demo factory\n"
    assert codes(TEXT.replace(title, dated.format("2025-12-31"))) == ["plan.crediting_backwards"]
    project = load(TEXT.replace(title, dated.format("2035-12-31")), "p").value.projects[0]
    assert (project.crediting_start, project.crediting_end) == (date(2026, 1, 1), date(2035, 12, 31))


def test_a_symbol_in_the_wrong_place_is_told_its_place() -> None:
    moved = TEXT.replace("        ex_ante:\n          COP_PJ:", "        ex_ante:\n          EF_elec:")
    with pytest.raises(BadInput) as caught:
        load(moved, "plan.yaml")
    assert sorted(f.code for f in caught.value.faults) == ["plan.symbol_misplaced", "plan.symbol_missing"]
    assert "under ex_ante, per project" in sentence(caught.value.faults[0]) + sentence(caught.value.faults[1])


# -- against the wiring --------------------------------------------------------------------------------------------


def test_the_demo_wiring_fits() -> None:
    assert check_against(PLAN, BINDING) == ()


def against(*meters: BoundMeter, site: str = "demo-factory", **profiles: Profile) -> list[tuple[str, str]]:
    found = check_against(PLAN, Binding(site=site, meters=meters), profiles)
    assert all(sentence(fault).count("\n") == 1 for fault in found), "says what to do next"
    return [(fault.code, fault.where) for fault in found]


def test_wiring_of_another_site() -> None:
    assert against(*WIRED, site="other") == [("plan.other_site", "site")]


def test_a_point_without_a_meter_and_a_meter_without_a_point() -> None:
    assert against(WIRED[0], meter("pv-inverter", "PV-INV"), meter("pv-main", "PV-AX")) == [
        ("plan.meter_without_point", "meter pv-main"),
        ("plan.point_without_meter", "point PV-AC"),
    ]


def test_two_meters_at_one_point() -> None:
    assert against(*WIRED, meter("spare", "CH-1")) == [("plan.point_with_two_meters", "meter spare")]


@pytest.mark.parametrize(("every", "fits"), [(1, True), (900, True), (7, False), (1800, False)])
def test_a_reading_falls_on_the_end_of_every_period(every: int, fits: bool) -> None:
    found = against(meter("chiller-1", "CH-1", every=every), *WIRED[1:])
    assert found == ([] if fits else [("plan.every_and_period", "meter chiller-1")])


def profile(name: str, kind: str, read: list[str]) -> Profile:
    value = {"at": 0, "type": "uint32", "decimals": 2}
    described = {register: value | {"at": 2 * n} for n, register in enumerate(read)}
    return msgspec.convert(
        {"id": name, "revision": 1, "maker": "m", "models": ["m"], "kind": kind, "confidence": "high"}
        | {"sources": ["s"], "table": "input", "values": described, "read": read},
        Profile,
        strict=False,
    )


def test_the_profile_reads_what_the_plan_credits() -> None:
    meters = tuple(meter(m.meter, m.point, profile="one_way") for m in WIRED)
    found = against(*meters, one_way=profile("one_way", "meter", ["active_energy_import"]))
    assert found == [("plan.register_not_read", "meter pv-main")]


@pytest.mark.parametrize("setting", [{"summation": "absolute"}, {"summation": "configurable", "set": "absolute"}])
def test_a_meter_that_adds_both_directions_credits_no_export(setting: dict[str, str]) -> None:
    """SDM630 at 342, EM24 at 0x42, "easy connection": what went out cannot be told from what came in."""
    adds = profile("adds", "meter", ["active_energy_import", "active_energy_export"])
    adds = msgspec.structs.replace(adds, summation=setting["summation"])
    settings = Settings(summation=setting.get("set"))  # type: ignore[arg-type]
    meters = tuple(msgspec.structs.replace(m, profile="adds", settings=settings) for m in WIRED)
    assert against(*meters, adds=adds) == [("plan.register_both_ways", "meter pv-main")]


def test_a_register_of_both_directions_is_no_measure_of_one() -> None:
    assert [m.name for m in Measurand if m.both_ways] == ["ACTIVE_ENERGY_ABSOLUTE", "APPARENT_ENERGY"]
    assert not [m.name for m in Measurand if m.cumulative and ("PARTIAL" in m.name or "DAILY" in m.name)]


def test_an_inverter_is_no_certified_meter() -> None:
    meters = (WIRED[0], WIRED[1], meter("pv-main", "PV-AC", profile="inv"))
    inverter = profile("inv", "inverter", ["active_energy_import", "active_energy_export"])
    assert against(*meters, inv=inverter) == [("plan.inverter_as_meter", "meter pv-main")]
