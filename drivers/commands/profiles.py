"""`mrv-meter profiles`: the meters this program can read, and what is known about each."""

from __future__ import annotations

import argparse
from typing import Any

from drivers import profiles
from drivers.commands.common import command, emit, headed, language, show
from mrv.errors import BadInput, fault
from mrv.messages import text
from mrv.profile import MEASURANDS, Profile


def add(commands: Any) -> None:
    example = "mrv-meter profiles eastron_sdm630"
    parser = command(commands, "profiles", "list the meters this program can read, or all about one", example)
    parser.add_argument("id", nargs="?", metavar="ID", help="one profile, in full")
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    library, tongue = profiles.library(), language(arguments.lang)
    if arguments.id is None:
        return _list([library[name] for name in sorted(library)], tongue, as_document=arguments.json)
    if arguments.id not in library:
        raise BadInput(fault("meter.unknown_profile", name=arguments.id, known=", ".join(sorted(library))))
    if arguments.json:
        emit(described(library[arguments.id]))
    else:
        _print(library[arguments.id], tongue)
    return 0


def described(profile: Profile) -> dict[str, Any]:
    """All there is to know before wiring a meter, for scripts."""
    return {
        "id": profile.id,
        "revision": profile.revision,
        "maker": profile.maker,
        "models": list(profile.models),
        "kind": profile.kind,
        "confidence": profile.confidence,
        "energy": energy(profile),
        "values": sorted(profile.values),
        "caveats": list(profile.caveats),
        "sources": list(profile.sources),
    }


def energy(profile: Profile) -> list[str]:
    """The cumulative registers, those the agent reads first."""
    named = [name for name in (*profile.read, *sorted(profile.values)) if MEASURANDS[name].cumulative]
    return list(dict.fromkeys(named))


def _list(found: list[Profile], tongue: str, *, as_document: bool) -> int:
    if as_document:
        emit({"profiles": [described(profile) for profile in found]})
        return 0
    rows = [(p.id, p.maker, ", ".join(p.models), p.confidence, ", ".join(energy(p)[:3])) for p in found]
    show(headed(("profile", "maker", "models", "confidence", "energy"), tongue), rows)
    return 0


def _print(profile: Profile, tongue: str) -> None:
    print(f"{profile.id} (revision {profile.revision}): {profile.maker} {', '.join(profile.models)}")
    print(f"{text('tool.column_confidence', tongue)}: {profile.confidence}")
    print(f"{text('tool.column_energy', tongue)}: {', '.join(energy(profile))}")
    for title, lines in (("caveats", profile.caveats), ("sources", profile.sources)):
        print(f"\n{text(f'tool.{title}', tongue)}:")
        for line in lines:
            print(f"  - {line}")
