"""Signed notes: the specification's own examples, and every way in which a text is not a note."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from refusals import refused

from mrv.log import b64, note
from mrv.log.note import COSIGNATURE, NOTE, Note, SigningKey, VerifyKey, check_name

#: C2SP signed-note, "Example" and "Format".
EXAMPLE_KEY = VerifyKey.parse("example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k")
EXAMPLE = """This is an example message.

— example.com/foo Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=
"""
POEM = """Ognuno sta solo sul cuor della terra
trafitto da un raggio di sole:

ed è subito sera.

— quasimodo.example/salvatore NnugSzTjtVAewIS+Z/iJhUPeFDkO/5QQ2i5ddnGITLlC+EhfLW9oJKONrMouFSQU0xMcXxj99ihAQwaqP3ZekRwNtIc=
"""  # noqa: E501
KEY = SigningKey("example.org/mrv/plant/k1", NOTE, bytes(range(32)))
OTHER = SigningKey("example.org/mrv/other/k1", NOTE, bytes(32))


def test_the_specifications_example_verifies() -> None:
    found = Note.parse(EXAMPLE.encode())
    note.verify(found, EXAMPLE_KEY)
    assert found.text == "This is an example message.\n"


def test_the_text_ends_at_the_last_empty_line() -> None:
    found = Note.parse(POEM)
    assert found.text.endswith("raggio di sole:\n\ned è subito sera.\n")
    assert [s.name for s in found.signatures] == ["quasimodo.example/salvatore"]
    assert found.signatures[0].key_id.hex() == "367ba04b"


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"]) | st.sampled_from("\n—"), max_size=60))
def test_what_is_signed_opens_and_is_spelled_once(text: str) -> None:
    signed = note.sign(text + "\n", KEY)
    found = Note.parse(signed)
    note.verify(found, KEY.public)
    assert found.text == text + "\n"
    assert found.with_line("") == signed


def test_unknown_signatures_are_ignored_and_known_ones_must_hold() -> None:
    signed = note.sign("a\n", KEY)
    foreign = OTHER.line(b"something else\n")
    note.verify(Note.parse(signed + foreign), KEY.public)
    with refused("log.signature_missing"):
        note.verify(Note.parse(signed), OTHER.public)
    with refused("log.signature_wrong"):
        note.verify(Note.parse(signed + foreign), OTHER.public)
    with refused("log.signature_wrong"):  # one that holds does not make up for one that does not
        note.verify(Note.parse(signed + KEY.line(b"something else\n")), KEY.public)


def test_same_name_with_another_id_is_an_unknown_key() -> None:
    twin = SigningKey(KEY.name, NOTE, bytes(32))
    note.verify(Note.parse(note.sign("a\n", KEY) + twin.line(b"b\n")), KEY.public)
    with refused("log.signature_missing"):
        note.verify(Note.parse(note.sign("a\n", KEY)), twin.public)


def test_a_cosignature_key_signs_no_notes() -> None:
    with refused("log.key_purpose"):
        note.sign("a\n", SigningKey("a", COSIGNATURE, bytes(32)))
    with refused("log.key_purpose"):
        note.verify(Note.parse(EXAMPLE), SigningKey("a", COSIGNATURE, bytes(32)).public)


def test_what_cannot_be_signed() -> None:
    with refused("log.note_text_end"):
        note.sign("no newline at its end", KEY)
    with refused("log.note_not_text"):
        note.sign("a\tb\n", KEY)
    with refused("log.note_not_text"):
        note.sign("\ud800\n", KEY)


LINE = EXAMPLE.splitlines()[2]


def numbered(count: int) -> str:
    return "a\n\n" + f"{LINE}\n" * count


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "log.note_unsigned"),
        (b"a\n", "log.note_unsigned"),
        (f"a\n{LINE}\n".encode(), "log.note_unsigned"),
        (f"a\n\n{LINE}".encode(), "log.note_unsigned"),
        (b"a\n\n", "log.note_unsigned"),
        (b"a\n\n\n", "log.note_unsigned"),
        (b"a\xff\n\n" + LINE.encode() + b"\n", "log.note_not_text"),
        (f"a\r\n\n{LINE}\n".encode(), "log.note_not_text"),
        (f"a\x00\n\n{LINE}\n".encode(), "log.note_not_text"),
        (f"a\n\n{LINE}\n\n".encode(), "log.note_unsigned"),
        (f"a\n\n{LINE}\njunk\n".encode(), "log.note_signature_line"),
        (f"a\n\n{LINE.replace('—', '-')}\n".encode(), "log.note_signature_line"),
        (f"a\n\n{LINE} \n".encode(), "log.note_signature_line"),
        (f"a\n\n{LINE[:-1]}\n".encode(), "log.note_signature_line"),
        (f"a\n\n{LINE[:-2]}N=\n".encode(), "log.note_signature_line"),  # unused bits set
        ("a\n\n— name AAAAAA==\n".encode(), "log.note_signature_line"),  # an id and no signature
        ("a\n\n—  AAAAAAA=\n".encode(), "log.key_name"),
        ("a\n\n— a+b AAAAAAA=\n".encode(), "log.key_name"),
        (numbered(17).encode(), "log.note_too_many_signatures"),
        (b"a" * 131_072 + b"\n", "log.note_too_large"),
    ],
)
def test_no_note(data: bytes, code: str) -> None:
    with refused(code):
        Note.parse(data)


def test_sixteen_signatures_are_accepted() -> None:
    assert len(Note.parse(numbered(16)).signatures) == 16


def test_a_signature_of_another_length_does_not_hold() -> None:
    for length in (1, 63, 65, 200):
        line = f"— {KEY.name} {b64.encode(KEY.public.id + bytes(length))}\n"
        with refused("log.signature_wrong"):
            note.verify(Note.parse("a\n\n" + line), KEY.public)


@pytest.mark.parametrize("name", ["example.org/mrv/x/k1", "oid/1.3.6.1", "tên", "a.b:c"])
def test_key_names(name: str) -> None:
    check_name(name)
