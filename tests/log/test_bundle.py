"""Bundles: what is packed comes back, what is no bundle is refused before it costs much, and none is too large."""

from __future__ import annotations

import gzip
import json
import random
import struct
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from mrv.errors import BadInput
from mrv.leaf import MAX_LEAF
from mrv.log.bundle import CAP, MAX_HEADER, MAX_PLAIN, Bundle, Gauge, entries, pack, read_header, split, unpack

LEAVES = (b'{"k":"a"}', b'{"k":"b","x":"' + b"y" * 100 + b'"}', b"")
GOOD = Bundle(old=5, receipt=None, checkpoint="note\n", leaves=LEAVES)


@given(
    st.integers(0, 2**53 - 1), st.none() | st.text(st.characters(blacklist_categories=["Cs"])), st.lists(st.binary())
)
def test_round_trip(old: int, receipt: str | None, leaves: list[bytes]) -> None:
    whole = Bundle(old=old, receipt=receipt, checkpoint="c — ü\n", leaves=tuple(leaves))
    data = pack(whole)
    assert unpack(data) == whole
    assert pack(unpack(data)) == data
    header = read_header(data)
    assert (header.old, header.receipt, header.checkpoint) == (old, receipt, "c — ü\n")


@given(st.lists(st.binary(max_size=300)))
def test_entry_bundles(leaves: list[bytes]) -> None:
    data = entries(leaves)
    assert split(data) == leaves
    assert len(data) == sum(len(leaf) + 2 for leaf in leaves)


def test_an_entry_bundle_is_lengths_and_bytes() -> None:
    assert entries([b"ab", b"", b"c" * 258]) == b"\x00\x02ab\x00\x00\x01\x02" + b"c" * 258


def test_entry_bundle_bounds() -> None:
    assert len(split(entries([bytes(MAX_LEAF)]))[0]) == MAX_LEAF
    with refused("log.leaf_too_large"):
        entries([bytes(MAX_LEAF + 1)])
    with refused("log.leaf_too_large"):
        split(struct.pack(">H", MAX_LEAF + 1) + bytes(MAX_LEAF + 1))
    for cut in (b"\x00", b"\x00\x02a", b"\x00\x01a\x00", b"\x00\x01a\x00\x01"):
        with refused("log.entries_truncated"):
            split(cut)


def parts(data: bytes) -> tuple[bytes, bytes]:
    length = int.from_bytes(data[:4], "big")
    return data[4 : 4 + length], data[4 + length :]


def joined(header: bytes, member: bytes) -> bytes:
    return len(header).to_bytes(4, "big") + header + member


