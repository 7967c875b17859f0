"""The daily cross-check of energy against power: what it catches, each by name, and what it must let pass."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest

from mrv.binding import Settings
from mrv.crosscheck import DAY, EXPORT, IMPORT, Compared, Crosscheck
from mrv.limits import NANO, Limits, Scale, limits

EVERY = 60_000
FINE = replace(limits(None, Settings(), 60), scales={name: Scale(step=NANO // 1000) for name in (IMPORT, EXPORT)})
Registers = Callable[[Decimal, Decimal], dict[str, Decimal]]


def day(
    registers: Registers,
    *,
    bounds: Limits = FINE,
    ratio: Fraction = Fraction(1),
    skip: range = range(0),
    shown: Callable[[Decimal], Decimal] = lambda power: power,
) -> Compared:
    """A day of a factory with a PV plant: 60 kW of load, 90 kW of sun from six to eighteen; net power changes sign.

    `registers` gets the true import and export in kWh, `shown` is what the meter makes of the true power.
    """
    check, imported, exported = Crosscheck(bounds), Decimal(5000), Decimal(7000)
    for minute in range(DAY // EVERY + 1):
        hour = minute // 60 % 24
        net = Decimal(60_000) - (90_000 if 6 <= hour < 18 else 0)
        if minute not in skip:
            said = {name: f"{value:.3f}" for name, value in registers(imported, exported).items()}
            found = check.see(minute * EVERY, said, shown(net), ratio)
            if found:
                return found
        used = net / 60 / 1000
        imported, exported = imported + max(used, Decimal(0)), exported + max(-used, Decimal(0))
    raise AssertionError("a day is over after a day")


def right(imported: Decimal, exported: Decimal) -> dict[str, Decimal]:
    return {IMPORT: imported, EXPORT: exported}


def test_a_meter_that_is_right_agrees() -> None:
    found = day(right)
    assert found.agrees
    assert round(found.energy) == 360  # 12 h x 60 kW bought, 12 h x 30 kW sold


def test_gaps_count_on_neither_side() -> None:
    found = day(right, skip=range(200, 900))
    assert found.agrees
    assert found.time < DAY - 700 * EVERY


def test_signs_that_are_called_otherwise_agree() -> None:
    assert day(right, shown=lambda power: -power).agrees


def test_a_meter_read_for_its_import_alone_agrees() -> None:
    assert day(lambda imported, _: {IMPORT: imported}).agrees


def test_a_coarse_register_is_given_three_steps() -> None:
    coarse = replace(limits(None, Settings(), 60), scales={IMPORT: Scale(step=1000 * NANO)})
    whole = day(lambda imported, _: {IMPORT: Decimal(int(imported / 1000) * 1000)}, bounds=coarse)
    assert whole.agrees, "720 kWh do not fill one step of 1000 kWh"


@pytest.mark.parametrize(
    ("wrong", "given"),
    [
        ("a tenfold scale", {"registers": lambda i, e: {IMPORT: i * 10, EXPORT: e * 10}}),
        ("a ratio on one side only", {"registers": lambda i, e: {IMPORT: i / 80, EXPORT: e / 80}}),
        ("a ratio that is another one", {"registers": lambda i, e: {IMPORT: i / 80, EXPORT: e / 80}, "ratio": 60}),
        ("absolute mode", {"registers": lambda i, e: {IMPORT: i + e, EXPORT: Decimal(0)}}),
        ("the wrong register", {"registers": lambda i, _: {IMPORT: i / 3}}),
        ("power in kW", {"registers": right, "shown": lambda power: power / 1000}),
    ],
)
def test_catches(wrong: str, given: dict[str, object]) -> None:
    found = day(**{**given, "ratio": Fraction(given.get("ratio", 1))})  # type: ignore[arg-type]
    assert not found.agrees, wrong


def test_the_right_ratio_on_registers_that_are_secondary() -> None:
    def secondary(imported: Decimal, exported: Decimal) -> dict[str, Decimal]:
        return {IMPORT: imported / 80, EXPORT: exported / 80}

    assert day(secondary, ratio=Fraction(80)).agrees


def test_an_hour_is_the_least_that_says_something() -> None:
    check = Crosscheck(FINE)
    for minute in (*range(30), *range(DAY // EVERY, DAY // EVERY + 2)):
        assert check.see(minute * EVERY, {IMPORT: f"{minute}.000"}, Decimal(0), Fraction(1)) is None
