"""What a site and its collector say to each other over the broker: topic names, answers, presence (docs/wire.md).

Bundles and receipts have their own formats (`mrv.log`). Everything here is unsigned: whoever holds the broker can forge
it, so an answer may make a site wait and alarm, and only the cosigned checkpoint inside a 409, once verified, may tell
it anything about its log.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Literal

import msgspec
import rfc8785

from mrv.errors import BadInput, fault

ROOT = "mrv/1"
#: Sizes from here on have no spelling in RFC 8785 JSON; no log comes near.
MAX_SIZE = 2**53
#: Longest answer a site reads: a cosigned checkpoint and a few words.
MAX_ANSWER = 16 * 1024
#: Retained; whether a collector is there to receive.
COLLECTOR_STATE = f"{ROOT}/collector/state"
SITE_ID = "^[a-z0-9-]{1,32}$"

Code = Literal[400, 403, 409]


def topic(site: str, channel: str) -> str:
    """The topic of `channel` (`up/log`, `up/summary`, `up/state`, `down/receipt`, `down/answer`) of one site."""
    return f"{ROOT}/{site}/{channel}"


def site_of(name: str) -> str:
    """The site a topic belongs to; empty when it is not one of ours."""
    parts = name.split("/")
    return parts[2] if len(parts) == 5 and "/".join(parts[:2]) == ROOT else ""


class Answer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why a bundle got no receipt; origin, size and root (base64) are those of the checkpoint it brought.

    400: the leaves do not give the root, send again. 403: this key may not write here. 409: `held` is the newest
    checkpoint the collector cosigned (absent: it holds nothing). `fault` is a message code for the site's status page.
    """

    version: Literal[1] = msgspec.field(name="v")
    code: Code
    origin: Annotated[str, msgspec.Meta(max_length=255)]
    size: Annotated[int, msgspec.Meta(ge=0, lt=MAX_SIZE)]
    root: Annotated[str, msgspec.Meta(max_length=44)]
    fault: Annotated[str, msgspec.Meta(max_length=80)]
    held: str | None = None


class Presence(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The retained state of a collector or a site's agent; the broker publishes `offline` as its last will."""

    version: Literal[1] = msgspec.field(name="v")
    state: Literal["online", "offline"]


def encode(value: Answer | Presence) -> bytes:
    """RFC 8785 bytes."""
    return rfc8785.dumps(msgspec.to_builtins(value))


def answer(payload: bytes) -> Answer:
    """Read an answer. Raises BadInput; what it says is unsigned."""
    if len(payload) > MAX_ANSWER:
        raise BadInput(fault("log.answer_malformed", problem="too long"))
    try:
        found = msgspec.json.decode(payload, type=Answer)
        base64.b64decode(found.root, validate=True)
    except (msgspec.DecodeError, UnicodeDecodeError, binascii.Error) as error:
        raise BadInput(fault("log.answer_malformed", problem=str(error))) from error
    return found


def presence(payload: bytes) -> Presence:
    """Read a presence. Raises BadInput; what it says is unsigned."""
    try:
        return msgspec.json.decode(payload[:MAX_ANSWER], type=Presence)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(fault("log.presence_malformed", problem=str(error))) from error
