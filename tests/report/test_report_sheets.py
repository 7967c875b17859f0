"""Every column that a verifier is known to ask for stands on its sheet, and holds what plan, log and records say."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest
from paper_crediting import crediting
from paper_material import PLAN, material

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "collector"))
from desk import Desk, PaperSite
from site_log import T0, SiteLog, demo_binding, demo_plan

from collector.report.cells import Page, label, public
from collector.report.material import Material, PlanVersion
from collector.report.sealed import collect
from collector.report.sheets import lay_out
from mrv import leaf
from mrv.crediting.result import Event
from mrv.errors import fault
from mrv.plan import MonitoringPlan
from mrv.reading import ClockState

MINUTE = 60_000
#: Sheet -> names of the columns in the catalogue, as the facts about refused reports list them.
ASKED = {
    "input": "a_period b_point c_parameter d_description e_value f_unit g_option h_source i_procedure j_frequency "
    "k_comments",
    "metering": "point diagram scope direction device make_model serial accuracy ratio burden mpe seals photos "
    "installed removed register_obis multiplier digits resolution modulus said_by_meter profile polling cts "
    "certificate as_found",
    "calibration": "point device serial certificate laboratory accreditation done due next_done days_late mpe as_found "
    "as_left mpe_used effect_kwh document_sha",
    "events": "at until point meter what unit effect treatment who document_sha",
    "completeness": "expected read gap asleep share_read energy across_gaps share_across unknown_hours",
    "QA-QC": "month who signed_on sound findings record kept",
    "cross-check": "kind parameter subject metered other difference allowed agrees credited explanation",
    "implementation": "reduction_t estimate_t share_of_estimate kind item what approval",
    "evidence": "origin size root received admitted quarantined receipt",
    "sampling": "index meter slot words decoded leaf_hash proof shown logged photos",
    "structure": "role name duty participant country boundary generators",
    "glossary": "symbol unit description",
}


def page_of(made: Material, name: str) -> Page:
    return {page.name: page for page in lay_out(made)}[name]


def row_of(page: Page, first: str) -> dict[str, Any]:
    """The row that begins with `first`, by the head above it."""
    heads: dict[int, str] = {}
    for cells in page.rows:
        if any(cell.style == "head" for cell in cells.values()):
            heads = {column: str(cell.value) for column, cell in cells.items()}
        elif heads and cells.get(1) is not None and cells[1].value == first:
            return {heads[column]: cell.value for column, cell in cells.items() if column in heads}
    raise AssertionError(first)


def called(name: str) -> str:
    return label(name, ("en", "vi", "ja"))


@pytest.mark.parametrize("name", ASKED)
def test_the_columns_a_verifier_asks_for(name: str) -> None:
    heads = {cell.value for _, _, cell in page_of(material(), name).cells() if cell.style == "head"}
    assert [one for one in ASKED[name].split() if called(one) not in heads] == []


@pytest.mark.parametrize("name", sorted({one for names in ASKED.values() for one in names.split()}))
def test_every_label_has_three_languages(name: str) -> None:
    assert len({label(name, (language,)) for language in ("en", "vi", "ja")}) >= 2, "MPE is MPE everywhere"
    assert all(label(name, (language,)) != name for language in ("en", "vi", "ja"))


def test_a_device_is_described_whole() -> None:
    plain = json.loads(json.dumps(PLAN))
    plain["points"][0]["devices"][1] |= {"burden": "5 VA", "accuracy": "class 0.5", "photos": ["ab" * 32]}
    made = material(versions=(PlanVersion(start=None, digest="ab" * 32, plan=msgspec.convert(plain, MonitoringPlan)),))
    rows = [cells for cells in page_of(made, "metering").rows if cells.get(6) and cells[6].value == "ct"]
    assert [cell.value for cell in list(rows[0].values())[7:14]] == [
        "CT-1", "class 0.5", "400/5", "5 VA", Fraction(1, 200), "", "ab" * 32,
    ]  # fmt: skip


def test_the_rule_of_a_chain_is_stated_as_provisional() -> None:
    said = " ".join(str(cell.value) for _, _, cell in page_of(material(), "calibration").cells())
    assert "MPE of a chain = MPE of the meter + of the CT + of the VT" in said
    assert "provisional" in said


def test_an_event_names_effect_treatment_and_who_and_a_public_copy_does_not() -> None:
    base = crediting()
    line = base.ledger[0]
    what = fault("credit.exchange_signed", "PV-AC", removed="SERIAL-1", installed="SERIAL-2", who="Tran Thi B")
    event = Event(
        at=line.start,
        end=line.end,
        point="PV-AC",
        meter="pv-main",
        what=what,
        unit=line.unit,
        effect=line.delta,
        document="ab" * 32,
        who="Tran Thi B",
        lines=(line.number,),
    )
    made = material(crediting=replace(base, events=(event,)))
    cells = [cell.value for _, _, cell in page_of(made, "events").cells()]
    assert line.delta in cells
    assert "Tran Thi B" in cells
    assert any(str(one).startswith(f"{line.number}: late calibration, ") for one in cells)
    hidden = {page.name: page for page in public(lay_out(made), {})}["events"]
    words = " ".join(str(cell.value) for _, _, cell in hidden.cells())
    assert "Tran Thi B" not in words
    assert "SERIAL-1" not in words


def test_calibration_effects_are_of_their_own_point_and_time() -> None:
    """P1 is not P10, and a certificate that was in time took nothing away."""
    base = crediting()
    late = next(row for row in base.calibrations if row.days_late)
    (line,) = [one for one in base.ledger if one.kind == "late_calibration"][:1]
    other = replace(late, point=line.source.partition(":")[0][:-1])
    made = material(crediting=replace(base, calibrations=(late, other)))
    rows = [cells for cells in page_of(made, "calibration").rows if cells.get(16) and cells[16].style == "fine"]
    effects = [cells[16].value for cells in rows]
    assert effects[0] != 0
    assert effects[1] == 0


def test_every_item_of_the_plan_is_listed_as_planned() -> None:
    said = [str(cell.value) for _, _, cell in page_of(material(), "implementation").cells()]
    assert {"roof", "carport"} <= set(said)


# -- from the log --------------------------------------------------------------------------------------------------


def test_clock_firmware_and_settings_come_from_the_log(tmp_path: Path) -> None:
    desk, site = Desk(tmp_path), PaperSite([])
    log = SiteLog(plan=demo_plan(), binding=demo_binding(), key=site.key.vkey)
    log.identify("pv-main", T0 + 1000, serial="17", firmware="2.1")
    log.run(T0, T0 + 2 * MINUTE)
    log.identify("pv-main", T0 + 2 * MINUTE - 1000, serial="17", firmware="2.2")
    log.clock(T0 + 2 * MINUTE, ClockState.SYNCHRONISED, why="step", step=7000)
    log.run(T0 + 3 * MINUTE, T0 + 4 * MINUTE)
    log.fill(T0 + 4 * MINUTE)
    log.close()
    site.leaves = list(log.leaves)
    desk.enroll(site, plan=leaf.canonical(demo_plan()).decode(), binding=leaf.canonical(demo_binding()).decode())
    desk.deliver(site.bundle(0, len(site.leaves)))
    found = collect(desk.archive, desk.registry.keys(site.site), T0, T0 + 4 * MINUTE)
    desk.database.close()
    assert {one.meter: one.said for one in found.told()} == {"pv-main": "serial 17, firmware 2.1", "chiller-1": ""}
    assert [(one.what.code, one.meter) for one in found.happened] == [
        ("report.meter_changed", "pv-main"),
        ("report.clock", ""),
    ]
    made = material(happened=tuple(found.happened))
    said = [str(cell.value) for _, _, cell in page_of(made, "events").cells()]
    assert any("moved by 7000 ms" in one for one in said)
