"""A methodology is data: the two we ship, and a third that takes no Python."""

from __future__ import annotations

import re
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from mrv import plan
from mrv.errors import BadInput
from mrv.measurand import Measurand
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology, find, library, load
from mrv.methodology.emissions import Model
from mrv.methodology.expression import Operation, Symbol, Total
from mrv.methodology.fit import misfits

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "methodologies.md").read_text()
EXAMPLE = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]


def codes(text: str) -> list[str]:
    with pytest.raises(BadInput) as caught:
        load(text, "m.yaml")
    return [fault.code for fault in caught.value.faults]


def test_the_library_is_what_the_page_says() -> None:
    rows = re.findall(r"^\| `(\w+\.\d)` .*\| (\w+) \|$", PAGE, re.MULTILINE)
    assert sorted(rows) == [(m.name, m.status) for m in library().values()]
    files = sorted(path.stem for path in (ROOT / "mrv" / "methodology").glob("*.yaml"))
    assert files == sorted(m.id for m in library().values()), "one file each, named after its id"


def test_what_we_ship_is_provisional_has_sources_and_holds_no_factor() -> None:
    for methodology in library().values():
        assert methodology.status == "provisional"
        assert all(source.url.startswith("http") for source in methodology.sources)
        literals = re.findall(r"(?<![A-Za-z0-9_])[0-9.]+", " ".join(methodology.equations))
        assert set(literals) <= {"0", "1"}, "no factor in an equation; 1 only to take a share from the whole"


def test_vn_am007_counts_output_and_nothing_else() -> None:
    methodology = find("VN_AM007_ver01.0")
    assert methodology.equations[0] == "RE_p = sum_i(EG[i] * EF_RE[i])"
    product = Operation("*", Symbol("EG", indexed=True), Symbol("EF_RE", indexed=True))
    assert methodology.parsed[0].body == Total(product)
    assert methodology.of("monitored", "item") == ("EG",)


def test_an_unknown_methodology_names_the_known() -> None:
    with pytest.raises(BadInput) as caught:
        find("VN_AM007")
    assert caught.value.faults[0].params["known"] == ", ".join(library())
    assert "VN_AM007_ver01.0" in library()


def pumps(chiller: plan.Project, ratio: str) -> plan.Project:
    """The demo's chiller as a pump of the page's example."""
    provenance = chiller.ex_ante["EF_elec"].provenance
    given = {"R_SEC": plan.ExAnte(value=Decimal(ratio), unit="1", provenance=provenance)}
    return plan.Project(
        id="pumps",
        title="Pumps",
        methodology="EXAMPLE_PUMPS_ver01.0",
        ex_ante=chiller.ex_ante,
        items=(plan.Item(id="pump", ex_ante=given, monitored=chiller.items[0].monitored),),
    )


def test_a_methodology_is_added_without_python() -> None:
    """The page's example: load it, fit a plan to it, compute; 100 MWh x 0.6 t/MWh x (1.5 - 1) = 30 t."""
    methodology = load(EXAMPLE, "EXAMPLE_PUMPS.yaml")
    assert methodology.name == "EXAMPLE_PUMPS_ver01.0"
    text = (ROOT / "config" / "plan.yaml").read_text()
    chiller = next(p for p in plan.load(text, "plan.yaml").value.projects if p.id == "chiller")
    project = pumps(chiller, "1.5")
    assert list(misfits(project, methodology)) == []
    assert [code for _, code, _ in misfits(pumps(chiller, "6.5"), methodology)] == ["plan.value_implausible"]
    used = {("CH-1", Measurand.ACTIVE_ENERGY_IMPORT): Fraction(100_000)}
    found = Model(methodology, project).emissions(used, Fraction(1))
    assert (found.reference, found.project, found.reduction) == (90_000, 60_000, 30_000)


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("* EF_elec\n  - PE_p", "\n  - PE_p", "plan.equation_result"),
        ("sum_i(EC[i]) * EF_elec", "sum_i(EC[i] * R_SEC[i] + 3.6) * EF_elec", "plan.equation_dimension"),
        ("RE_p - PE_p", "min(RE_p, 5)", "plan.equation_dimension"),
        ("RE_p - PE_p", "RE_p / PE_p", "plan.equation_result"),
        ("RE_p - PE_p", "RE_p[i] - PE_p", "plan.equation_forbidden"),
        ("RE_p - PE_p", "sum_i(RE_p[i])", "plan.equation_index"),
        ("RE_p - PE_p", "RE_p - LE_p", "plan.equation_symbol"),
        ("PE_p = sum_i(EC[i]) * EF_elec", "PE_p = ER_p", "plan.equation_symbol"),
        ("RE_p - PE_p", "RE_p - sum_i(EC[i]) * EF_elec", None),
        ("- ER_p = RE_p - PE_p", "- PE_p = RE_p", "plan.equation_defines"),
        ("- ER_p = RE_p - PE_p", "- EC = RE_p", "plan.equation_defines"),
        ("  - ER_p = RE_p - PE_p\n", "", "plan.result_missing"),
        ("R_SEC[i]", "1", "plan.symbol_unused"),
        ("unit: tCO2, description: Emission reduction", "unit: kg, description: x", "plan.equation_result"),
        ("unit: tCO2, description: Emission reduction", "unit: kgCO2, description: x", None),
        ("sum_i(EC[i] * R_SEC[i]) * EF_elec", "max(sum_i(EC[i] / R_SEC[i]), 0) * EF_elec", None),
        ("least: 0.5", "least: -1", None),
        ("    range: {least: 0.5, most: 5}\n", "", "plan.range_only_ex_ante"),
        ('version: "01.0"', "version: 1", "config.wrong_type"),
        ("EC: {", "ec: {", "config.out_of_range"),
    ],
)
def test_equations_are_checked_when_loaded(old: str, new: str, code: str | None) -> None:
    changed = EXAMPLE.replace(old, new)
    assert changed != EXAMPLE
    if code is None:
        assert isinstance(load(changed, "m.yaml"), Methodology)
    else:
        assert code in codes(changed)


def test_a_divisor_must_be_unable_to_be_zero() -> None:
    divided = EXAMPLE.replace("EC[i] * R_SEC[i]", "EC[i] / R_SEC[i]")
    assert load(divided, "m.yaml")
    for least in ("0", "-0.5"):
        assert codes(divided.replace("least: 0.5", f"least: {least}")) == ["plan.divisor_may_be_zero"]


def test_versions_stand_side_by_side() -> None:
    second = load(EXAMPLE.replace('"01.0"', '"02.0"'), "m.yaml")
    first = load(EXAMPLE, "m.yaml")
    assert list(catalogue.by_name([second, first])) == ["EXAMPLE_PUMPS_ver01.0", "EXAMPLE_PUMPS_ver02.0"]
