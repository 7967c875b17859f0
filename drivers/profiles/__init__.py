"""The profile library: one YAML file per meter family, shipped with the package (docs/profiles.md).

Loads and nothing else; what a profile may say is `mrv.profile`. A file's name is its id.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files

from mrv import strict
from mrv.errors import BadInput, fault
from mrv.profile import Profile


def load(text: str, source: str) -> Profile:
    """A profile from its YAML. Raises BadInput with every fault found."""
    return strict.decode(text, Profile, source).value


def source_text(profile_id: str) -> str:
    """The YAML as its author wrote it, comments and all. Raises BadInput for an id that is not in the library."""
    if profile_id not in names():
        raise BadInput(fault("meter.unknown_profile", name=profile_id, known=", ".join(names())))
    return (files(__package__) / f"{profile_id}.yaml").read_text(encoding="utf-8")


@cache
def names() -> tuple[str, ...]:
    """All ids, sorted."""
    entries = (entry.name for entry in files(__package__).iterdir())
    return tuple(sorted(name.removesuffix(".yaml") for name in entries if name.endswith(".yaml")))


@cache
def _loaded() -> tuple[Profile, ...]:
    return tuple(load(source_text(name), f"{name}.yaml") for name in names())


def library() -> dict[str, Profile]:
    """All profiles by id."""
    return {profile.id: profile for profile in _loaded()}
