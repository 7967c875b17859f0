"""What a profile may not say of itself, though every part of it is well formed.

`faults(profile)` are complaints as `mrv.strict` takes them; `Profile.check` hands them on. References that lead
nowhere, registers given to two values, and ratios that would multiply twice or not at all are found here, before a
meter is ever read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mrv.measurand import MEASURANDS
from mrv.profile_parts import Table, fits
from mrv.strict import Complaint, Path

if TYPE_CHECKING:
    from mrv.profile import Profile


def faults(profile: Profile) -> Iterator[Complaint]:
    """Everything wrong between the parts of `profile`."""
    yield from _names(profile)
    for kind, patterns in profile.sentinels.items():
        for index, pattern in enumerate(patterns):
            yield from fits(("sentinels", kind, index), pattern, kind)
    yield from _overlaps(profile)
    yield from _torn(profile)
    yield from _factors(profile)
    yield from _ratios(profile)
    yield from _energy(profile)
    yield from _device(profile)


def _names(profile: Profile) -> Iterator[Complaint]:
    for name in profile.values:
        if name not in MEASURANDS:
            yield ("values", name), "meter.unknown_measurand", {"name": name}
    for path, name in _named(profile):
        if name not in profile.values:
            yield path, "meter.value_not_described", {"name": name}


def _named(profile: Profile) -> Iterator[tuple[Path, str]]:
    for index, name in enumerate(profile.read):
        yield ("read", index), name
    for index, group in enumerate(profile.atomic):
        for position, name in enumerate(group):
            yield ("atomic", index, position), name


def _overlaps(profile: Profile) -> Iterator[Complaint]:
    """Two values must not share a register, unless one is only ever read alone: it means something else then."""
    taken: dict[tuple[Table, int], str] = {}
    for name in (name for name, value in profile.values.items() if not value.alone or name in profile.read):
        places = [(span.table, at) for span in profile.number_spans(name) for at in range(span.at, span.end)]
        other = next((taken[place] for place in places if place in taken), None)
        if len(set(places)) < len(places):
            other = name
        if other:
            yield ("values", name, "at"), "meter.values_overlap", {"name": name, "other": other}
        taken.update(dict.fromkeys(places, name))


def _torn(profile: Profile) -> Iterator[Complaint]:
    """An atomic group cannot span two tables: they are never read by one request."""
    for index, group in enumerate(profile.atomic):
        tables = {profile.table_of(profile.values[name]) for name in group if name in profile.values}
        if len(tables) > 1:
            yield ("atomic", index), "meter.atomic_in_two_tables", {"group": ", ".join(group)}


def _factors(profile: Profile) -> Iterator[Complaint]:
    for path, name in _factor_uses(profile):
        if name not in profile.factors:
            yield path, "meter.unknown_factor", {"name": name, "known": ", ".join(profile.factors) or "-"}
        elif path[0] == "factors" and profile.factors[name].times:
            yield path, "meter.factor_nested", {"name": name}
        elif path[0] == "ratio" and profile.factors[name].is_parameter:
            yield path, "meter.ratio_not_read", {"name": name}


def _factor_uses(profile: Profile) -> Iterator[tuple[Path, str]]:
    for name, value in profile.values.items():
        yield from ((("values", name, "scaled_by", index), factor) for index, factor in enumerate(value.scaled_by))
    for name, factor in profile.factors.items():
        yield from ((("factors", name, "times", index), other) for index, other in enumerate(factor.times))
    for side in ("ct", "vt"):
        yield from ((("ratio", side, index), name) for index, name in enumerate(getattr(profile.ratio, side, ())))


def _ratios(profile: Profile) -> Iterator[Complaint]:
    """Exactly one source: secondary rows need one, primary rows bear none, and all counters have the same.

    Where none is said, a ratio in site.yaml would be believed whatever the meter does: only what is never read may.
    """
    source = profile.ratio.source if profile.ratio else None
    if source is None and profile.status != "documented":
        yield ("ratio",), "meter.ratio_unsaid", {}
    for name, value in profile.values.items():
        nothing = source not in {"register", "site"} or (source == "register" and not profile.ratio_names(name))
        if value.ratio and nothing:
            yield ("values", name, "ratio"), "meter.ratio_without_source", {"name": name}
    sides = {profile.values[name].ratio for name in profile.counters}
    if source in {"register", "site"} and (len(sides) > 1 or sides == {None}):
        yield ("ratio",), "meter.ratio_of_counters", {"counters": ", ".join(profile.counters)}


def _energy(profile: Profile) -> Iterator[Complaint]:
    if profile.status != "documented" and not any(name in profile.read for name in profile.counters):
        yield ("read",), "meter.no_energy", {"status": profile.status}


def _device(profile: Profile) -> Iterator[Complaint]:
    names = Counter(item.name for item in profile.fingerprint)
    for index, item in enumerate(profile.fingerprint):
        if item.name is None or names[item.name] > 1:
            yield ("fingerprint", index, "name"), "meter.fingerprint_name", {}
    for index, variant in enumerate(profile.variants):
        if variant.profile == profile.id:
            yield ("variants", index, "profile"), "meter.variant_of_itself", {"profile": profile.id}
    if profile.sunspec and not profile.relative:
        yield ("relative",), "meter.sunspec_not_relative", {}
