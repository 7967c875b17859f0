"""Checkpoints and receipts: what a site signs, what a collector adds, and whose word counts."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from mrv.log import b64, note
from mrv.log.checkpoint import Checkpoint, cosign, cosigned, issue, open_checkpoint, peek
from mrv.log.note import COSIGNATURE, NOTE, Note, SigningKey

SITE = SigningKey("example.org/mrv/plant/k1", NOTE, bytes(range(32)))
OFFICE = SigningKey("example.org/mrv/collector", COSIGNATURE, bytes(range(1, 33)))
WITNESS = SigningKey("witness.example.net/w1", COSIGNATURE, bytes(range(2, 34)))
HEAD = Checkpoint(SITE.name, 7, bytes(range(32)))
ROOT = b64.encode(HEAD.root)

#: C2SP tlog-cosignature, "Format". The specification prints no keys for it: its framing and its message are checked.
SOFA = """example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=

— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=
— witness.example.com/w1 jWbPPwAAAABkGFDLEZMHwSRaJNiIDoe9DYn/zXcrtPHeolMI5OWXEhZCB9dlrDJsX3b2oyin1nPZqhf5nNo0xUe+mbIUBkBIfZ+qnA==
"""  # noqa: E501
SOFA_MESSAGE = """cosignature/v1
time 1679315147
example.com/behind-the-sofa
20852163
CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=
"""


def test_the_specifications_cosignature_example() -> None:
    head = peek(SOFA)
    assert (head.origin, head.size) == ("example.com/behind-the-sofa", 20852163)
    assert head.text + "\n" in SOFA
    line = Note.parse(SOFA).signatures[1]
    assert (line.name, line.key_id.hex()) == ("witness.example.com/w1", "8d66cf3f")
    assert (int.from_bytes(line.blob[:8], "big"), len(line.blob)) == (1679315147, 8 + 64)


def test_what_we_cosign_is_the_specifications_message() -> None:
    line = Note.parse(cosign(SOFA, OFFICE, 1679315147)).by(OFFICE.public)[0]
    assert line.blob[:8].hex() == "00000000641850cb"
    Ed25519PublicKey.from_public_bytes(OFFICE.public.public).verify(line.blob[8:], SOFA_MESSAGE.encode())


@given(st.integers(0, 2**63 - 1), st.binary(min_size=32, max_size=32), st.integers(0, 2**63 - 1))
def test_round_trip(size: int, root: bytes, time: int) -> None:
    head = Checkpoint(SITE.name, size, root)
    signed = issue(head, SITE)
    receipt = cosign(signed, OFFICE, time)
    assert open_checkpoint(signed, SITE.public) == open_checkpoint(receipt, SITE.public) == peek(receipt) == head
    assert receipt.startswith(signed)
    assert cosigned(receipt, [OFFICE.public]) == time


def test_another_key_or_purpose_opens_nothing() -> None:
    signed = issue(HEAD, SITE)
    with refused("log.signature_missing"):
        open_checkpoint(signed, SigningKey(SITE.name, NOTE, bytes(32)).public)
    with refused("log.key_purpose"):
        open_checkpoint(signed, OFFICE.public)
    with refused("log.key_purpose"):
        cosigned(cosign(signed, OFFICE, 1), [SITE.public])
    with refused("log.key_purpose"):
        cosign(signed, SITE, 1)


def test_a_site_speaks_for_its_own_log_only() -> None:
    other = Checkpoint("example.org/mrv/other/k1", 7, HEAD.root)
    with refused("log.origin_differs"):
        issue(other, SITE)
    with refused("log.origin_differs"):
        open_checkpoint(note.sign(other.text, SITE), SITE.public)


def test_receipts() -> None:
    signed = issue(HEAD, SITE)
    with refused("log.cosignature_missing"):
        cosigned(signed, [OFFICE.public])
    with refused("log.cosignature_missing"):
        cosigned(cosign(signed, OFFICE, 5), [])
    with refused("log.cosignature_missing"):
        cosigned(cosign(signed, OFFICE, 5), [WITNESS.public])
    both = cosign(cosign(signed, OFFICE, 9), WITNESS, 5)
    assert cosigned(both, [OFFICE.public]) == 9
    assert cosigned(both, [OFFICE.public, WITNESS.public]) == 5
    assert open_checkpoint(both, SITE.public) == HEAD


def test_a_cosigner_has_one_line_in_a_receipt() -> None:
    again = cosign(cosign(issue(HEAD, SITE), OFFICE, 5), OFFICE, 9)
    assert again == cosign(issue(HEAD, SITE), OFFICE, 9)


def test_a_receipt_does_not_stand_for_another_checkpoint() -> None:
    line = Note.parse(cosign(issue(HEAD, SITE), OFFICE, 5)).by(OFFICE.public)[0]
    other = issue(Checkpoint(SITE.name, 8, HEAD.root), SITE)
    with refused("log.signature_wrong"):
        cosigned(other + line.line, [OFFICE.public])


def test_a_note_signature_is_no_cosignature() -> None:
    """The same private key under type 0x01 over the statement: another key id, so nobody's line."""
    text = HEAD.text
    as_note = SigningKey(OFFICE.name, NOTE, OFFICE.seed).line(f"cosignature/v1\ntime 5\n{text}".encode(), bytes(8))
    with refused("log.cosignature_missing"):
        cosigned(issue(HEAD, SITE) + as_note, [OFFICE.public])


