"""Ed25519 and the keys that may be enrolled: RFC 8032, Wycheproof, CCTV, and our own edges."""

from __future__ import annotations

import json
from importlib import resources

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from real import vectors
from refusals import refused

from mrv.errors import BadInput, Refused
from mrv.log import b64
from mrv.log.ed25519 import check_public
from mrv.log.note import COSIGNATURE, NOTE, SigningKey, VerifyKey

SEED = bytes(range(32))
SITE = SigningKey("example.org/mrv/plant/k1", NOTE, SEED)
#: (flagged low order, flagged non-canonical, OpenSSL verifies) -> how many CCTV cases, and may the key be enrolled?
FROZEN = {
    (True, False, False): (214, False),
    (True, False, True): (86, False),
    (True, True, False): (190, False),
    (True, True, True): (36, False),
    (False, False, False): (302, True),
    (False, False, True): (86, True),
}


def may_be_enrolled(public: bytes) -> bool:
    try:
        check_public(public)
    except Refused:
        return False
    return True


def test_cctv_edge_cases() -> None:
    """All 914: every low-order or non-canonical key is refused, also the 36 cases that OpenSSL verifies, no other."""
    cases = json.loads(vectors("cctv", "ed25519", "ed25519vectors.json").read_text())
    assert len(cases) == 914
    seen: dict[tuple[bool, bool, bool], int] = {}
    for case in cases:
        public, flags = bytes.fromhex(case["key"]), set(case["flags"] or ())
        verified = VerifyKey("x", NOTE, public).verify(case["msg"].encode(), bytes.fromhex(case["sig"]))
        group = ("low_order_A" in flags, "non_canonical_A" in flags, verified)
        seen[group] = seen.get(group, 0) + 1
        assert may_be_enrolled(public) == FROZEN[group][1]
        if verified:
            assert not flags & {"non_canonical_R", "low_order_residue"}
    assert seen == {group: count for group, (count, _) in FROZEN.items()}


LOW_ORDER = {
    "0000000000000000000000000000000000000000000000000000000000000000": "log.key_low_order",
    "0000000000000000000000000000000000000000000000000000000000000080": "log.key_low_order",
    "0100000000000000000000000000000000000000000000000000000000000000": "log.key_low_order",
    "0100000000000000000000000000000000000000000000000000000000000080": "log.key_low_order",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05": "log.key_low_order",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85": "log.key_low_order",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a": "log.key_low_order",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa": "log.key_low_order",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "log.key_low_order",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": "log.key_low_order",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "log.key_not_canonical",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": "log.key_not_canonical",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f": "log.key_not_canonical",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff": "log.key_not_canonical",
}


@pytest.mark.parametrize(("public", "code"), LOW_ORDER.items())
def test_enrolment_refuses_each_low_order_encoding(public: str, code: str) -> None:
    key = VerifyKey("example.org/x", NOTE, bytes.fromhex(public))
    with refused(code):
        VerifyKey.parse(key.text)


def test_enrolment_refuses_what_is_not_a_point() -> None:
    """About half of all y belong to no point; 2 is one of them."""
    with refused("log.key_not_a_point"):
        check_public(b"\x02" + bytes(31))


@given(st.binary(min_size=32, max_size=32))
def test_every_honest_key_can_be_enrolled(seed: bytes) -> None:
    key = SigningKey("example.org/mrv/x/k1", COSIGNATURE, seed)
    assert VerifyKey.parse(key.vkey) == key.public
    assert seed.hex() not in repr(key)
    assert repr(seed) not in repr(key)


def test_wycheproof() -> None:
    suite = json.loads(vectors("wycheproof", "ed25519_test.json").read_text())
    ran = 0
    for group in suite["testGroups"]:
        key = VerifyKey("x", NOTE, bytes.fromhex(group["publicKey"]["pk"]))
        check_public(key.public)
        for case in group["tests"]:
            held = key.verify(bytes.fromhex(case["msg"]), bytes.fromhex(case["sig"]))
            assert held == (case["result"] == "valid"), case["tcId"]
            ran += 1
    assert ran == suite["numberOfTests"] == 151


