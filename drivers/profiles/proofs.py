"""How strong the proof of each profile is: where the meaning of the registers in its golden cases was taken from.

The cases are tests (tests/cases/<name>/case.yaml), so what follows from them lies here as data, `proofs.json`: for each
profile the origin of each value. `make meters` writes it from the cases and a test holds it to them. It is no part of a
profile: a capture that turns up later changes no digest and no reading.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal, get_args

import msgspec

from mrv.profile import MEASURANDS, Profile

#: Strongest first. `capture`: words off the wire of a real meter, and whoever took them said what they mean.
#: `other_program`: what another program printed of a real meter; the words were made from that. `datasheet_example`:
#: the maker's own worked example. `silent_capture`: words of a real meter, and nobody said what they mean.
#: `arithmetic`: words put together by hand from the register list, which prove the arithmetic and not the list.
Origin = Literal["capture", "other_program", "datasheet_example", "silent_capture", "arithmetic"]
ORIGINS: tuple[Origin, ...] = get_args(Origin)
#: Somebody else said what the words mean.
STATED = frozenset(ORIGINS[: ORIGINS.index("silent_capture")])
FILE = "proofs.json"


@dataclass(frozen=True, slots=True)
class Proof:
    """What vouches for a profile, None where nothing does: for the weakest of the energy registers that an agent reads,
    and at best for any of its values."""

    energy: Origin | None = None
    best: Origin | None = None


@cache
def origins() -> dict[str, dict[str, Origin]]:
    """The origin of every value that a golden case has, by profile and value."""
    data = (files(__package__) / FILE).read_bytes()
    return msgspec.json.decode(data, type=dict[str, dict[str, Origin]])


def proof(profile: Profile) -> Proof:
    """What vouches for `profile`; nothing, for a site's own."""
    return judged(profile, origins().get(profile.id, {}))


def stated(profile: Profile) -> bool:
    """Whether somebody else said what a register of active energy of such a device means: a profile that agents may
    read without a comparison with the display (`usable`) has that."""
    known = origins().get(profile.id, {})
    return any(known.get(name) in STATED for name in profile.counters if name.startswith("active_energy"))


def judged(profile: Profile, known: Mapping[str, Origin]) -> Proof:
    """The proof that `known`, the origin of each value, makes of `profile`."""
    credited = [name for name in profile.read if name in MEASURANDS and MEASURANDS[name].cumulative]
    found = [known.get(name) for name in credited]
    weakest = max((origin for origin in found if origin), key=ORIGINS.index, default=None)
    return Proof(energy=weakest if all(found) else None, best=min(known.values(), key=ORIGINS.index, default=None))
