"""What is overheard on a line: masters, other protocols, noise."""

from __future__ import annotations

import random

import pytest

from drivers.listening import Overheard, believable, dlt645, doubt, overheard, refusal

REQUEST = bytes.fromhex("0103 0000 0002 c40b")
ANSWER = bytes.fromhex("0103 04 4366 3333 0000")


def frame645(address: str, body: bytes = b"\x33\x33\x34\x33", control: int = 0x11) -> bytes:
    head = bytes([0x68, *bytes.fromhex(address)[::-1], 0x68, control, len(body)]) + body
    return b"\xfe\xfe" + head + bytes([sum(head) & 0xFF, 0x16])


@pytest.mark.parametrize(
    ("frame", "real"),
    [
        (REQUEST, True),
        (ANSWER, True),
        (bytes.fromhex("018302c0f1"), True),
        (bytes.fromhex("0110 0000 0001 04 0005 0000"), False),
        (bytes.fromhex("0110 0000 0002 04 0005 0006 0000"), True),
        (bytes.fromhex("0111c02c"), True),
        (bytes.fromhex("f903 0000 0002 c40b"), False),
        (bytes.fromhex("01630000"), False),
        (b"\x01\x03\x00", False),
    ],
)
def test_a_crc_alone_makes_no_frame(frame: bytes, real: bool) -> None:
    assert believable(frame) is real


def test_another_master_is_named_with_its_ids() -> None:
    heard = overheard(REQUEST + ANSWER, [REQUEST, ANSWER, b"\x07" + REQUEST[1:]], 10)
    assert heard.units == (1, 7)
    found = refusal("/dev/ttyUSB0", heard, "9600 8N1")
    assert found is not None
    assert found.params == {"units": "1, 7", "seconds": "10", "speed": "9600 8N1"}
    assert not heard.writes


def test_dlt645_is_known_by_its_frames() -> None:
    data = b"\x00\x68" + frame645("000021044711") + frame645("000021044712", b"")
    assert list(dlt645(data)) == ["000021044711", "000021044712"]
    heard = overheard(data, [], 10)
    assert heard.somebody
    found = refusal("here", heard, "2400 8E1")
    assert found is not None
    assert found.code == "tool.scan_dlt645"
    assert list(dlt645(frame645("000021044711")[:-1])) == []
    assert list(dlt645(frame645("000021044711").replace(b"\x33\x33", b"\x34\x33"))) == []


def test_noise_is_no_master() -> None:

    noise = random.Random(1).randbytes(4000)
    heard = overheard(noise, [noise[i : i + 9] for i in range(0, 4000, 13)], 10)
    assert refusal("here", heard, "") is None
    assert doubt("here", heard) is not None


def test_silence_is_silence() -> None:
    quiet = overheard(b"", [], 10)
    assert quiet == Overheard(10)
    assert refusal("here", quiet, "") is None
    assert doubt("here", quiet) is None
    assert doubt("here", overheard(b"\x00\xff", [], 10)) is None, "a wire touched while plugging it in"