def test_rfc_8032_sign_input() -> None:
    """The 1024 cases behind RFC 8032 section 7.1: same public key, same signature, and the key may be enrolled."""
    text = resources.files("cryptography_vectors").joinpath("asymmetric", "Ed25519", "sign.input").read_text()
    lines = text.splitlines()
    assert len(lines) == 1024
    for line in lines:
        secret, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        key = SigningKey("x", NOTE, secret[:32])
        assert key.public.public == public
        check_public(public)
        note_line = key.line(message)
        assert b64.decode(note_line.split(" ")[2].rstrip("\n")) == key.public.id + signed[:64]
        assert key.public.verify(message, signed[:64])


def test_the_example_key_of_signed_note() -> None:
    text = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
    key = VerifyKey.parse(text)
    assert (key.name, key.kind, key.id.hex(), key.text) == ("example.com/foo", NOTE, "530d903a", text)


def with_material(material: bytes) -> str:
    return f"a+00000000+{b64.encode(material)}"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "log.key_name"),
        ("+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.key_name"),
        ("a b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.key_name"),
        ("a\u00a0b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.key_name"),
        ("a\u2028b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.key_name"),
        ("a\x7f\x00b+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.key_name"),
        ("a\ud800+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.key_name"),
        ("example.com/foo", "log.vkey_malformed"),
        ("example.com/foo+530d903a", "log.vkey_malformed"),
        ("example.com/foo+530d903a+", "log.vkey_malformed"),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k\n", "log.vkey_malformed"),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2", "log.vkey_malformed"),
        ("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k=", "log.vkey_malformed"),
        ("example.com/foo+530D903A+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.vkey_id"),
        ("example.com/foo+530d903b+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.vkey_id"),
        ("example.com/fooo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k", "log.vkey_id"),
        (with_material(b"\x02" + SITE.public.public), "log.key_kind_unknown"),
        (with_material(b"\x06" + bytes(1312)), "log.key_kind_unknown"),
        (with_material(b"\x01" + SITE.public.public[:-1]), "log.key_length"),
        (with_material(b"\x01" + SITE.public.public + b"\x00"), "log.key_length"),
        (with_material(b"\x01"), "log.key_length"),
    ],
)
def test_no_vkey(text: str, code: str) -> None:
    with refused(code):
        VerifyKey.parse(text)


def test_every_changed_character_of_a_vkey_is_refused() -> None:
    """The id in the middle is a checksum of name, type and key."""
    for at in range(len(SITE.vkey)):
        for other in "A0a/.-":
            changed = SITE.vkey[:at] + other + SITE.vkey[at + 1 :]
            if changed != SITE.vkey:
                with pytest.raises((BadInput, Refused)):
                    VerifyKey.parse(changed)


def test_no_signing_key() -> None:
    with refused("log.seed_length"):
        SigningKey("a", NOTE, bytes(31))
    with refused("log.key_kind_unknown"):
        SigningKey("a", 2, SEED)
    with refused("log.key_name"):
        SigningKey("a b", NOTE, SEED)


def test_one_purpose_per_key() -> None:
    """The same seed and name give different key ids for different purposes."""
    other = SigningKey(SITE.name, COSIGNATURE, SEED)
    assert (
        other.public.public
        == SITE.public.public
        == Ed25519PrivateKey.from_private_bytes(SEED).public_key().public_bytes_raw()
    )
    assert other.public.id != SITE.public.id
    with refused("log.key_purpose"):
        SITE.public.must_be(COSIGNATURE)
    with refused("log.key_purpose"):
        other.public.must_be(NOTE)


@given(st.binary(max_size=80))
def test_base64_has_one_spelling(data: bytes) -> None:
    text = b64.encode(data)
    assert b64.decode(text) == data
    for changed in (text + "=", text + "\n", " " + text, text[:-1], text.rstrip("=") + "A==="):
        assert b64.decode(changed) != data or changed == text


@pytest.mark.parametrize("text", ["QQ", "QQ=", "QR==", "QUI", "QUJ=", "Q U==", "QQ==QQ==", "é", "-_==", "===="])
def test_not_base64(text: str) -> None:
    assert b64.decode(text) is None
