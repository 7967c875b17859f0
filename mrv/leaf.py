"""Every leaf kind <-> canonical bytes (wire format v1, docs/wire.md).

Encoding is RFC 8785 JSON, at most 48 KiB. The bytes are stored, hashed and sent as they are: nobody re-serialises to
verify. A kind this version does not know decodes to None: it is kept and cosigned, never refused. Leaves carry no
index of themselves, so an unsent tail can be logged again under the next key epoch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Literal

import msgspec
import rfc8785

from mrv.errors import BadInput, fault
from mrv.reading import ClockState, Gap, Leaf, Reading, Stamped

MAX_LEAF = 48 * 1024
WIRE_VERSION = 1
#: Text carried by one blob leaf; small enough that JSON escaping cannot push the leaf over MAX_LEAF.
BLOB_CHUNK = 7 * 1024
#: The name of an event in a `meter` leaf.
EVENT = "^[a-z][a-z_]{0,31}$"


class Genesis(Leaf, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="genesis"):
    """The first leaf of a log. `enrolled` is "tofu" where trust on first use was allowed (demo only)."""

    version: int = msgspec.field(name="v")
    site: str
    origin: str
    epoch: int
    key: str
    ts: int
    enrolled: Literal["tofu", "approved"]
    previous: str | None = None


class Config(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="config"):
    """What the readings after it mean: digests (SHA-256, hex) of blobs in this log. Expected slots start here."""

    number: int = msgspec.field(name="n")
    agent: str
    tzdata: str
    plan: str
    binding: str
    profiles: dict[str, str]
    methodologies: dict[str, str]


class Blob(Leaf, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="blob"):
    """Part `index` of `count` of a text whose UTF-8 SHA-256 is `digest`."""

    digest: str = msgspec.field(name="d")
    index: int = msgspec.field(name="i")
    count: int = msgspec.field(name="n")
    text: str = msgspec.field(name="x")


class Boot(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="boot"):
    """The agent started. `boot` grows by one per kernel boot (`kernel` is its boot id), not per start of the agent."""

    kernel: str
    agent: str
    clean: bool


class Clock(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="clock"):
    """Starts an era: from here on, and back to the era before, boottime `boottime` of boot `boot` is UTC `ts`."""

    why: Literal["start", "sync", "lost", "step"]
    source: Literal["kernel", "assumed"]
    step: int = 0


class MeterEvent(Stamped, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="meter"):
    """What happened to a meter, or was found out or done about it, other than being read.

    `event` says what (docs/wire.md lists those that have a meaning; others are kept and mean nothing to figures), `who`
    is the person who answers for it, `details` are texts by name, `raw` what was on the wire as in a Reading.
    """

    meter: str = msgspec.field(name="m")
    config: int = msgspec.field(name="cf")
    event: Annotated[str, msgspec.Meta(pattern=EVENT)]
    who: str | None = None
    details: dict[str, str] = msgspec.field(name="d", default_factory=dict)
    raw: dict[str, str] | None = None


class UsedRegister(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Opening, closing and use of one register in native counts: `used` = `closing` - `opening` - `jumped`.

    `jumped` is what it moved by that is no energy (decided, mrv.counter). `by`: where the ratio is a register read with
    the counters, the parts of `used` by the ratio that scales them. `resolution` is the register's step where it stands
    now, if that is coarser than its last decimal.
    """

    opening: str = msgspec.field(name="o")
    closing: str = msgspec.field(name="c")
    used: str = msgspec.field(name="d")
    jumped: str | None = msgspec.field(name="x", default=None)
    by: dict[str, str] = {}
    resolution: str | None = msgspec.field(name="res", default=None)


