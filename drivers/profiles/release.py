"""`python -m drivers.profiles.release`: the lines that `mrv/released.txt` lacks (`make release` adds them)."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from drivers import profiles
from mrv import known, leaf
from mrv.methodology import catalogue


def lines() -> Iterator[str]:
    """One for every profile and methodology that came with this version and whose state is not listed."""
    for name, profile in profiles.library().items():
        digest = leaf.digest(leaf.canonical(profile))
        if not known.profile(name, digest) and digest not in known.WITHDRAWN:
            yield f"profile {name} {digest}\n"
    for name, methodology in catalogue.library().items():
        digest = leaf.digest(leaf.canonical(methodology))
        if not known.methodology(name, digest) and digest not in known.WITHDRAWN:
            yield f"methodology {name} {digest}\n"


if __name__ == "__main__":
    sys.stdout.writelines(lines())
