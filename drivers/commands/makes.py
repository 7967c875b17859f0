"""What a make needs before it answers at all: for the technician whose meter is silent, and who reads its nameplate.

Some models are delivered speaking another protocol, with Modbus switched off, or serve one program at a time. On the
wire all of that is the same silence, so only a person can say which model it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from drivers.meters_page import serial
from mrv.errors import BadInput, fault
from mrv.messages import text
from mrv.profile import Profile


def chosen(library: Mapping[str, Profile], make: str) -> tuple[Profile, ...]:
    """The profiles whose id or maker contain `make`, else those whose models do. Raises BadInput: there is none."""
    wanted = _plain(make)
    known = [library[name] for name in sorted(library)] if wanted else []
    found = tuple(one for one in known if wanted in _plain(f"{one.id} {one.maker}"))
    found = found or tuple(one for one in known if any(wanted in _plain(model) for model in one.models))
    if not found:
        makers = ", ".join(sorted({profile.maker for profile in library.values()}))
        raise BadInput(fault("tool.no_such_make", make, makers=makers))
    return found


def needs(profile: Profile, tongue: str) -> tuple[str, ...]:
    """What must be so before this model answers, as far as it is known."""
    alone = profile.timing is not None and profile.timing.single_client
    return (*profile.prerequisites, *((text("tool.needs_one_client", tongue),) if alone else ()))


def told(found: Iterable[Profile], tongue: str) -> Iterator[str]:
    """Lines of text: each model with its factory setting, what it needs, and its keypad steps."""
    for profile in found:
        factory = serial(profile) or text("tool.factory_unknown", tongue)
        models = f"{profile.maker} {', '.join(profile.models)}"
        yield text("tool.needs_of", tongue, models=models, factory=factory)
        for line in needs(profile, tongue) or (text("tool.needs_nothing", tongue),):
            yield f"  - {line}"
        for line in profile.keypad:
            yield f"    {line}"


def _plain(words: str) -> str:
    return "".join(letter for letter in words.lower() if letter.isalnum())