def member_of(plain: bytes) -> bytes:
    """One gzip member around `plain`, whatever its size."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    body = deflate.compress(plain) + deflate.flush()
    return MEMBER[:10] + body + struct.pack("<II", zlib.crc32(plain), len(plain))


HEADER, MEMBER = parts(pack(GOOD))


def test_the_layout() -> None:
    assert HEADER == b'{"checkpoint":"note\\n","old":5,"receipt":null,"v":1}'
    assert MEMBER[:10].hex() == "1f8b08000000000000ff"
    assert gzip.decompress(MEMBER) == entries(LEAVES)


@pytest.mark.parametrize(
    "header",
    [
        {},
        {"v": 1, "old": 5, "checkpoint": "c"},
        {"v": 2, "old": 5, "receipt": None, "checkpoint": "c"},
        {"v": 1, "old": -1, "receipt": None, "checkpoint": "c"},
        {"v": 1, "old": 2**53, "receipt": None, "checkpoint": "c"},
        {"v": 1, "old": "5", "receipt": None, "checkpoint": "c"},
        {"v": 1, "old": 5.5, "receipt": None, "checkpoint": "c"},
        {"v": 1, "old": True, "receipt": None, "checkpoint": "c"},
        {"v": 1, "old": 5, "receipt": 7, "checkpoint": "c"},
        {"v": 1, "old": 5, "receipt": None, "checkpoint": None},
        {"v": 1, "old": 5, "receipt": None, "checkpoint": "c", "more": 1},
        [],
    ],
)
def test_no_header(header: object) -> None:
    with refused("log.bundle_header_malformed"):
        unpack(joined(json.dumps(header, sort_keys=True, separators=(",", ":")).encode(), MEMBER))


def test_a_header_has_one_spelling() -> None:
    for other in (HEADER + b" ", HEADER.replace(b"note", b"n\\u006fte"), HEADER.replace(b'"v":1', b'"v":1,"v":1')):
        with refused("log.bundle_header_not_canonical"):
            unpack(joined(other, MEMBER))
    for other in (b"", b"\xff", HEADER[:-1], b"[" * 10_000):
        with refused("log.bundle_header_malformed"):
            unpack(joined(other, MEMBER))


def test_truncation_at_every_byte() -> None:
    data = pack(GOOD)
    codes = {"log.bundle_truncated", "log.bundle_header_malformed", "log.bundle_gzip_header"}
    for length in range(len(data)):
        with pytest.raises(BadInput) as caught:
            unpack(data[:length])
        assert caught.value.faults[0].code in codes


@pytest.mark.parametrize(
    "tail", [b"\x00", b"more", MEMBER, gzip.compress(b"", mtime=0)], ids=["nul", "text", "again", "empty"]
)
def test_nothing_follows_the_one_member(tail: bytes) -> None:
    with refused("log.bundle_trailing"):
        unpack(pack(GOOD) + tail)


def test_no_bundle() -> None:
    with refused("log.bundle_gzip_header"):
        unpack(joined(HEADER, gzip.compress(entries(LEAVES), mtime=1)))
    with refused("log.bundle_corrupt"):
        unpack(joined(HEADER, MEMBER[:10] + b"\xff" * 20))
    with refused("log.bundle_checksum"):
        unpack(joined(HEADER, MEMBER[:-1] + b"\x01"))
    with refused("log.bundle_checksum"):
        unpack(joined(HEADER, MEMBER[:-5] + b"\x00" + MEMBER[-4:]))
    with refused("log.entries_truncated"):
        unpack(joined(HEADER, member_of(b"\x00\x05abc")))
    with refused("log.bundle_header_too_large"):
        unpack(struct.pack(">I", MAX_HEADER + 1) + bytes(MAX_HEADER + 1))
    with refused("log.bundle_header_too_large"):
        unpack(b"\xff" * 100)


def test_a_bomb_is_inflated_no_further_than_the_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gigabyte of zeros fits many times into the cap; no more than MAX_PLAIN + 1 bytes of it are ever made."""
    asked: list[int] = []
    real = zlib.decompressobj

    class Counting:
        def __init__(self, wbits: int) -> None:
            self._inflate = real(wbits)

        def decompress(self, data: bytes, limit: int) -> bytes:
            asked.append(limit)
            return self._inflate.decompress(data, limit)

        def __getattr__(self, name: str) -> object:
            return getattr(self._inflate, name)

    monkeypatch.setattr(zlib, "decompressobj", Counting)
    bomb = joined(HEADER, member_of(bytes(64 * 1024 * 1024)))
    assert len(bomb) < CAP
    with refused("log.bundle_plain_too_large"):
        unpack(bomb)
    assert asked == [MAX_PLAIN + 1]


def test_the_bound_itself_passes() -> None:
    full = entries([b"a" * 4094] * 1024)
    assert len(full) == MAX_PLAIN
    assert len(unpack(joined(HEADER, member_of(full))).leaves) == 1024
    with refused("log.bundle_plain_too_large"):
        unpack(joined(HEADER, member_of(full + b"\x00\x00")))
    with refused("log.bundle_plain_too_large"):
        pack(Bundle(old=0, receipt=None, checkpoint="c", leaves=(*(b"a" * 4094,) * 1024, b"")))


def test_the_cap() -> None:
    data = pack(GOOD)
    assert unpack(data, cap=len(data)) == GOOD
    with refused("log.bundle_too_large"):
        unpack(data, cap=len(data) - 1)
    noise = random.Random(1).randbytes(MAX_LEAF)
    with refused("log.bundle_too_large"):
        pack(Bundle(old=0, receipt=None, checkpoint="c", leaves=(noise, noise[::-1], noise[1:] + b"x")))
    with refused("log.bundle_header_too_large"):
        pack(Bundle(old=0, receipt="r" * MAX_HEADER, checkpoint="c", leaves=()))


