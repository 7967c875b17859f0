"""`mrv-meter profiles`: the meters this program can read, and what is known about each."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from drivers import profiles
from drivers.commands import makes
from drivers.commands.common import command, emit, headed, language, show, site_folder
from drivers.dialogue import folded
from drivers.meters_page import described, energy, page, serial
from drivers.profiles.proofs import proof
from mrv.messages import text
from mrv.profile import Profile


def add(commands: Any) -> None:
    example = "mrv-meter profiles eastron_sdm630"
    parser = command(commands, "profiles", "list the meters this program can read, or all about one", example)
    parser.add_argument("id", nargs="?", metavar="ID", help="one profile in full, or those of a maker or model")
    parser.add_argument("--markdown", action="store_true", help="print the released ones as docs/meters.md")
    site_folder(parser)
    parser.set_defaults(command=run)


def run(arguments: argparse.Namespace) -> int:
    if arguments.markdown:
        print(page(profiles.library().values()), end="")
        return 0
    library, tongue = profiles.beside(arguments.dir), language(arguments.lang)
    if arguments.id is None:
        return _list([library[name] for name in sorted(library)], tongue, as_document=arguments.json)
    found = (library[arguments.id],) if arguments.id in library else makes.chosen(library, arguments.id)
    if len(found) > 1:
        return _list(list(found), tongue, as_document=arguments.json)
    if arguments.json:
        emit(described(found[0]))
    else:
        _print(found[0], tongue)
    return 0


def _list(found: list[Profile], tongue: str, *, as_document: bool) -> int:
    if as_document:
        emit({"profiles": [described(profile) for profile in found]})
        return 0
    rows = [
        (p.id, p.maker, ", ".join(p.models), _status(p, tongue), p.confidence, _proof(p, tongue), serial(p))
        for p in found
    ]
    show(headed(("profile", "maker", "models", "status", "confidence", "proof", "serial_line"), tongue), rows)
    return 0


def _print(profile: Profile, tongue: str) -> None:
    print(f"{profile.id} (revision {profile.revision}): {profile.maker} {', '.join(profile.models)}")
    for name, said in (
        ("status", _status(profile, tongue)),
        ("confidence", profile.confidence),
        ("proof", _proof(profile, tongue)),
        ("energy", ", ".join(energy(profile)) or "-"),
        ("serial_line", serial(profile) or "-"),
    ):
        print(f"{text(f'tool.column_{name}', tongue)}: {said}")
    told = (
        ("prerequisites", makes.needs(profile, tongue)),
        ("keypad", profile.keypad),
        ("caveats", profile.caveats),
        ("sources", profile.sources),
    )
    for title, lines in told:
        if lines:
            print(f"\n{text(f'tool.{title}', tongue)}:")
            for line in lines:
                print(folded(f"  - {line}", sys.stdout))


def _status(profile: Profile, tongue: str) -> str:
    return text(f"tool.status_{profile.status}", tongue)


def _proof(profile: Profile, tongue: str) -> str:
    """What vouches for its energy registers, and for the best proved value where that is stronger."""
    found = proof(profile)
    energy, best = (text(f"tool.proof_{origin or 'none'}", tongue) for origin in (found.energy, found.best))
    return energy if energy == best else text("tool.proof_at_best", tongue, energy=energy, best=best)
