"""What a plan promises a verifier: rules that a plan alone can break, versions, and what it still lacks."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from msgspec.structs import replace

from mrv import leaf
from mrv.errors import BadInput
from mrv.messages import sentence
from mrv.methodology import catalogue, supply
from mrv.plan import MonitoringPlan, Point, Share, load
from mrv.plan.lacking import lacking
from mrv.plan.versions import ApprovedPlan, midnight, timeline

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "config" / "plan.yaml").read_text()
PLAN = load(TEXT, "plan.yaml").value

PV = """
site: factory
timezone: Asia/Ho_Chi_Minh
period: 900
points:
  - {id: P, scope: the plant, evidence: meter}
  - {id: G, scope: import of the factory, evidence: meter, rated: {power: {value: 10, unit: MW}}}
projects:
  - id: p
    title: A project
    methodology: ID_AM002_ver02.0
    ex_ante:
      EF_grid: {value: 0.6, unit: tCO2/MWh, provenance: {document: PDD, date: 2026-01-01, locator: p. 7}}
      EF_captive: {value: 0.8, unit: tCO2/MWh, provenance: {document: PDD, date: 2026-01-01, locator: p. 7}}
      RC_gen: {value: 0, unit: kW, provenance: {document: PDD, date: 2026-01-01, locator: p. 7}}
    monitored:
      EI_grid: {plus: [{point: G, register: active_energy_import}], estimate: {value: 42826.88, unit: MWh}}
      H_gen: {manual: true}
    items:
      - id: a
        ex_ante:
          COP_PJ: {value: 6, unit: "1", provenance: {document: PDD, date: 2026-01-01, locator: p. 7}}
          COP_RE: {value: 5, unit: "1", provenance: {document: PDD, date: 2026-01-01, locator: p. 7}}
        monitored:
          EC: {plus: [{point: P, register: active_energy_import}], estimate: {value: 347.2, unit: MWh}}
"""


def codes(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        load(text, "plan.yaml")
    assert all(sentence(fault) != fault.code for fault in caught.value.faults)
    return [fault.code for fault in caught.value.faults]


def test_a_filed_sheet_with_kwh_under_an_mwh_heading_is_refused() -> None:
    """ID009's sheet of 2017 printed 42,826,880 "MWh" of grid import (pdfslide.net, facts T9)."""
    assert load(PV, "plan.yaml")
    slip = PV.replace("42826.88", "42826880")
    assert codes(slip) == ["plan.beyond_rating"]
    with pytest.raises(BadInput) as caught:
        load(slip, "plan.yaml")
    assert "87840 MWh" in sentence(caught.value.faults[0]), "10 MW x 8,784 h"
    assert codes(PV.replace("value: 10, unit: MW}", "value: 10, unit: MW}, hours: 4000")) == ["plan.beyond_rating"]
    assert codes(PV.replace("42826.88, unit: MWh", "42826.88, unit: m3")) == ["plan.unit_dimension"]


@pytest.mark.parametrize(
    ("value", "unit", "share"),
    [("0.2", "%", Fraction(2, 1000)), ("0.002", "1", Fraction(2, 1000)), ("0.2", "1", None), ("20", "%", None)],
)
def test_an_error_has_a_unit_and_twenty_per_cent_is_refused(value: str, unit: str, share: Fraction | None) -> None:
    """A filed sheet applied 0.2 as 20 % (CDM completeness check LPGSN29KEZDB5Y8)."""
    made = Share(value=Decimal(value), unit=unit)  # type: ignore[arg-type]
    found = [code for _, code, _ in made.check()]
    assert found == ([] if share is not None else ["plan.error_implausible"])
    assert share is None or made.share == share


def supplied(ex_ante: str, more: str) -> str:
    text = f"""
site: factory
timezone: Asia/Ho_Chi_Minh
period: 900
points: [{{id: P, scope: the plant, evidence: meter}}]
projects:
  - id: p
    title: Rooftop PV
    methodology: VN_AM007_ver01.0
{more}
    ex_ante:
{ex_ante}
    items:
      - id: a
        monitored: {{EG: {{plus: [{{point: P, register: active_energy_export}}]}}}}
"""
    return text.replace("    ex_ante:\n\n", "")


def factor(symbol: str, value: str) -> str:
    provenance = "provenance: {document: PDD, date: 2026-01-01, locator: p. 7}"
    return f"      {symbol}: {{value: {value}, unit: tCO2/MWh, {provenance}}}\n"


BOTH = factor("EF_grid", "0.333") + factor("EF_captive", "0.533")
DIESEL = "    generators: [{id: diesel, mode: standby}]"


def test_what_feeds_the_site_chooses_the_factor() -> None:
    mixed = load(supplied(BOTH, DIESEL), "p").value.projects[0]
    assert [one.text for one in supply.chosen(mixed, catalogue.find(mixed.methodology))] == [
        "EF_RE[i] = min(EF_grid, EF_captive)"
    ]
    grid = load(supplied(factor("EF_grid", "0.333"), "    generators: []"), "p").value.projects[0]
    assert supply.chosen(grid, catalogue.find(grid.methodology))[0].text == "EF_RE[i] = EF_grid"
    alone = load(supplied(factor("EF_captive", "0.533"), "    grid: false\n" + DIESEL), "p").value.projects[0]
    assert supply.chosen(alone, catalogue.find(alone.methodology))[0].text == "EF_RE[i] = EF_captive"