class Stood(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a reading was taken, as its own stamp has it."""

    boot: int = msgspec.field(name="b")
    boottime: int = msgspec.field(name="bt")
    clock: ClockState = msgspec.field(name="c")


class Usage(Leaf, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="usage"):
    """One meter in one period [start, end), uncorrected. Empty `registers`: never read, which is not zero.

    `lost` is for how long (ms) no register says what flowed; `holds` why and since when a person has to decide;
    `suspect` the slot of the oldest reading not decided about; `stood` and `ratio` the stamp of a carried closing
    reading and the ratio read with it; `asleep` how many of `gap` an inverter slept through at night.
    """

    meter: str = msgspec.field(name="m")
    config: int = msgspec.field(name="cf")
    start: int = msgspec.field(name="from")
    end: int = msgspec.field(name="to")
    expected: int = msgspec.field(name="n")
    read: int
    gap: int
    opened: int | None = None
    closed: int | None = None
    registers: dict[str, UsedRegister] = msgspec.field(name="r")
    flags: tuple[str, ...] = ()
    lost: int = 0
    holds: dict[str, int] = msgspec.field(default_factory=dict)
    suspect: int | None = None
    stood: Stood | None = None
    ratio: str | None = None
    asleep: int = 0


class Indicative(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Indicative emissions of one project in kg CO2 equivalent, six decimals; all absent when an input is missing."""

    project: str = msgspec.field(name="p")
    methodology: str
    status: str
    reference: str | None = msgspec.field(name="re", default=None)
    emissions: str | None = msgspec.field(name="pe", default=None)
    reduction: str | None = msgspec.field(name="er", default=None)
    missing: tuple[str, ...] = ()


class Summary(Leaf, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, tag="summary"):
    """What the site says of one period [start, end); always the last leaf of its checkpoint."""

    seq: int
    rules: int
    start: int = msgspec.field(name="from")
    end: int = msgspec.field(name="to")
    config: int = msgspec.field(name="cf")
    expected: int = msgspec.field(name="n")
    read: int
    gap: int
    clock: ClockState = msgspec.field(name="c")
    usages: tuple[str, ...]
    projects: tuple[Indicative, ...]
    amends: str | None = None


AnyLeaf = Genesis | Config | Blob | Boot | Clock | Reading | Gap | MeterEvent | Usage | Summary
_DECODER: msgspec.json.Decoder[AnyLeaf] = msgspec.json.Decoder(AnyLeaf)
_FAST = msgspec.json.Encoder(order="sorted")
#: What the fast encoder and RFC 8785 might spell differently, beside keys beyond ASCII (their order): integers from
#: 2^53 on. Digits within a text (hex words) are none, and no leaf has a list of integers: each stands behind a colon.
_LARGE = re.compile(rb":-?[0-9]{16}")


class _Peek(msgspec.Struct):
    """Only the kind of a leaf."""

    kind: str = msgspec.field(name="k")


_KIND = msgspec.json.Decoder(_Peek)
KINDS = {str(cls.__struct_config__.tag): cls for cls in AnyLeaf.__args__}


def encode(leaf: AnyLeaf) -> bytes:
    """The canonical bytes of a leaf. Raises BadInput when they exceed MAX_LEAF."""
    data = _spelled(leaf)
    if len(data) > MAX_LEAF:
        raise BadInput(fault("log.leaf_too_large", kind=type(leaf).__name__, size=len(data), limit=MAX_LEAF))
    return data


def decode(data: bytes) -> AnyLeaf | None:
    """The leaf these bytes spell; None for a kind unknown to this version.

    Raises BadInput when the bytes are not a JSON object with a kind, or spell a known kind otherwise than `encode`.
    """
    problem: Exception | None = None
    try:
        leaf = _DECODER.decode(data)
        if _spelled(leaf) == data:
            return leaf
    except (msgspec.DecodeError, UnicodeError, RecursionError, rfc8785.CanonicalizationError) as error:
        problem = error
    kind = _kind(data)  # only where it is asked for: nearly every leaf is good
    if kind not in KINDS:
        return None
    if problem is None:
        raise BadInput(fault("log.leaf_not_canonical", kind=kind))
    raise BadInput(fault("log.leaf_malformed", kind=kind, problem=str(problem))) from problem


def _spelled(leaf: AnyLeaf) -> bytes:
    """RFC 8785 bytes: the fast encoder where it certainly writes the same, else the library."""
    data = _FAST.encode(leaf)
    return data if data.isascii() and not _LARGE.search(data) else rfc8785.dumps(msgspec.to_builtins(leaf))


def _kind(data: bytes) -> str:
    try:
        return _KIND.decode(data).kind
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise BadInput(fault("log.leaf_malformed", kind="?", problem=str(error))) from error


def digest(data: bytes) -> str:
    """SHA-256 in hex: how leaves and blobs name content."""
    return hashlib.sha256(data).hexdigest()


def canonical(value: object) -> bytes:
    """RFC 8785 bytes of a struct: what plans, bindings, profiles and methodologies are digested and carried as."""
    return rfc8785.dumps(msgspec.to_builtins(value, str_keys=True))


def blobs(content: bytes) -> Iterator[Blob]:
    """The blob leaves that carry `content` (UTF-8 text), in order; at least one."""
    text = content.decode()
    parts = [text[i : i + BLOB_CHUNK] for i in range(0, len(text), BLOB_CHUNK)] or [""]
    name = digest(content)
    for index, part in enumerate(parts):
        yield Blob(digest=name, index=index, count=len(parts), text=part)