def readings(source: random.Random) -> Callable[[], bytes]:
    """Leaves like real readings: small, mostly the same, with a few words of noise."""
    at = 0

    def one() -> bytes:
        nonlocal at
        at += 1000
        raw = source.randbytes(40).hex()
        return b'{"bt":%d,"k":"reading","m":"m%d","raw":{"i:0":"%s"},"slot":%d}' % (at, at % 20, raw.encode(), at)

    return one


def noise(source: random.Random) -> Callable[[], bytes]:
    return lambda: source.randbytes(source.randint(1, MAX_LEAF))


def largest_noise(source: random.Random) -> Callable[[], bytes]:
    return lambda: source.randbytes(MAX_LEAF)


def sameness(source: random.Random) -> Callable[[], bytes]:
    return lambda: b"a" * source.randint(MAX_LEAF // 2, MAX_LEAF)


def hexadecimal(source: random.Random) -> Callable[[], bytes]:
    return lambda: source.randbytes(source.randint(50, MAX_LEAF // 2)).hex().encode()


def skewed(source: random.Random) -> Callable[[], bytes]:
    """Few distinct symbols: what comes next spoils the code of the open block most."""
    return lambda: bytes(source.choices(b"ab", [20, 1], k=4000))


def mixed(source: random.Random) -> Callable[[], bytes]:
    makers = [make(source) for make in (readings, noise, sameness, hexadecimal, skewed)]
    return lambda: source.choice(makers)()


KINDS = [readings, noise, largest_noise, sameness, hexadecimal, skewed, mixed]


def gathered(make: Callable[[], bytes]) -> tuple[list[bytes], Gauge]:
    """Leaves until a checkpoint must be cut, as the recorder gathers them."""
    gauge, leaves = Gauge(), list[bytes]()
    while not gauge.full and gauge.takes(data := make()):
        gauge.add(data)
        leaves.append(data)
    return leaves, gauge


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(KINDS), st.integers(0, 2**32))
def test_no_checkpoint_is_cut_too_late(kind: Callable[[random.Random], Callable[[], bytes]], seed: int) -> None:
    """Whatever the leaves are, with a header as large as allowed, the bundle of what the Gauge let through packs."""
    leaves, gauge = gathered(kind(random.Random(seed)))
    frame = len(HEADER) - len("note\\n")
    data = pack(Bundle(old=5, receipt=None, checkpoint="c" * (MAX_HEADER - frame), leaves=tuple(leaves)))
    assert leaves
    assert len(parts(data)[0]) == MAX_HEADER
    assert len(data) <= CAP
    assert len(parts(data)[1]) - 18 <= gauge.size


def test_no_checkpoint_of_readings_is_cut_before_it_is_due() -> None:
    leaves, gauge = gathered(readings(random.Random(7)))
    assert gauge.full
    assert len(pack(Bundle(old=0, receipt=None, checkpoint="c", leaves=tuple(leaves)))) > Gauge.DUE


def test_an_empty_gauge_takes_the_largest_leaf() -> None:
    gauge = Gauge()
    assert gauge.takes(random.Random(3).randbytes(MAX_LEAF))
    assert not gauge.full
    assert gauge.size == 0
    with refused("log.leaf_too_large"):
        gauge.add(bytes(MAX_LEAF + 1))


def test_leaves_that_compress_to_nothing_are_bounded_too() -> None:
    """Also when a batch goes on past `full`, which counts plain bytes: what is taken never exceeds MAX_PLAIN."""
    gauge, leaves, was_full = Gauge(), list[bytes](), False
    while gauge.takes(data := b"a" * MAX_LEAF):
        gauge.add(data)
        leaves.append(data)
        was_full = was_full or gauge.full
    assert was_full
    assert gauge.size < Gauge.DUE
    assert MAX_PLAIN - MAX_LEAF < len(entries(leaves)) <= MAX_PLAIN
    assert len(unpack(pack(Bundle(old=0, receipt=None, checkpoint="c", leaves=tuple(leaves)))).leaves) == len(leaves)
