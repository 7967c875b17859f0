"""A meter over a line that is a dictionary: which words it asks for, what it keeps, when it gives nothing."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import meter_cases
import msgspec
import pytest

from drivers import profiles
from drivers.bus import ALL, Effort
from drivers.errors import Garbled, MeterError, NotAvailable
from drivers.meter import Meter
from mrv.binding import BoundMeter, Settings
from mrv.errors import BadInput, fault
from mrv.measurand import Measurand
from mrv.messages import next_step, text, what
from mrv.profile import Limits, Table
from mrv.reading import GapReason

LIBRARY = profiles.library()
CASE = meter_cases.load("sdm630_one_request")
PLAIN = Settings()


class Registers:
    """A line whose content is known."""

    def __init__(self, words: Mapping[tuple[Table, int], int], fails_at: int = -1) -> None:
        self.words = dict(words)
        self.asked: list[tuple[int, Table, int, int]] = []
        self._fails_at = fails_at

    async def read(self, unit: int, table: Table, address: int, count: int, *, effort: Effort = ALL) -> tuple[int, ...]:
        self.asked.append((unit, table, address, count))
        if len(self.asked) - 1 == self._fails_at:
            raise Garbled(fault("meter.garbled", "line", flaw="unit", bytes=""))
        return tuple(self.words.get((table, address + i), 0xDEAD) for i in range(count))

    async def close(self) -> None:
        """Nothing is open."""


def meter(bus: Registers, profile: str = "eastron_sdm630", settings: Settings = PLAIN, **limits: int) -> Meter:
    made = LIBRARY[profile]
    if limits:
        made = msgspec.structs.replace(made, limits=Limits(align=made.limits.align, **limits))
    return Meter(BoundMeter(meter="pv", point="PV", profile=profile, every=1, settings=settings), made, bus, 5)


async def test_one_request_and_only_the_words_that_are_used() -> None:
    bus = Registers(CASE.words)
    sample = await meter(bus).read()
    assert bus.asked == [(5, "i", 0, 76)]
    assert sample.raw == CASE.raw, "no filler word becomes evidence"
    assert sample.registers == {"1.8.0": "10909.282", "2.8.0": "2468.866"}
    assert sample.values[Measurand.VOLTAGE_L1] == Decimal("230.2")
    assert sample.absent == {}


async def test_several_requests_make_one_sample() -> None:
    bus = Registers(CASE.words)
    sample = await meter(bus, registers=60).read()
    assert bus.asked == [(5, "i", 0, 54), (5, "i", 62, 14)]
    assert sample == await meter(Registers(CASE.words)).read()


async def test_half_a_sample_is_none() -> None:
    with pytest.raises(Garbled):
        await meter(Registers(CASE.words, fails_at=1), registers=60).read()


@pytest.mark.parametrize("bits", [0x7FC00000, 0xFFFFFFFF, 0x7F800000, 0xFF800000])
@pytest.mark.parametrize("at", [72, 74])
async def test_no_number_in_a_credited_register_is_a_gap_that_keeps_the_words(at: int, bits: int) -> None:
    words = {**CASE.words, ("i", at): bits >> 16, ("i", at + 1): bits & 0xFFFF}
    with pytest.raises(NotAvailable) as caught:
        await meter(Registers(words)).read()
    assert caught.value.reason is GapReason.NOT_AVAILABLE
    assert caught.value.raw is not None
    assert f"{bits:08x}" in caught.value.raw["i:70"]
    assert "active_energy" in what(caught.value.faults[0])
    assert next_step(caught.value.faults[0])


async def test_no_number_in_another_register_is_told_and_costs_nothing() -> None:
    words = {**CASE.words, ("i", 52): 0x7FC0, ("i", 53): 0}
    sample = await meter(Registers(words)).read()
    assert sample.absent == {Measurand.ACTIVE_POWER: "nan"}
    assert sample.registers == {"1.8.0": "10909.282", "2.8.0": "2468.866"}


async def test_a_meter_with_its_words_turned() -> None:
    turned = {("i", at ^ 1): word for (_, at), word in CASE.words.items()}
    sample = await meter(Registers(turned), settings=Settings(word_order="little")).read()  # type: ignore[arg-type]
    assert meter_cases.by_name(sample.values) == CASE.values  # type: ignore[arg-type]


async def test_an_inverter_at_another_base() -> None:
    case = meter_cases.load("sunspec_103_solaredge_se15k")
    moved = {(table, at + 1000): word for (table, at), word in case.words.items()}
    bus = Registers(moved)
    sample = await meter(bus, case.profile, Settings(base=41069)).read()
    assert bus.asked == [(5, "h", 41069, 27)]
    assert sample.registers == {"2.8.0": "1188.574"}


async def test_another_model_at_the_base_is_never_decoded() -> None:
    case = meter_cases.load("sunspec_103_solaredge_se15k")
    with pytest.raises(NotAvailable) as caught:
        await meter(Registers({**case.words, ("h", 40069): 113}), case.profile, case.settings).read()
    assert "guard" in what(caught.value.faults[0])


def test_a_profile_no_request_can_serve_is_refused_when_the_meter_is_made() -> None:
    with pytest.raises(BadInput):
        meter(Registers({}), "sunspec_inverter_3p", Settings(base=40069), registers=1)


@pytest.mark.parametrize("language", ["en", "vi"])
@pytest.mark.parametrize("reason", list(GapReason))
def test_every_reason_has_a_text_and_an_advice(reason: GapReason, language: str) -> None:
    told, advice = text(f"meter.gap_{reason}", language), text(f"meter.gap_{reason}.next", language)
    assert not told.startswith("meter.")
    assert not advice.startswith("meter.")
    assert "{" not in told + advice
    assert language == "en" or told != text(f"meter.gap_{reason}", "en")


def test_every_error_of_the_line_has_a_reason_and_may_pass() -> None:
    kinds = MeterError.__subclasses__()
    assert {kind.reason for kind in kinds} == {
        GapReason.TIMEOUT,
        GapReason.UNREACHABLE,
        GapReason.EXCEPTION,
        GapReason.GARBLED,
        GapReason.NOT_AVAILABLE,
    }
    assert all(kind.retryable for kind in kinds)
