"""Register words from public sources with what they mean: `tests/cases/<name>/case.yaml`.

Run as a program it writes what they prove of each profile, `drivers/profiles/proofs.json` (`make meters`).
"""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from pathlib import Path

import msgspec

from drivers import profiles
from drivers.profiles.proofs import ORIGINS, Origin
from mrv import codec, strict
from mrv.binding import Settings
from mrv.codec import Words
from mrv.profile import MEASURANDS, Profile, Ratio

ROOT = Path(__file__).parent / "cases"


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a meter said, and what it meant. None of it was produced by this project's encoder."""

    what: str
    sources: tuple[str, ...]
    #: What the expected values come from (drivers.profiles.proofs), and of single values where that differs.
    origin: Origin
    origins: dict[str, Origin] = {}
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


def behind_transformers(profile: Profile) -> Profile:
    """The same meter, named `ct_meter`, on the secondary side of transformers that it and we know nothing of: site.yaml
    must give the ratio (the source `site`)."""
    sides = {
        "V": "vt",
        "A": "ct",
        "W": "ct_vt",
        "var": "ct_vt",
        "VA": "ct_vt",
        "kWh": "ct_vt",
        "kvarh": "ct_vt",
        "kVAh": "ct_vt",
    }
    values = {
        name: msgspec.structs.replace(value, ratio=sides.get(MEASURANDS[name].unit))
        for name, value in profile.values.items()
    }
    return msgspec.structs.replace(profile, id="ct_meter", values=values, ratio=Ratio(source="site"), fingerprint=())


def by_name(values: dict[object, object]) -> dict[str, str]:
    """Decoded values or absences by their profile names, as text."""
    names_of = {measurand: name for name, measurand in MEASURANDS.items()}
    return {names_of[measurand]: str(value) for measurand, value in values.items()}  # type: ignore[index]


def proofs() -> dict[str, dict[str, Origin]]:
    """The strongest origin of every value that a case has, by profile and value."""
    found: dict[str, dict[str, Origin]] = {name: {} for name in profiles.names()}
    for case in map(load, names()):
        held = found[case.profile]
        for name in case.values:
            origins = {case.origins.get(name, case.origin), held.get(name, ORIGINS[-1])}
            held[name] = min(origins, key=ORIGINS.index)
    return {profile: dict(sorted(held.items())) for profile, held in found.items() if held}


def proofs_text() -> str:
    """One profile a line."""
    lines = (f"{json.dumps(profile)}: {json.dumps(held)}" for profile, held in proofs().items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


if __name__ == "__main__":
    sys.stdout.write(proofs_text())
