"""Every field of a plan and of a methodology: missing, of the wrong type, out of range, misspelt.

The walk goes over the example files themselves, so a field that is added to them is covered without a new test.
"""

from __future__ import annotations

import copy
import io
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from mrv import plan
from mrv.errors import BadInput, Fault
from mrv.messages import next_step, sentence
from mrv.methodology import catalogue

ROOT = Path(__file__).resolve().parents[2]
LOAD: dict[str, Callable[[str, str], object]] = {
    "config/plan.yaml": plan.load,
    "mrv/methodology/VN_AM007.yaml": catalogue.load,
    "mrv/methodology/EFFICIENCY_RATIO.yaml": catalogue.load,
}
OPTIONAL = {"diagram", "minus", "clock", "min_coverage", "notes"}
#: Fields whose content is checked beyond its type: what is out of range, and what is then said.
OUT_OF_RANGE = {
    "config/plan.yaml": {
        "site": ("Demo Factory", "config.out_of_range"),
        "timezone": ("Asia/Hanoi", "plan.unknown_timezone"),
        "period": (7, "plan.period"),
        "clock": (["S", "U"], "plan.clock_unknown"),
        "clock[0]": ("X", "config.out_of_range"),
        "min_coverage": (1.01, "plan.share"),
        "points": ([], "config.too_few"),
        "points[0].id": ("no spaces", "config.out_of_range"),
        "points[0].scope": ("", "config.out_of_range"),
        "points[0].evidence": ("oracle", "config.out_of_range"),
        "points[1].id": ("PV-AC", "plan.id_twice"),
        "projects": ([], "config.too_few"),
        "projects[1].id": ("pv", "plan.id_twice"),
        "projects[0].methodology": ("VN_AM007_ver99.0", "plan.methodology_unknown"),
        "projects[0].items": ([], "config.too_few"),
        "projects[0].items[0].ex_ante.EF_RE.value": (300, "plan.value_implausible"),
        "projects[0].items[0].ex_ante.EF_RE.unit": ("MWh", "plan.unit_dimension"),
        "projects[0].items[0].ex_ante.EF_RE.provenance.document": ("", "config.out_of_range"),
        "projects[0].items[0].ex_ante.EF_RE.provenance.locator": ("", "config.out_of_range"),
        "projects[0].items[0].monitored.EG.plus": ([], "config.too_few"),
        "projects[0].items[0].monitored.EG.plus[0].point": ("PV-AX", "plan.point_unknown"),
        "projects[0].items[0].monitored.EG.plus[0].register": ("active_power", "plan.register_unknown"),
        "projects[1].items[0].monitored.EC.plus[0].register": ("reactive_energy_import", "plan.register_unit"),
        "projects[1].items[0].monitored.EC.plus[0].point": ("PV-INV", "plan.point_not_creditable"),
        "projects[1].items[0].ex_ante.COP_RE.value": (0, "plan.value_implausible"),
        "projects[1].items[0].ex_ante.COP_PJ.value": (-6.5, "plan.value_implausible"),
        "projects[1].ex_ante.EF_elec.value": (1e-20, "plan.number_too_long"),
        "projects[1].ex_ante.EF_elec.unit": ("tCO2/mwh", "plan.unit_unknown"),
    },
    "mrv/methodology/VN_AM007.yaml": {
        "id": ("vn-am007", "config.out_of_range"),
        "version": ("1", "config.out_of_range"),
        "status": ("verified", "config.out_of_range"),
        "sources": ([], "config.too_few"),
        "symbols.EG.kind": ("ex_ante", "plan.range_only_ex_ante"),
        "symbols.EG.unit": ("mwh", "plan.unit_unknown"),
        "symbols.EF_RE.unit": ("kgCO2", "plan.equation_result"),
        "symbols.EF_RE.per": ("project", "plan.equation_index"),
        "symbols.EF_RE.range.least": (3, "plan.range_empty"),
        "symbols.RE_p.per": ("item", "plan.computed_per_project"),
        "symbols.RE_p.unit": ("t", "plan.equation_result"),
        "equations": (["RE_p = sum_i(EG[i] * EF_RE[i])", "PE_p = 0"], "plan.result_missing"),
        "equations[0]": ("RE_p = EG * EF_RE", "plan.equation_index"),
        "equations[1]": ("PE_p = EF_RF", "plan.equation_symbol"),
        "equations[2]": ("ER_p = RE_p ** 2", "plan.equation_forbidden"),
    },
    "mrv/methodology/EFFICIENCY_RATIO.yaml": {
        "symbols.COP_RE.range.least": (0, "plan.divisor_may_be_zero"),
        "symbols.EF_elec.range.most": (float("1e30"), "plan.number_too_long"),
        "equations[0]": ("RE_p = sum_i(EC[i] * COP_PJ[i] + EF_elec)", "plan.equation_dimension"),
        "equations[1]": ("RE_p = 0", "plan.equation_defines"),
        "equations[2]": ("ER_p = RE_p / 0", "plan.equation_divides_by_zero"),
    },
}


