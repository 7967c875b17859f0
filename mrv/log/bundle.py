"""Leaves on their way: the C2SP entry bundle, and the uplink bundle that carries leaves [old, size) to the collector.

An uplink bundle is a 4-byte length, an RFC 8785 JSON header, and one gzip member of an entry bundle (docs/wire.md).
Everything is bounded before it is read, because bundles come from the network. Whether leaves fit the checkpoint is for
the receiver to find out with its tree; nothing here is verified.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec
import rfc8785

from mrv.errors import BadInput, fault
from mrv.leaf import MAX_LEAF

#: Most bytes of an uplink bundle as sent.
CAP = 128 * 1024
#: Most bytes of its JSON header: two notes.
MAX_HEADER = 16 * 1024
#: Most bytes of its entry bundle once decompressed.
MAX_PLAIN = 4 * 1024 * 1024
#: Level 6, raw deflate: the gzip frame is ours, so that it has one spelling on every platform.
_LEVEL, _RAW = 6, -zlib.MAX_WBITS
#: gzip, deflate, no flags, no time, no hints, unknown system (RFC 1952 section 2.3).
_GZIP = bytes((0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255))
_TRAILER = struct.Struct("<II")
_HEADER_LENGTH = struct.Struct(">I")
_ENTRY_LENGTH = struct.Struct(">H")


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands before the leaves: the size they start at, the newest receipt the site holds, its checkpoint."""

    version: Literal[1] = msgspec.field(name="v", default=1)
    old: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    receipt: str | None
    checkpoint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Leaves [old, size of checkpoint) of one log. `receipt` and `checkpoint` are notes, unverified."""

    old: int
    receipt: str | None
    checkpoint: str
    leaves: tuple[bytes, ...]


def entries(leaves: Iterable[bytes]) -> bytes:
    """Leaves as an entry bundle: each with its length as uint16, big-endian. Raises BadInput beyond MAX_LEAF."""
    parts = []
    for data in leaves:
        _check_entry(len(data))
        parts += [_ENTRY_LENGTH.pack(len(data)), data]
    return b"".join(parts)


def split(data: bytes) -> list[bytes]:
    """The leaves of an entry bundle. Raises BadInput."""
    leaves: list[bytes] = []
    at = 0
    while at < len(data):
        start = at + _ENTRY_LENGTH.size
        length = int.from_bytes(data[at:start], "big")
        at = start + length
        if at > len(data):
            raise BadInput(fault("log.entries_truncated", index=len(leaves)))
        _check_entry(length)
        leaves.append(data[start:at])
    return leaves


def pack(bundle: Bundle) -> bytes:
    """The bytes of an uplink bundle. Raises BadInput when they exceed CAP or a bound of their parts."""
    fields = Header(old=bundle.old, receipt=bundle.receipt, checkpoint=bundle.checkpoint)
    header = rfc8785.dumps(msgspec.to_builtins(fields))
    _check_header(len(header))
    data = b"".join((_HEADER_LENGTH.pack(len(header)), header, _compressed(entries(bundle.leaves))))
    _check_cap(len(data), CAP)
    return data


def read_header(data: bytes, *, cap: int = CAP) -> Header:
    """The header alone: what can still be answered when the leaves cannot be read. Raises BadInput."""
    return _split_header(data, cap)[0]


def unpack(data: bytes, *, cap: int = CAP) -> Bundle:
    """Read an uplink bundle of at most `cap` bytes. Raises BadInput; never inflates more than MAX_PLAIN bytes."""
    header, member = _split_header(data, cap)
    leaves = tuple(split(_decompressed(member)))
    return Bundle(old=header.old, receipt=header.receipt, checkpoint=header.checkpoint, leaves=leaves)


def _split_header(data: bytes, cap: int) -> tuple[Header, bytes]:
    _check_cap(len(data), cap)
    start = _HEADER_LENGTH.size
    length = int.from_bytes(data[:start], "big")
    _check_header(length)
    if start + length > len(data):
        raise BadInput(fault("log.bundle_truncated"))
    raw, member = data[start : start + length], data[start + length :]
    try:
        header = msgspec.json.decode(raw, type=Header)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(fault("log.bundle_header_malformed", problem=str(error))) from error
    if rfc8785.dumps(msgspec.to_builtins(header)) != raw:
        raise BadInput(fault("log.bundle_header_not_canonical"))
    return header, member


def _compressed(plain: bytes) -> bytes:
    if len(plain) > MAX_PLAIN:
        raise BadInput(fault("log.bundle_plain_too_large", limit=MAX_PLAIN))
    deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
    return b"".join((_GZIP, deflate.compress(plain), deflate.flush(), _TRAILER.pack(zlib.crc32(plain), len(plain))))


def _decompressed(member: bytes) -> bytes:
    """The content of the one gzip member, of MAX_PLAIN bytes at most. Raises BadInput."""
    if not member.startswith(_GZIP):
        raise BadInput(fault("log.bundle_gzip_header"))
    inflate = zlib.decompressobj(_RAW)
    try:
        plain = inflate.decompress(member[len(_GZIP) :], MAX_PLAIN + 1)
    except zlib.error as error:
        raise BadInput(fault("log.bundle_corrupt", problem=str(error))) from error
    if len(plain) > MAX_PLAIN:
        raise BadInput(fault("log.bundle_plain_too_large", limit=MAX_PLAIN))
    if not inflate.eof or len(inflate.unused_data) < _TRAILER.size:
        raise BadInput(fault("log.bundle_truncated"))
    if len(inflate.unused_data) > _TRAILER.size:
        raise BadInput(fault("log.bundle_trailing"))
    if inflate.unused_data != _TRAILER.pack(zlib.crc32(plain), len(plain)):
        raise BadInput(fault("log.bundle_checksum"))
    return plain


def _check_entry(length: int) -> None:
    if length > MAX_LEAF:
        raise BadInput(fault("log.leaf_too_large", kind="entry", size=length, limit=MAX_LEAF))


def _check_header(length: int) -> None:
    if length > MAX_HEADER:
        raise BadInput(fault("log.bundle_header_too_large", size=length, limit=MAX_HEADER))


def _check_cap(length: int, cap: int) -> None:
    if length > cap:
        raise BadInput(fault("log.bundle_too_large", size=length, limit=cap))


class Gauge:
    """How large the bundle of the leaves since the last checkpoint would be, while they are appended.

    Before each leaf ask `takes`; if it says no, cut a checkpoint and start a new Gauge. After each, `full` says that a
    checkpoint is due. Bundles cut so never exceed CAP or MAX_PLAIN, whatever the leaves and the notes in the header.
    """

    #: A checkpoint is due at this size.
    DUE = 96 * 1024
    #: Room for the compressed leaves once the header may be as large as it likes.
    _ROOM = CAP - MAX_HEADER - _HEADER_LENGTH.size - len(_GZIP) - _TRAILER.size
    #: More leaves can spoil the Huffman code of the block that was open at the last measurement: at most a bit for each
    #: of its 16,384 symbols, and a code table. The property test looks for more.
    _SPOILT = 4 * 1024

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, _RAW)
        self._written = 0
        self._measured = 0
        self._since = 0
        self._plain = 0

    def takes(self, data: bytes) -> bool:
        """Whether `data` fits into the bundle with certainty. An empty Gauge takes every leaf."""
        more = _ENTRY_LENGTH.size + len(data)
        if self._plain + more > MAX_PLAIN:
            return False
        if self._most(more) > self._ROOM:
            self._measure()
        return self._most(more) <= self._ROOM

    def add(self, data: bytes) -> None:
        """Count one more leaf. Raises BadInput beyond MAX_LEAF."""
        entry = entries((data,))
        self._written += len(self._deflate.compress(entry))
        self._since += len(entry)
        self._plain += len(entry)
        if self.size > self.DUE:
            self._measure()

    @property
    def size(self) -> int:
        """Bytes of compressed leaves, overestimated by what came since the last measurement."""
        return self._measured + self._since

    @property
    def full(self) -> bool:
        """Whether a checkpoint is due."""
        return self.size > self.DUE or self._plain > MAX_PLAIN - MAX_LEAF

    def _most(self, more: int) -> int:
        """The most that the leaves and `more` bytes can come to: stored blocks at worst (zlib's deflateBound)."""
        plain = self._since + more
        return self._measured + plain + (plain >> 12) + (plain >> 14) + self._SPOILT

    def _measure(self) -> None:
        self._measured = self._written + len(self._deflate.copy().flush())
        self._since = 0
