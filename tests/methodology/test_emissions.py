"""What metered energy comes to: the worked examples of public sources, and what must never happen on the way."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrv import leaf, strict
from mrv.errors import BadInput
from mrv.measurand import Measurand
from mrv.methodology import catalogue, fit
from mrv.methodology.catalogue import Methodology, library
from mrv.methodology.emissions import Emissions, Energy, Model
from mrv.number import EMISSION_DECIMALS, rounded, spell
from mrv.plan import Item, MonitoringPlan, Project, Terms

CASES = Path(__file__).resolve().parents[1] / "cases"
WORKED = sorted(path.name for path in CASES.glob("jcm_*"))
IMPORT, EXPORT = Measurand.ACTIVE_ENERGY_IMPORT, Measurand.ACTIVE_ENERGY_EXPORT
DEMO = Path(__file__).resolve().parents[2] / "config" / "plan.yaml"


def emissions(methodology: Methodology, project: Project, energy: Energy) -> Emissions:
    """One hour of it."""
    return Model(methodology, project).emissions(energy, Fraction(1))


def known_to(folder: Path) -> dict[str, Methodology]:
    """The library, and the methodology a case brings along."""
    own = [catalogue.load(path.read_text(), path.name) for path in folder.glob("methodology.yaml")]
    return catalogue.by_name([*library().values(), *own])


def energy_of(kwh: dict[str, str]) -> dict[tuple[str, Measurand], Fraction]:
    split = {tuple(name.split(":")): Fraction(value) for name, value in kwh.items()}
    return {(point, Measurand[register.upper()]): value for (point, register), value in split.items()}


def kg(found: Emissions) -> dict[str, str]:
    values = {"reference": found.reference, "project": found.project, "reduction": found.reduction}
    return {
        name: spell(rounded(v, EMISSION_DECIMALS), EMISSION_DECIMALS) for name, v in values.items() if v is not None
    }


def demo(project: str) -> tuple[Methodology, Project]:
    plan = strict.decode(DEMO.read_text(), MonitoringPlan, "plan.yaml").value
    found = next(p for p in plan.projects if p.id == project)
    return library()[found.methodology], found


@pytest.mark.parametrize("name", WORKED)
def test_worked_example(name: str) -> None:
    folder = CASES / name
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    plan = strict.decode((folder / "plan.yaml").read_text(), MonitoringPlan, "plan.yaml").value
    methodologies, energy = known_to(folder), energy_of(expected["energy_kwh"])
    for project in plan.projects:
        methodology = methodologies[project.methodology]
        assert list(fit.misfits(project, methodology)) == []
        found = kg(emissions(methodology, project, energy))
        assert found == expected["kg"][project.id], "ours, worked out by hand"
        for quantity, published in expected["published_tonnes"][project.id].items():
            assert agrees(Fraction(found[quantity]) / 1000, **published), (quantity, found[quantity], published)


def agrees(tonnes: Fraction, value: int, rule: str) -> bool:
    if rule.startswith("within"):
        return abs(tonnes - value) <= int(rule.removeprefix("within "))
    return tonnes == value if rule == "exact" else floor(tonnes) == value


def test_all_worked_examples_are_there() -> None:
    assert WORKED == [
        "jcm_pumps_thu_duc",
        "jcm_pv_darkhan",
        "jcm_pv_durgun",
        "jcm_pv_mongolia_factors",
        "jcm_refrigerator_indonesia",
    ]


def test_a_tonne_too_many_would_be_seen() -> None:
    assert not agrees(Fraction(26), 25, "floor")
    assert not agrees(Fraction(2602, 100), 25, "within 1")
    assert not agrees(Fraction(16500001, 1000), 16500, "exact")


def test_missing_energy_is_named_and_never_zero() -> None:
    found = emissions(*demo("pv"), {("PV-AC", EXPORT): Fraction(10)})
    assert found == Emissions(missing=("PV-AC:active_energy_import",))
    assert emissions(*demo("pv"), {}).missing == ("PV-AC:active_energy_export", "PV-AC:active_energy_import")


def test_no_energy_at_all_is_a_measured_zero() -> None:
    found = emissions(*demo("chiller"), {("CH-1", IMPORT): Fraction(0)})
    assert found == Emissions(reference=Fraction(0), project=Fraction(0), reduction=Fraction(0))


def test_a_pv_night_is_negative_and_not_clamped() -> None:
    found = emissions(*demo("pv"), {("PV-AC", EXPORT): Fraction(0), ("PV-AC", IMPORT): Fraction(2)})
    assert (found.reference, found.project, found.reduction) == (Fraction(-6, 10), 0, Fraction(-6, 10))


def test_nothing_is_rounded_inside() -> None:
    found = emissions(*demo("pv"), {("PV-AC", EXPORT): Fraction(1, 3), ("PV-AC", IMPORT): Fraction(0)})
    assert found.reference == Fraction(1, 10)
    tiny = emissions(*demo("pv"), {("PV-AC", EXPORT): Fraction(1, 10**12), ("PV-AC", IMPORT): Fraction(0)})
    assert tiny.reference == Fraction(3, 10**13)


@given(st.lists(st.integers(-(10**9), 10**9), min_size=1, max_size=6))
def test_linear_methodologies_add_up_over_periods(parts: list[int]) -> None:
    methodology, project = demo("chiller")
    each = [emissions(methodology, project, {("CH-1", IMPORT): Fraction(p, 1000)}).reduction for p in parts]
    whole = emissions(methodology, project, {("CH-1", IMPORT): Fraction(sum(parts), 1000)}).reduction
    assert sum(r for r in each if r is not None) == whole


RATIO = """
id: PER_OUTPUT
version: "01.0"
title: Energy per output
status: provisional
sources: [{what: this test, url: https://example.org, read: 2026-01-01}]
symbols:
  EC: {kind: monitored, per: item, unit: MWh, description: Electricity}
  EO: {kind: monitored, per: project, unit: GJ, description: Output}
  EF: {kind: ex_ante, per: project, unit: tCO2/MWh, description: Factor, range: {least: 0, most: 2}}
  SHARE: {kind: computed, per: project, unit: "%", description: Electricity over output}
  RE_p: {kind: computed, per: project, unit: tCO2, description: Reference}
  PE_p: {kind: computed, per: project, unit: kgCO2, description: Project}
  ER_p: {kind: computed, per: project, unit: tCO2, description: Reduction}
equations:
  - SHARE = sum_i(EC[i]) / EO
  - RE_p = SHARE * EO * EF
  - PE_p = 0
  - ER_p = RE_p - PE_p
"""


def per_output() -> tuple[Methodology, Project]:
    """The demo's chiller, with an output metered beside it."""
    chiller = demo("chiller")[1]
    output = strict.decode("plus: [{point: OUT, register: active_energy_import}]", Terms, "output").value
    item = Item(id="a", monitored=dict(chiller.items[0].monitored))
    return catalogue.load(RATIO, "ratio.yaml"), Project(
        id="p",
        title="Energy per output",
        methodology="PER_OUTPUT_ver01.0",
        ex_ante={"EF": chiller.ex_ante["EF_elec"]},
        monitored={"EO": output},
        items=(item,),
    )


def test_an_equation_may_use_one_before_it_and_units_convert_themselves() -> None:
    found = emissions(*per_output(), {("CH-1", IMPORT): Fraction(100), ("OUT", IMPORT): Fraction(7)})
    assert found.reference == Fraction(60), "0.6 t/MWh x 100 kWh, whatever the output"


def test_a_division_by_a_measured_zero_is_missing_not_an_exception() -> None:
    found = emissions(*per_output(), {("CH-1", IMPORT): Fraction(100), ("OUT", IMPORT): Fraction(0)})
    assert found == Emissions(missing=("SHARE",))


def test_a_project_that_does_not_fit_is_bad_input() -> None:
    methodology, _ = demo("pv")
    with pytest.raises(BadInput) as caught:
        emissions(methodology, demo("chiller")[1], {("CH-1", IMPORT): Fraction(1)})
    assert {"plan.symbol_missing", "plan.symbol_unknown"} == {f.code for f in caught.value.faults}


PROGRAM = """
import json, sys
from fractions import Fraction
from pathlib import Path
from mrv import leaf
from mrv.errors import BadInput
from mrv.measurand import Measurand
from mrv.methodology.catalogue import library
from mrv.methodology.emissions import Model
from mrv.plan import load
from mrv.messages import sentence
text = Path(sys.argv[1]).read_text()
plan = load(text, "plan.yaml").value
energy = {(p, m): Fraction(n, 7) for n, p in enumerate(("PV-AC", "CH-1")) for m in Measurand}
print([str(Model(library()[p.methodology], p).emissions(energy, Fraction(1))) for p in plan.projects])
print([str(Model(library()[p.methodology], p).emissions({}, Fraction(1))) for p in plan.projects])
print(leaf.digest(leaf.canonical(plan)), [leaf.digest(leaf.canonical(m)) for m in library().values()])
try:
    load(text.replace("EF_RE:", "EF_RI:").replace("MWh", "MWH").replace("CH-1", "CH-2"), "plan.yaml")
except BadInput as error:
    print([sentence(f) for f in error.faults])
"""


def test_the_same_in_every_process() -> None:
    """Hash seed, locale and time zone change nothing, not even the order of faults."""
    outputs = set()
    for seed, language, zone in (("1", "C", "UTC"), ("2", "vi_VN.UTF-8", "Asia/Ho_Chi_Minh"), ("77", "C", "EST5EDT")):
        env = os.environ | {"PYTHONHASHSEED": seed, "LC_ALL": language, "LANGUAGE": "ja", "TZ": zone}
        done = subprocess.run([sys.executable, "-c", PROGRAM, str(DEMO)], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        outputs.add(done.stdout)
    assert len(outputs) == 1
    assert len(outputs.pop().splitlines()) == 4


def test_a_methodology_survives_the_log() -> None:
    for methodology in library().values():
        data = leaf.canonical(methodology)
        again = msgspec.json.decode(data, type=Methodology)
        assert again == methodology
        assert list(strict.complaints(again)) == []
        assert leaf.canonical(again) == data
        assert all(isinstance(q.range.least, Decimal) for q in again.symbols.values() if q.range)
