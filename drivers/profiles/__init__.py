"""The profile library: one YAML file per meter family, shipped with the package (docs/profiles.md).

Loads and nothing else; what a profile may say is `mrv.profile`. A file's name is its id. A site may have profiles of
its own beside its site.yaml (`beside`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path

from mrv import strict
from mrv.errors import BadInput, Fault, fault, raise_all
from mrv.profile import Profile

#: Folder of a site's own profiles, beside its site.yaml.
OWN = "profiles"


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
def _loaded(name: str) -> Profile:
    return load(source_text(name), f"{name}.yaml")


class Library(Mapping[str, Profile]):
    """Profiles by id; `own` has no name of ours.

    One of ours is read when it is asked for: a gateway uses three of them, and small processors take many seconds to
    read all.
    """

    def __init__(self, own: Mapping[str, Profile] | None = None) -> None:
        self._own = own or {}

    def __getitem__(self, name: str) -> Profile:
        return _loaded(name) if name in names() else self._own[name]

    def __contains__(self, name: object) -> bool:
        return name in names() or name in self._own

    def __iter__(self) -> Iterator[str]:
        yield from names()
        yield from self._own

    def __len__(self) -> int:
        return len(names()) + len(self._own)


def library() -> Library:
    """All profiles by id."""
    return Library()


def beside(site: Path) -> Library:
    """All profiles by id, with those of the site's own in `<site>/profiles/`.

    For a meter nobody has a profile for yet. It reads like any other, but a judge counts only with what was released
    (mrv.known), so the office needs the file too. Raises BadInput with every fault of every file; a name of the
    library is taken.
    """
    found: dict[str, Profile] = {}
    faults: list[Fault] = []
    for path in sorted((site / OWN).glob("*.yaml")):
        where = f"{OWN}/{path.name}"
        try:
            profile = load(path.read_text(encoding="utf-8"), where)
            faults += _misnamed(path, profile, where)
            found[profile.id] = profile
        except (OSError, UnicodeDecodeError) as error:
            faults.append(fault("tool.cannot_read", where, problem=error))
        except BadInput as error:
            faults += error.faults
    raise_all(faults)
    return Library(found)


def _misnamed(path: Path, profile: Profile, where: str) -> Iterator[Fault]:
    if profile.id != path.stem:
        yield fault("tool.profile_file_name", where, id=profile.id)
    if profile.id in names():
        yield fault("tool.profile_taken", where, id=profile.id)
