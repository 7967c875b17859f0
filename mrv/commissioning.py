"""What a person did at a meter, as a record that becomes a `meter` leaf of the site's log.

Written by `mrv-meter commission` and `mrv-agent accept` as a small JSON file (drivers/spool.py), taken up by the agent
when it runs (agent/spool.py). Strict like everything that enters the log: one spelling is not asked of such a file, but
every field is checked and bounded. Opens no files.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from mrv.binding import METER_ID
from mrv.errors import BadInput, fault
from mrv.leaf import MeterEvent
from mrv.reading import ClockState

#: A record file may be this large (bytes); with its frame the leaf stays far below its own limit.
MAX_RECORD = 16 * 1024
#: Detail under which a leaf names the record it was made from (SHA-256 of the file): each is logged once.
RECORD = "record"

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
