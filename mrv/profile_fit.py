"""Whether a meter's settings fit its profile: what site.yaml must say, and what it must not.

Pure, so that the wiring is checked with it before a meter is read, and a binding can be when it is judged. Above all it
keeps to one source of the transformer ratio: two would multiply every kilowatt-hour twice.
"""

from __future__ import annotations

from collections.abc import Iterator

from mrv.binding import Settings
from mrv.number import in_bounds
from mrv.profile import Profile
from mrv.profile_parts import out_of
from mrv.strict import Complaint


def misfits(profile: Profile, settings: Settings) -> Iterator[Complaint]:
    """What is wrong with `settings` for a meter read by `profile`; paths are the settings' names."""
    yield from _base(profile, settings)
    yield from _ratio(profile, settings)
    yield from _summation(profile, settings)
    yield from _parameters(profile, settings)


def _base(profile: Profile, settings: Settings) -> Iterator[Complaint]:
    if profile.relative and settings.base is None:
        yield ("base",), "meter.base_missing", {"profile": profile.id}
    elif not profile.relative and settings.base is not None:
        yield ("base",), "meter.base_not_used", {"profile": profile.id}
    elif settings.shift + profile.reach > 65536:
        yield ("base",), "meter.base_too_high", {"base": settings.base or 0, "highest": 65536 - profile.reach}


def _ratio(profile: Profile, settings: Settings) -> Iterator[Complaint]:
    if profile.ratio is None:
        return
    given = [name for name in ("ratio", "vt_ratio") if getattr(settings, name) is not None]
    if profile.ratio.source == "site":
        if settings.ratio is None:
            yield ("ratio",), "meter.ratio_missing", {"profile": profile.id}
        return
    code = "meter.ratio_twice_meter" if profile.ratio.source == "meter" else "meter.ratio_twice_register"
    for name in given:
        yield (name,), code, {"profile": profile.id}


def _summation(profile: Profile, settings: Settings) -> Iterator[Complaint]:
    if profile.summation == "configurable" and settings.summation is None:
        yield ("summation",), "meter.summation_missing", {"profile": profile.id}
    elif settings.summation is not None and profile.summation not in {"configurable", "unknown", settings.summation}:
        known = {"profile": profile.id, "known": profile.summation}
        yield ("summation",), "meter.summation_contradicts", known


def _parameters(profile: Profile, settings: Settings) -> Iterator[Complaint]:
    wanted = {name for name in profile.factor_names(tuple(profile.values)) if profile.factors[name].is_parameter}
    for name in sorted(wanted - settings.parameters.keys()):
        note = profile.factors[name].note or name
        yield ("parameters",), "meter.parameter_missing", {"name": name, "note": note}
    for name, number in settings.parameters.items():
        if name not in wanted:
            yield ("parameters", name), "meter.parameter_not_used", {"name": name, "profile": profile.id}
        elif not (in_bounds(number) and number > 0):
            yield ("parameters", name), "config.out_of_range", out_of(number, "a number above 0")
