"""The ways one profile can be read: function code x register offset x word order, ranked by what then makes sense.

A meter that was re-configured, a clone, a gateway that counts from one, or a profile that rests on one source: each
shows the right numbers under exactly one variant, and nonsense or refusals under the others. Registers are asked for
once per table and offset; orders are a matter of decoding.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

import msgspec

from drivers.candidate import Candidate, ranked
from drivers.identify import Interview, sampled
from mrv.binding import Settings
from mrv.profile import WORDS, Profile

#: Profiles whose variants are tried; the others are only tried as they stand.
MOST_PROFILES = 5
#: Variants shown to a person.
BEST = 5
#: Points below which nothing is clear (hertz and one voltage make nine).
CLEAR = 9
#: Points by which the best must lead another profile to be taken without asking: three voltages.
LEAD = 9


def variants(profile: Profile, known: Settings) -> Iterator[Settings]:
    """Every variant of `known`, itself first."""
    orders: tuple[Literal["big", "little"] | None, ...] = (None,)
    if any(WORDS[value.type] > 1 for value in profile.values.values()):
        orders = (None, "little" if profile.word_order == "big" else "big")
    tables: tuple[Literal["holding", "input"] | None, ...] = (
        None,
        "input" if profile.table == "holding" else "holding",
    )
    offsets: tuple[Literal[-1, 1] | None, ...] = (None,) if profile.relative else (None, -1, 1)
    for table, offset, order in itertools.product(tables, offsets, orders):
        yield msgspec.structs.replace(known, table=table, offset=offset, word_order=order)


async def tried(interview: Interview, first: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """All variants of the most plausible of `first`, best first; those that say nothing sensible are left out."""
    found = []
    for candidate in tuple(first)[:MOST_PROFILES]:
        for settings in variants(candidate.profile, candidate.settings):
            found.append(await sampled(interview, candidate.replaced(settings)))
    return ranked(one for one in found if one.score > 0)


def distinct(found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """One of each that would read the same: a meter that mirrors its tables says everything twice."""
    seen: set[tuple[object, ...]] = set()
    kept = []
    for one in found:
        said = (one.profile.id, *sorted((m.name, value) for m, value in one.values.items()))
        if said not in seen:
            seen.add(said)
            kept.append(one)
    return tuple(kept)


def clear(found: Sequence[Candidate]) -> bool:
    """Whether the first is so much better than every other profile that nobody needs to choose."""
    best = found[0]
    rivals = (one.score for one in found if one.profile.id != best.profile.id and one.identified == best.identified)
    return best.score >= CLEAR and best.score >= max(rivals, default=0) + LEAD