def test_times_outside_the_format() -> None:
    signed = issue(HEAD, SITE)
    for time in (-1, 2**63):
        with refused("log.cosignature_time"):
            cosign(signed, OFFICE, time)
    late = OFFICE.line(f"cosignature/v1\ntime {2**63}\n{HEAD.text}".encode(), (2**63).to_bytes(8, "big"))
    with refused("log.signature_wrong"):
        cosigned(signed + late, [OFFICE.public])
    short = f"— {OFFICE.name} {b64.encode(OFFICE.public.id + bytes(8))}\n"
    with refused("log.signature_wrong"):
        cosigned(signed + short, [OFFICE.public])


def test_a_note_that_is_full_takes_no_cosignature() -> None:
    signed = issue(HEAD, SITE)
    full = signed + WITNESS.line(b"x") * 15
    with refused("log.note_too_many_signatures"):
        cosign(full, OFFICE, 5)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "log.checkpoint_lines"),
        (f"{SITE.name}\n7\n", "log.checkpoint_lines"),
        (f"\n7\n{ROOT}\n", "log.checkpoint_lines"),
        (f"{SITE.name}\n\n{ROOT}\n", "log.checkpoint_lines"),
        (f"{SITE.name}\n7\n{ROOT}\n\n", "log.checkpoint_lines"),
        (f"{SITE.name}\n7\n{ROOT}\nextension\n", "log.checkpoint_extension"),
        (f"{SITE.name}\n07\n{ROOT}\n", "log.checkpoint_size"),
        (f"{SITE.name}\n-7\n{ROOT}\n", "log.checkpoint_size"),
        (f"{SITE.name}\n+7\n{ROOT}\n", "log.checkpoint_size"),
        (f"{SITE.name}\n7 \n{ROOT}\n", "log.checkpoint_size"),
        (f"{SITE.name}\n٧\n{ROOT}\n", "log.checkpoint_size"),
        (f"{SITE.name}\n{2**63}\n{ROOT}\n", "log.checkpoint_size"),
        (f"{SITE.name}\n{'9' * 5000}\n{ROOT}\n", "log.checkpoint_size"),
        (f"{SITE.name}\n7\n{ROOT[:-1]}\n", "log.checkpoint_root"),
        (f"{SITE.name}\n7\n{b64.encode(bytes(31))}\n", "log.checkpoint_root"),
        (f"{SITE.name}\n7\n{b64.encode(bytes(33))}\n", "log.checkpoint_root"),
        (f"{SITE.name}\n7\n{HEAD.root.hex()}\n", "log.checkpoint_root"),
    ],
)
def test_no_checkpoint(text: str, code: str) -> None:
    """Whoever signed it: the site's own key over a malformed head is refused by all who read it."""
    data = f"{text or chr(10)}\n{SITE.line((text or chr(10)).encode())}"
    with refused(code):
        open_checkpoint(data, SITE.public)
    with refused(code):
        peek(data)
    with refused(code):
        cosign(data, OFFICE, 5)
    with refused(code):
        cosigned(data, [OFFICE.public])


def test_what_cannot_be_issued() -> None:
    with refused("log.checkpoint_size"):
        issue(Checkpoint(SITE.name, -1, HEAD.root), SITE)
    with refused("log.checkpoint_root"):
        issue(Checkpoint(SITE.name, 1, b"short"), SITE)
