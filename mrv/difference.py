"""Where two values of one kind differ, as a person reads it: `projects[0].er=1.000000`, by their names on the wire.

For findings only; nothing is decided by it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

#: So many differing places are told, each of so many characters: a finding is read by a person.
PLACES, LENGTH = 6, 80


def differing(one: msgspec.Struct, other: msgspec.Struct) -> str:
    """The places of `one` that `other` lacks or spells differently."""
    mine, theirs = (dict(_flat(msgspec.to_builtins(value), "")) for value in (one, other))
    found = [f"{place}={value}"[:LENGTH] for place, value in mine.items() if theirs.get(place) != value]
    rest = len(found) - PLACES
    return ", ".join(found[:PLACES]) + (f", ... ({rest} more)" if rest > 0 else "") or "nothing"


def listed(values: Mapping[str, str]) -> str:
    """Registers on one line, in the order of their codes."""
    return ", ".join(f"{name}={values[name]}" for name in sorted(values)) or "nothing"


def _flat(value: Any, place: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _flat(item, f"{place}.{name}" if place else str(name))
    elif isinstance(value, list | tuple):
        for number, item in enumerate(value):
            yield from _flat(item, f"{place}[{number}]")
    else:
        yield place, str(value)
