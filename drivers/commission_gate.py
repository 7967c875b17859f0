"""Whether a meter whose profile is only experimental may be read: somebody compared it with its display.

An experimental profile rests on one source or on a related model, so a person's comparison is the evidence that
it decodes this meter rightly. It counts for exactly the profile and settings it was made with: a later revision, or a
word order changed in site.yaml, is another meter as far as decoding goes.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from drivers.commission_record import compared
from mrv.binding import Settings
from mrv.commissioning import Record, decode
from mrv.errors import BadInput, Fault, fault
from mrv.leaf import canonical, digest
from mrv.profile import Profile

#: A single comparison counts when the display had so many steps: 4 digits that agree are no chance.
TELLING = 1000
#: Folder beside site.yaml with a copy of each meter's newest record.
RECORDS = "commissioning"


def refusal(meter: str, profile: Profile, settings: Settings, record: Record | None) -> Fault | None:
    """Why `meter` may not be read as `profile` yet; None for a profile that needs no comparison."""
    if profile.status != "experimental":
        return None
    if record is None or record.event != "commissioned":
        return fault("tool.experimental_not_compared", "", profile=profile.id, meter=meter)
    made_with = (record.details.get("profile.digest"), record.details.get("settings"))
    if made_with != (digest(canonical(profile)), msgspec.json.encode(settings).decode()):
        return fault("tool.experimental_changed", "", profile=profile.id, meter=meter)
    if not _convincing(record):
        return fault("tool.experimental_not_convincing", "", profile=profile.id, meter=meter)
    return None


def kept(site: Path, meter: str) -> Record | None:
    """The newest record of `meter` in the site's folder. Raises BadInput for a file that is none."""
    path = site / RECORDS / f"{meter}.json"
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(fault("tool.cannot_read", str(path), problem=error.strerror or error)) from error


def _convincing(record: Record) -> bool:
    """Every register compared was equal, and twice or with enough digits."""
    grades = {text for key, text in record.details.items() if key.startswith("register.") and key.endswith(".grade")}
    if record.details.get("decode") == "proved":
        return grades == {"proved"}
    first = [one.rounds[0] for one in compared(record)]
    return "wrong" not in grades and any(one.shown.value >= TELLING * one.shown.step for one in first)
