"""Register words from public sources with what they mean: `tests/cases/<name>/case.yaml`."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec

from mrv import codec, strict
from mrv.binding import Settings
from mrv.codec import Words
from mrv.profile import MEASURANDS, Profile

ROOT = Path(__file__).parent / "cases"


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a meter said, and what it meant. None of it was produced by this project's encoder."""

    what: str
    sources: tuple[str, ...]
    profile: str
    raw: dict[str, str]
    settings: Settings = Settings()
    #: SunSpec points (raw numbers) an independent library makes the words from.
    points: dict[str, Decimal] = {}
    values: dict[str, str] = {}
    absent: dict[str, str] = {}

    @property
    def words(self) -> Words:
        return codec.unpack(self.raw)


def load(name: str) -> Case:
    path = ROOT / name / "case.yaml"
    return strict.decode(path.read_text(encoding="utf-8"), Case, f"{name}/case.yaml").value


def names() -> list[str]:
    return sorted(path.parent.name for path in ROOT.glob("*/case.yaml") if _is_meter(path))


def _is_meter(path: Path) -> bool:
    return any(line.startswith("profile:") for line in path.read_text(encoding="utf-8").splitlines())


def wired(profile: Profile, **changes: object) -> Settings:
    """Settings a meter of `profile` could have in site.yaml: everything the profile asks for, and `changes`."""
    parameters = {name: Decimal(5) for name, factor in profile.factors.items() if factor.is_parameter}
    given: dict[str, object] = {
        "base": 40069 if profile.relative else None,
        "ratio": "400/5" if profile.ratio and profile.ratio.source == "site" else None,
        "summation": "vector" if profile.summation == "configurable" else None,
        "parameters": parameters,
    }
    return Settings(**(given | changes))  # type: ignore[arg-type]


def by_name(values: dict[object, object]) -> dict[str, str]:
    """Decoded values or absences by their profile names, as text."""
    names_of = {measurand: name for name, measurand in MEASURANDS.items()}
    return {names_of[measurand]: str(value) for measurand, value in values.items()}  # type: ignore[index]