def test_a_copied_constant_is_refused_where_grid_and_generators_feed() -> None:
    direct = supplied(BOTH, DIESEL).replace(
        "      - id: a\n", "      - id: a\n        ex_ante:\n    " + factor("EF_RE", "0.533")
    )
    assert set(codes(direct)) == {"plan.factor_copied"}
    assert codes(supplied(factor("EF_grid", "0.333"), DIESEL)) == ["plan.symbol_missing"]
    assert codes(supplied(BOTH, "    generators: []")) == ["plan.supply_undeclared"]
    assert "plan.no_supply" in codes(supplied(BOTH, "    grid: false"))


def test_an_inverter_is_credited_only_where_the_registered_plan_names_it() -> None:
    text = supplied(factor("EF_grid", "0.333"), "").replace("evidence: meter", "evidence: inverter")
    assert codes(text) == ["plan.point_not_creditable"]
    named = "evidence: inverter, accepted: {document: PDD, date: 2026-01-01, locator: B.7}"
    assert load(text.replace("evidence: inverter", named), "p")


def test_an_invoice_point_needs_no_meter_and_option_b() -> None:
    text = supplied(factor("EF_grid", "0.333"), "").replace("evidence: meter", "evidence: invoice")
    assert codes(text) == ["plan.point_not_creditable"]
    assert load(text.replace("active_energy_export}]}", "active_energy_export}], option: B}"), "p")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("H_gen: {manual: true}", "H_gen: {manual: false}", "plan.terms_of_nothing"),
        ("H_gen: {manual: true}", "H_gen: {manual: true, option: B}", "plan.manual_invoice"),
        ("evidence: meter}", "evidence: meter, checks: G}", "plan.checks_by_meter"),
        ("evidence: meter}", "evidence: check, checks: X}", "plan.point_unknown"),
        ("power: {value: 10, unit: MW}", "power: {value: 10, unit: MWh}", "plan.unit_dimension"),
        ("power: {value: 10, unit: MW}", "power: {value: -1, unit: MW}", "plan.not_positive"),
        ("period: 900", "period: 900\namends: {what: nothing}", "plan.amends_nothing"),
    ],
)
def test_one_slip_in_the_new_parts(old: str, new: str, code: str) -> None:
    assert code in codes(PV.replace(old, new))


# -- versions ------------------------------------------------------------------------------------------------------


def version(starts: date | None, at: int, title: str = "x", **changes: object) -> ApprovedPlan:
    project = replace(PLAN.projects[0], title=title)
    plan = replace(PLAN, starts=starts, projects=(project,), **changes)
    return ApprovedPlan(plan=plan, digest=leaf.digest(leaf.canonical(plan)), at=at)


def test_a_version_holds_from_its_local_midnight() -> None:
    first, second = version(None, 1), version(date(2026, 7, 1), 2)
    found = timeline([second, first])
    change = midnight(date(2026, 7, 1), "Asia/Ho_Chi_Minh")
    assert [(one.start, one.end) for one in found.versions] == [(None, change), (change, None)]
    before, after = found.at(change - 1), found.at(change)
    assert before is not None
    assert after is not None
    assert (before.digest, after.digest) == (first.digest, second.digest)
    assert timeline([second]).at(change - 1) is None, "nothing is credited before the first version"


def test_of_the_same_day_the_later_approval_holds_and_the_other_stays_on_record() -> None:
    slip, right = version(date(2026, 7, 1), 5, "slip"), version(date(2026, 7, 1), 6, "right")
    found = timeline([version(None, 1), right, slip])
    assert [one.digest for one in found.versions][1:] == [right.digest]
    assert found.superseded == (slip.digest,)


def test_versions_that_contradict_each_other_are_refused() -> None:
    for one, other, code in (
        (version(None, 1), version(date(2026, 7, 1), 2, site="other"), "plan.versions_differ"),
        (version(None, 1), version(date(2026, 7, 1), 2, timezone="UTC"), "plan.versions_differ"),
        (version(None, 1, "one"), version(None, 1, "two"), "plan.versions_equal"),
    ):
        with pytest.raises(BadInput) as caught:
            timeline([one, other])
        assert [fault.code for fault in caught.value.faults] == [code]


# -- what is lacking -----------------------------------------------------------------------------------------------


def test_the_demo_plan_meters_but_cannot_be_filed() -> None:
    found = lacking(PLAN, PLAN.projects[0])
    assert {"plan.lacks_entry", "plan.lacks_generators", "plan.lacks_option", "plan.lacks_devices"} == {
        f.code for f in found
    }
    assert all("\n" in sentence(fault) for fault in found)


def test_a_meter_without_certificate_or_accreditation_is_named() -> None:
    text = PV.replace(
        "scope: the plant, evidence: meter",
        'scope: the plant, evidence: meter, devices: [{device: meter, serial: S1, mpe: {value: 0.5, unit: "%"}}]',
    )
    plan: MonitoringPlan = load(text, "p").value
    assert "plan.lacks_certificate" in [fault.code for fault in lacking(plan, plan.projects[0])]
    assert isinstance(plan.point("P"), Point)
    certified = text.replace(
        'unit: "%"}}', 'unit: "%"}, certificates: [{number: "1", laboratory: L, done: 2026-01-01, due: 2028-01-01}]}'
    )
    plan = load(certified, "p").value
    assert "plan.lacks_accreditation" in [fault.code for fault in lacking(plan, plan.projects[0])]


def test_the_example_for_filing_lacks_nothing() -> None:
    plan = load((ROOT / "config" / "plan-for-filing.yaml").read_text(), "plan-for-filing.yaml").value
    assert [lacking(plan, project) for project in plan.projects] == [()]
