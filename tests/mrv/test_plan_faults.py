"""What only a plan or a methodology can get wrong: symbols, units, points, equations, each with file, line and advice.

That every field may be missing, misspelt or of a wrong type is tested by test_config_faults.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import schema_walk

from mrv import plan
from mrv.errors import BadInput, Fault
from mrv.messages import next_step, what
from mrv.methodology import catalogue

ROOT = Path(__file__).resolve().parents[2]
LOAD: dict[str, Callable[[str, str], object]] = {
    "config/plan.yaml": plan.load,
    "mrv/methodology/VN_AM007.yaml": catalogue.load,
    "mrv/methodology/EFFICIENCY_RATIO.yaml": catalogue.load,
}
#: Where a shipped file is changed, to what, and what is then said there.
SLIPS = {
    "config/plan.yaml": {
        "timezone": ("Asia/Hanoi", "plan.unknown_timezone"),
        "period": (7, "plan.period"),
        "clock": (["S", "U"], "plan.clock_unknown"),
        "min_coverage": (1.01, "plan.share"),
        "points[1].id": ("PV-AC", "plan.id_twice"),
        "projects[1].id": ("pv", "plan.id_twice"),
        "projects[0].methodology": ("VN_AM007_ver99.0", "plan.methodology_unknown"),
        "projects[0].items[0].ex_ante.EF_RE.value": (300, "plan.value_implausible"),
        "projects[0].items[0].ex_ante.EF_RE.unit": ("MWh", "plan.unit_dimension"),
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
        "symbols.EG.kind": ("ex_ante", "plan.range_only_ex_ante"),
        "symbols.EG.unit": ("mwh", "plan.unit_unknown"),
        "symbols.EF_RE.unit": ("kgCO2", "plan.equation_result"),
        "symbols.EF_RE.per": ("project", "plan.equation_index"),
        "symbols.EF_RE.range.least": (3, "plan.range_empty"),
        "symbols.RE_p.per": ("item", "plan.equation_index"),
        "symbols.EF_RE.supply.grid": ("EG", "plan.supply_from"),
        "symbols.EG.supply": ({"grid": "EF_grid", "captive": "EF_captive"}, "plan.supply_of_what"),
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

#: Seen at the equation or the struct around, not at the field that was changed.
ELSEWHERE = {
    "plan.divisor_may_be_zero",
    "plan.equation_index",
    "plan.equation_result",
    "plan.range_empty",
    "plan.range_only_ex_ante",
    "plan.result_missing",
}


@cache
def shipped(name: str) -> Any:
    return schema_walk.loaded((ROOT / name).read_text())


def path_of(at: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in re.findall(r"[^.\[\]]+", at))


def faults(name: str, data: Any) -> tuple[Fault, ...]:
    with pytest.raises(BadInput) as caught:
        LOAD[name](schema_walk.dumped(data), "f.yaml")
    for fault in caught.value.faults:
        assert re.match(r"f\.yaml:[1-9][0-9]*( |$)", fault.where), "file and line"
        assert what(fault) != fault.code, "a sentence"
        assert next_step(fault), "and what to do next"
    return caught.value.faults


def field(fault: Fault) -> str:
    return fault.where.partition(" ")[2]


@pytest.mark.parametrize("name", LOAD)
def test_the_shipped_file_is_well(name: str) -> None:
    LOAD[name]((ROOT / name).read_text(), name)


@pytest.mark.parametrize(
    ("name", "at", "value", "code"),
    [(name, at, value, code) for name, table in SLIPS.items() for at, (value, code) in table.items()],
)
def test_one_slip(name: str, at: str, value: object, code: str) -> None:
    changed = schema_walk.with_value(shipped(name), path_of(at), value)
    found = {f.code: field(f) for f in faults(name, changed)}
    assert code in found
    assert found[code] == at or code in ELSEWHERE


SYMBOLS = ("projects[0].items[0].ex_ante.EF_RE", "projects[0].items[0].monitored.EG", "projects[1].ex_ante.EF_elec")


@pytest.mark.parametrize("at", SYMBOLS)
def test_a_symbol_is_missing_or_misspelt(at: str) -> None:
    holder, _, symbol = at.rpartition(".")
    plain = shipped("config/plan.yaml")
    entries = dict(_at(plain, path_of(holder)))
    value = entries.pop(symbol)
    (missing,) = faults("config/plan.yaml", schema_walk.with_value(plain, path_of(holder), entries))
    assert (missing.code, field(missing), missing.params["symbol"]) == ("plan.symbol_missing", holder, symbol)
    renamed = schema_walk.with_value(plain, path_of(holder), entries | {f"{symbol}x": value})
    unknown, _ = sorted(faults("config/plan.yaml", renamed), key=lambda f: f.code, reverse=True)
    assert (unknown.code, field(unknown), unknown.params["allowed"]) == ("plan.symbol_unknown", f"{at}x", symbol)


def _at(data: Any, path: tuple[str | int, ...]) -> Any:
    for part in path:
        data = data[part]
    return data


def test_all_faults_at_once_in_the_order_of_the_file() -> None:
    name = "config/plan.yaml"
    data = shipped(name)
    for at in ("period", "timezone", "min_coverage"):
        data = schema_walk.with_value(data, path_of(at), SLIPS[name][at][0])
    data["projects"][1]["tittle"] = data["projects"][1].pop("title")
    del data["projects"][0]["items"][0]["ex_ante"]["EF_RE"]["provenance"]["date"]
    data["projects"][1]["ex_ante"]["EF_elec"]["unit"] = "kwh"
    assert [(f.code, field(f)) for f in faults(name, data)] == [
        ("plan.unknown_timezone", "timezone"),
        ("plan.period", "period"),
        ("plan.share", "min_coverage"),
        ("config.missing", "projects[0].items[0].ex_ante.EF_RE.provenance.date"),
        ("config.missing", "projects[1].title"),
        ("plan.unit_unknown", "projects[1].ex_ante.EF_elec.unit"),
        ("config.misspelt", "projects[1].tittle"),
    ]
