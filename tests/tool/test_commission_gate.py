"""An experimental profile reads nothing until somebody compared the meter with its display, under these settings."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import msgspec
import pytest

from drivers import commission_gate, commission_record, profiles
from drivers.commission_gate import refusal
from drivers.commission_proof import Bracket, Comparison, Installation, Shown
from drivers.commission_record import Commissioned, Compared, compared
from mrv import commissioning
from mrv.binding import Settings
from mrv.commissioning import Record
from mrv.errors import BadInput, fault
from mrv.measurand import Measurand

USABLE = profiles.library()["eastron_sdm630"]
EXPERIMENTAL = msgspec.structs.replace(USABLE, status="experimental")
FIRST = Comparison(
    "equal",
    Shown(Fraction("18343.2"), Fraction("0.1")),
    Bracket(Fraction("18343.25"), Fraction("18343.26"), Fraction("0.01")),
)
SECOND = Comparison(
    "equal",
    Shown(Fraction("18346.2"), Fraction("0.1")),
    Bracket(Fraction("18346.25"), Fraction("18346.26"), Fraction("0.01")),
)
FEW = Comparison(
    "equal", Shown(Fraction(18), Fraction(1)), Bracket(Fraction("18.3"), Fraction("18.3"), Fraction("0.01"))
)
WRONG = Comparison("slip", FIRST.shown, FIRST.bracket, Fraction(1000))
IMPORT = Measurand.ACTIVE_ENERGY_IMPORT


def found(*rounds: Comparison, settings: Settings = Settings(), **more: object) -> Commissioned:  # noqa: B008
    one = Compared(IMPORT, rounds, tuple(range(1000, 1000 + len(rounds))))
    return Commissioned(
        meter="pv",
        who="Tran B",
        profile=EXPERIMENTAL,
        settings=settings,
        compared=(one,),
        **more,  # type: ignore[arg-type]
    )


def record(*rounds: Comparison, **more: object) -> Record:
    return commission_record.record(found(*rounds, **more), 5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("kept", "code"),
    [
        (None, "experimental_not_compared"),
        (record(FIRST, SECOND), None),
        (record(FIRST), None),
        (record(FEW), "experimental_not_convincing"),
        (record(WRONG), "experimental_not_convincing"),
        (record(FIRST, settings=Settings(word_order="little")), "experimental_changed"),
    ],
)
def test_what_an_experimental_profile_needs(kept: Record | None, code: str | None) -> None:
    refused = refusal("pv", EXPERIMENTAL, Settings(), kept)
    assert (refused.code.removeprefix("tool.") if refused else None) == code


def test_a_new_revision_must_be_compared_again_and_a_usable_profile_never() -> None:
    newer = msgspec.structs.replace(EXPERIMENTAL, revision=EXPERIMENTAL.revision + 1)
    refused = refusal("pv", newer, Settings(), record(FIRST, SECOND))
    assert refused is not None
    assert refused.code == "tool.experimental_changed"
    assert refusal("pv", USABLE, Settings(), None) is None


def test_grades() -> None:
    assert found(FIRST).decoded == "once"
    assert found(FIRST, SECOND).decoded == "proved"
    assert found(FIRST, FIRST).decoded == "once", "it has not moved"
    assert found(WRONG).decoded == "wrong"
    assert found().decoded == "unseen"
    assert not found(FIRST, SECOND).provisional
    assert found(FIRST, SECOND, reasons=(fault("tool.nameplate_missing"),)).provisional


def test_the_record_carries_what_was_compared_and_is_read_back() -> None:
    told = Installation({0: Fraction("53.2")}, "400/5", "import")
    kept = record(FIRST, SECOND, installation=told, model="SDM630", serial="21044711", raw={"i:72": "468f4e80"})
    again = commissioning.decode(commissioning.encode(kept))
    assert again == kept
    assert kept.details["clamp.l1"] == "53.2"
    assert kept.details["register.1.8.0.second.display"] == "18346.2 / 0.1"
    assert compared(again) == (Compared(IMPORT, (FIRST,), (1000,)),), "to be compared a second time another day"
    assert compared(record(WRONG)) == ()


def test_records_beside_the_site(tmp_path: Path) -> None:
    assert commission_gate.kept(tmp_path, "pv") is None
    folder = tmp_path / commission_gate.RECORDS
    folder.mkdir()
    (folder / "pv.json").write_bytes(commissioning.encode(record(FIRST)))
    assert commission_gate.kept(tmp_path, "pv") == record(FIRST)
    (folder / "pv.json").write_text("{")
    with pytest.raises(BadInput):
        commission_gate.kept(tmp_path, "pv")


def test_a_profile_beside_site_yaml(tmp_path: Path) -> None:
    own = tmp_path / profiles.OWN
    own.mkdir()
    text = profiles.source_text("eastron_sdm630").replace("id: eastron_sdm630", "id: our_meter")
    (own / "our_meter.yaml").write_text(text)
    assert profiles.beside(tmp_path).keys() == {"our_meter", *profiles.library()}
    (own / "other.yaml").write_text(text)
    (own / "eastron_sdm630.yaml").write_text(profiles.source_text("eastron_sdm630"))
    (own / "bad.yaml").write_text("id: bad\n")
    with pytest.raises(BadInput) as error:
        profiles.beside(tmp_path)
    codes = {found.code for found in error.value.faults}
    assert {"tool.profile_file_name", "tool.profile_taken", "config.missing"} <= codes
