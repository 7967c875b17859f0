"""What a person did at a meter, as a record that becomes a `meter` leaf of the site's log.

Written by `mrv-meter commission` and `mrv-agent accept` as a small JSON file (drivers/spool.py), taken up by the agent
when it runs (agent/spool.py). Strict like everything that enters the log: one spelling is not asked of such a file, but
every field is checked and bounded. Opens no files.

An experimental profile rests on one source or on a related model, so a person's comparison with the display is the
evidence that it decodes this meter rightly: `shortfall` says what a comparison lacks for that, to the site before it
reads and to every judge of its log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated, Final, Literal

import msgspec

from mrv.binding import METER_ID, Settings
from mrv.errors import BadInput, fault
from mrv.leaf import MeterEvent
from mrv.profile import Profile
from mrv.reading import ClockState

#: A record file may be this large (bytes); with its frame the leaf stays far below its own limit.
MAX_RECORD = 16 * 1024
#: Detail under which a leaf names the record it was made from (SHA-256 of the file): each is logged once.
RECORD = "record"
#: The event of a comparison with the display.
COMMISSIONED: Final = "commissioned"
#: A single comparison counts when the display had so many steps: 4 digits that agree are no chance.
TELLING = 1000
#: What the display showed and its last digit's worth, bounded because a judge reads it in a site's log.
_DISPLAY = re.compile(r"([0-9]{1,20}(?:\.[0-9]{1,9})?) / ([0-9]{1,20}(?:\.[0-9]{1,9})?)")

#: What a person may record. `accepted` needs a name, because somebody answers for it.
Event = Literal["commissioned", "accepted", "noted"]
Text = Annotated[str, msgspec.Meta(max_length=2000)]
Key = Annotated[str, msgspec.Meta(pattern="^[a-z0-9][a-z0-9_.-]{0,47}$")]
Words = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{4}){1,125}$")]
Place = Annotated[str, msgspec.Meta(pattern="^[hi]:[0-9]{1,5}$")]


class Record(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One file of the spool.

    `made` is the wall clock of whoever wrote it (UTC ms; the leaf's own stamp is the agent's). `details` are texts by
    name, such as "register.2.8.0.display": "18343.2"; `raw` are words on the wire as in a reading leaf.
    """

    v: Literal[1] = 1
    event: Event
    meter: Annotated[str, msgspec.Meta(pattern=METER_ID)]
    who: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    made: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    details: Annotated[dict[Key, Text], msgspec.Meta(max_length=200)] = {}
    raw: Annotated[dict[Place, Words], msgspec.Meta(max_length=100)] = {}


def encode(record: Record) -> bytes:
    """The content of a spool file. Raises BadInput when `decode` would refuse it."""
    data = msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"
    decode(data)
    return data


def decode(data: bytes) -> Record:
    """The record in a spool file. Raises BadInput for anything else, or more than MAX_RECORD bytes."""
    if len(data) > MAX_RECORD:
        raise BadInput(fault("meter.record_too_large", size=len(data), limit=MAX_RECORD))
    try:
        record = msgspec.json.decode(data, type=Record)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadInput(fault("meter.record_malformed", problem=error)) from error
    if not record.who.strip() or RECORD in record.details:
        raise BadInput(fault("meter.record_malformed", problem="`who` is blank, or a detail is called `record`"))
    return record


def event(
    record: Record, digest: str, *, config: int, boot: int, boottime: int, ts: int, clock: ClockState
) -> MeterEvent:
    """The leaf of a record whose file has the SHA-256 `digest`, stamped by the agent that takes it up."""
    return MeterEvent(
        boot=boot,
        boottime=boottime,
        ts=ts,
        clock=clock,
        meter=record.meter,
        config=config,
        event=record.event,
        who=record.who,
        details={**record.details, "made": str(record.made), RECORD: digest},
        raw=record.raw or None,
    )


Shortfall = Literal["not_compared", "changed", "not_convincing"]


def shortfall(profile: Profile, name: str, settings: Settings, details: Mapping[str, str] | None) -> Shortfall | None:
    """What the comparison recorded as `details` (None: there is none) lacks for a meter with `settings` to count when
    it is read by `profile`, whose digest is `name`; None for a profile that needs no comparison.

    It counts for exactly the profile and settings it was made with: a later revision, or a word order changed in
    site.yaml, is another meter as far as decoding goes.
    """
    if profile.status != "experimental":
        return None
    if details is None:
        return "not_compared"
    made_with = (details.get("profile.digest"), details.get("settings"))
    if made_with != (name, spelled(settings)):
        return "changed"
    return None if _convincing(details) else "not_convincing"


def spelled(settings: Settings) -> str:
    """The settings as a record names them."""
    return msgspec.json.encode(settings).decode()


def _convincing(details: Mapping[str, str]) -> bool:
    """Every register compared was equal, and twice or with enough digits."""
    grades = {text for key, text in details.items() if key.startswith("register.") and key.endswith(".grade")}
    if details.get("decode") == "proved":
        return grades == {"proved"}
    heads = (key.removesuffix(".at") for key in details if key.startswith("register.") and key.endswith(".first.at"))
    return "wrong" not in grades and any(_telling(details, head) for head in heads)


def _telling(details: Mapping[str, str], head: str) -> bool:
    """Whether the first comparison of a register was equal with enough digits on the display ("18343.2 / 0.1")."""
    display = _DISPLAY.fullmatch(details.get(f"{head}.display", ""))
    if display is None or details.get(f"{head}.outcome") != "equal":
        return False
    value, step = map(Fraction, display.groups())
    return value >= TELLING * step > 0
