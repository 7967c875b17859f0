"""Whether a meter whose profile is only experimental may be read: somebody compared it with its display.

What a comparison must be is said in mrv.commissioning, for the office holds the log to the same. Here are the record
that lies beside site.yaml and what the technician is told.
"""

from __future__ import annotations

from pathlib import Path

from mrv.binding import Settings
from mrv.commissioning import COMMISSIONED, Record, decode, shortfall
from mrv.errors import BadInput, Fault, fault
from mrv.leaf import canonical, digest
from mrv.profile import Profile

#: Folder beside site.yaml with a copy of each meter's newest record.
RECORDS = "commissioning"


def refusal(meter: str, profile: Profile, settings: Settings, record: Record | None) -> Fault | None:
    """Why `meter` may not be read as `profile` yet; None for a profile that needs no comparison."""
    made = record.details if record is not None and record.event == COMMISSIONED else None
    lacking = shortfall(profile, digest(canonical(profile)), settings, made)
    return fault(f"tool.experimental_{lacking}", "", profile=profile.id, meter=meter) if lacking else None


def kept(site: Path, meter: str) -> Record | None:
    """The newest record of `meter` in the site's folder. Raises BadInput for a file that is none."""
    path = site / RECORDS / f"{meter}.json"
    try:
        return decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise BadInput(fault("tool.cannot_read", str(path), problem=error.strerror or error)) from error
