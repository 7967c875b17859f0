"""The profiles and methodologies this project has released, by digest: what a judge will decode and compute with.

A log carries its own profiles and methodologies, so that old logs can be judged for ever, but a site could carry a
profile that multiplies. A judge therefore uses only content whose digest stands in `released.txt` under its own name
(it came with the judge's copy of the software, not with the evidence), or that the office approved for this one site.
Nothing else from a log is ever decoded with or evaluated.

Lines of the file are only added. Content that turned out wrong gets a line that withdraws its digest and says why; then
nothing counted with it is admitted again, whoever approved it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from mrv.profile import Profile

FILE = "released.txt"


@dataclass(frozen=True, slots=True)
class Released:
    """Digests by name of what may be used, and of what must not be any more: why, by digest."""

    profiles: Mapping[str, frozenset[str]]
    methodologies: Mapping[str, frozenset[str]]
    withdrawn: Mapping[str, str]


def read(text: str) -> Released:
    """What the lines of `released.txt` say. A line is `profile NAME SHA-256`, `methodology NAME SHA-256` or
    `withdrawn SHA-256 WHY`; empty ones and those that begin with # say nothing. Raises ValueError for any other."""
    found: dict[str, dict[str, set[str]]] = {"profile": {}, "methodology": {}}
    withdrawn = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        kind, one, other = line.split(" ", 2)
        if kind == "withdrawn":
            withdrawn[one] = other
        elif kind in found:
            found[kind].setdefault(one, set()).add(other)
        else:
            raise ValueError(f"{FILE}: {line}")
    profiles, methodologies = (
        {name: frozenset(digests - withdrawn.keys()) for name, digests in kinds.items()} for kinds in found.values()
    )
    return Released(profiles, methodologies, withdrawn)


_RELEASED = read((files("mrv") / FILE).read_text(encoding="utf-8"))
#: Profile id -> SHA-256 of `mrv.leaf.canonical(profile)` of every revision.
PROFILES = _RELEASED.profiles
#: Methodology name -> SHA-256 of `mrv.leaf.canonical(methodology)` of every state it was released in.
METHODOLOGIES = _RELEASED.methodologies
#: SHA-256 of what was released and must not be used any more -> why.
WITHDRAWN = _RELEASED.withdrawn


def profile(name: str, digest: str) -> bool:
    """Whether `digest` is a released state of the profile called `name`."""
    return digest in PROFILES.get(name, frozenset())


def methodology(name: str, digest: str) -> bool:
    """Whether `digest` is a released state of the methodology called `name`."""
    return digest in METHODOLOGIES.get(name, frozenset())


def trusted(name: str, digest: str, content: Profile | None, approved: frozenset[str]) -> bool:
    """Whether a judge decodes with `content` of `digest`, which a log calls `name`: released, or among the digests
    `approved` for its site. A digest is of the id, too: content the office approved counts under no other name."""
    own = digest in approved and digest not in WITHDRAWN and content is not None and content.id == name
    return own or profile(name, digest)