@cache
def example(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((ROOT / name).read_text())


def written(data: Any) -> str:
    yaml, out = YAML(typ="safe", pure=True), io.StringIO()
    yaml.default_flow_style, yaml.width, yaml.sort_base_mapping_type_on_output = False, 10000, False
    yaml.dump(data, out)
    return out.getvalue()


def paths(data: Any, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every field and every list entry of `data`."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in pairs:
        yield (*at, key)
        yield from paths(value, (*at, key))


def spoken(path: tuple[str | int, ...]) -> str:
    return "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path).removeprefix(".")


def unspoken(name: str) -> tuple[str | int, ...]:
    return tuple(int(p) if p.isdigit() else p for p in re.findall(r"[^.\[\]]+", name))


def parent(data: Any, path: tuple[str | int, ...]) -> Any:
    for key in path[:-1]:
        data = data[key]
    return data


def faults(name: str, data: Any) -> tuple[tuple[Fault, ...], list[str]]:
    text = written(data)
    with pytest.raises(BadInput) as caught:
        LOAD[name](text, "f.yaml")
    return caught.value.faults, text.splitlines()


def well_said(fault: Fault) -> bool:
    """Where with line and field, what, and what to do next."""
    return (
        bool(re.match(r"f\.yaml:[1-9][0-9]*( |$)", fault.where))
        and bool(next_step(fault))
        and (fault.code not in sentence(fault))
    )


def line(fault: Fault) -> int:
    return int(fault.where.split(" ")[0].split(":")[1])


def field(fault: Fault) -> str:
    return fault.where.partition(" ")[2]


#: The second methodology file has the fields of the first.
WALKED = ("config/plan.yaml", "mrv/methodology/EFFICIENCY_RATIO.yaml")
EVERYWHERE = [(name, spoken(path)) for name in WALKED for path in paths(example(name))]
FIELDS = [(name, at) for name, at in EVERYWHERE if not at.endswith("]")]


@pytest.mark.parametrize("name", LOAD)
def test_the_example_itself_is_well(name: str) -> None:
    LOAD[name](written(example(name)), name)
    LOAD[name]((ROOT / name).read_text(), name)


@pytest.mark.parametrize(("name", "at"), FIELDS)
def test_missing(name: str, at: str) -> None:
    data, path = copy.deepcopy(example(name)), unspoken(at)
    del parent(data, path)[path[-1]]
    if path[-1] in OPTIONAL:
        LOAD[name](written(data), "f.yaml")
        return
    found, _ = faults(name, data)
    assert all(well_said(fault) for fault in found)
    named = {fault.params.get("field", fault.params.get("symbol")) for fault in found} | {field(found[0])}
    assert path[-1] in named or at in named or path[-1] == "range"


@pytest.mark.parametrize(("name", "at"), EVERYWHERE)
def test_wrong_type(name: str, at: str) -> None:
    data, path = copy.deepcopy(example(name)), unspoken(at)
    holder = parent(data, path)
    holder[path[-1]] = 5 if isinstance(holder[path[-1]], (dict, list)) else {"zzz": 1}
    (found,), lines = faults(name, data)
    assert (found.code, field(found)) == ("config.wrong_type", at)
    assert well_said(found)
    shown = lines[line(found) - 1] + lines[max(line(found) - 2, 0)]
    assert str(path[-1]) in shown or isinstance(path[-1], int), "the line named is the line of the field"


@pytest.mark.parametrize(("name", "at"), FIELDS)
def test_misspelt(name: str, at: str) -> None:
    data, path = copy.deepcopy(example(name)), unspoken(at)
    holder = parent(data, path)
    entries = {(f"{key}x" if key == path[-1] else key): value for key, value in holder.items()}
    holder.clear()
    holder.update(entries)
    found, lines = faults(name, data)
    assert all(well_said(fault) for fault in found)
    wrong = next(f for f in found if field(f) == f"{at}x" or f.params.get("symbol", "").startswith(str(path[-1])))
    assert wrong.code == "config.misspelt" or path[-2] in {"ex_ante", "monitored", "symbols"}
    if wrong.code == "config.misspelt":
        assert wrong.params["near"] == path[-1]
        assert f"{path[-1]}x" in lines[line(wrong) - 1] + lines[line(wrong) - 2]


@pytest.mark.parametrize(
    ("name", "at", "value", "code"),
    [(name, at, value, code) for name, table in OUT_OF_RANGE.items() for at, (value, code) in table.items()],
)
def test_out_of_range(name: str, at: str, value: object, code: str) -> None:
    data, path = copy.deepcopy(example(name)), unspoken(at)
    parent(data, path)[path[-1]] = value
    found, _ = faults(name, data)
    assert code in {fault.code for fault in found}
    assert all(well_said(fault) for fault in found)


def test_every_ruled_field_of_the_plan_is_in_the_table() -> None:
    """A field with a constraint has an out-of-range case; text, dates and lists of structs need none."""
    names = {str(path[-1]) for at in OUT_OF_RANGE["config/plan.yaml"] for path in [unspoken(at)]}
    in_file = {str(path[-1]) for path in paths(example("config/plan.yaml")) if isinstance(path[-1], str)}
    without = {"title", "diagram", "date", "provenance", "ex_ante", "monitored", "minus", "EG", "EC"}
    assert in_file - names == without | {"EF_RE", "EF_elec", "COP_PJ", "COP_RE"}


def test_all_faults_at_once() -> None:
    name = "config/plan.yaml"
    data = copy.deepcopy(example(name))
    for at in ("period", "points[0].scope", "timezone", "min_coverage"):
        path = unspoken(at)
        parent(data, path)[path[-1]] = OUT_OF_RANGE[name][at][0]
    data["projects"][1]["tittle"] = data["projects"][1].pop("title")
    del data["projects"][0]["items"][0]["ex_ante"]["EF_RE"]["provenance"]["date"]
    found, _ = faults(name, data)
    item = "projects[0].items[0].ex_ante.EF_RE"
    assert [(f.code, field(f)) for f in found] == [
        ("plan.unknown_timezone", "timezone"),
        ("plan.period", "period"),
        ("plan.share", "min_coverage"),
        ("config.out_of_range", "points[0].scope"),
        ("config.missing", f"{item}.provenance.date"),
        ("config.missing", "projects[1].title"),
        ("config.misspelt", "projects[1].tittle"),
    ]
    assert [line(f) for f in found] == sorted(line(f) for f in found)
