"""Text signed by keys: C2SP signed-note v1, signature types 0x01 (Ed25519) and 0x04 (cosignature/v1).

A note is bytes first: it is verified as it came and never put together again to be verified. Signatures by unknown keys
are ignored, a wrong signature under a known key condemns the whole note. What the text says is no concern of this file.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from mrv.errors import BadInput, Refused, fault
from mrv.log import b64
from mrv.log.ed25519 import check_public

#: Signature types (signed-note, "Signature types").
NOTE: Final = 0x01
COSIGNATURE: Final = 0x04
_KINDS = {NOTE: "note", COSIGNATURE: "cosignature"}
_SEED_SIZE = 32
_ID_SIZE = 4
#: The specification asks verifiers to bound a note and to accept at least 16 signatures.
MAX_SIGNATURES = 16
MAX_NOTE = 128 * 1024
_MARK = "— "
#: How sites and collectors keep the private half of a key.
_SECRET = re.compile(r"[0-9A-Fa-f]{64}")


def check_name(name: str) -> None:
    """Raise BadInput unless `name` is a key name: not empty, no space of any script, no plus, no control character."""
    printable = all(c >= " " and not c.isspace() and not "\ud800" <= c <= "\udfff" for c in name)
    if not name or "+" in name or not printable:
        raise BadInput(fault("log.key_name", name=ascii(name)))


@dataclass(frozen=True, slots=True)
class VerifyKey:
    """A public key with its name and the one purpose it serves. Made by `parse` or by a SigningKey."""

    name: str
    kind: int
    public: bytes

    @classmethod
    def parse(cls, text: str) -> VerifyKey:
        """Read a vkey `<name>+<id>+<base64>`. Raises BadInput (malformed) or Refused (a key nobody may enrol)."""
        if _SECRET.fullmatch(text.strip()):
            raise BadInput(fault("log.vkey_secret"))  # and is not repeated: what is printed is copied into tickets
        name, _, rest = text.partition("+")
        claimed, _, encoded = rest.partition("+")
        check_name(name)
        material = b64.decode(encoded)
        if not material:
            raise BadInput(fault("log.vkey_malformed", text=ascii(text[:200])))
        if material[0] not in _KINDS:
            raise Refused(fault("log.key_kind_unknown", name=name, kind=f"0x{material[0]:02x}"))
        check_public(material[1:])
        key = cls(name, material[0], material[1:])
        if claimed != key.id.hex():
            raise BadInput(fault("log.vkey_id", name=name, claimed=ascii(claimed[:40]), computed=key.id.hex()))
        return key

    @property
    def id(self) -> bytes:
        """The four bytes that name this key beside its name in a signature line."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes((self.kind,)) + self.public).digest()[:_ID_SIZE]

    @property
    def text(self) -> str:
        """The vkey."""
        return f"{self.name}+{self.id.hex()}+{b64.encode(bytes((self.kind,)) + self.public)}"

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether `signature` (64 bytes) is this key's over `message`."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def must_be(self, kind: int) -> None:
        """Raise Refused unless this key serves `kind`: one purpose per key."""
        if self.kind != kind:
            raise Refused(fault("log.key_purpose", name=self.name, found=_KINDS[self.kind], needed=_KINDS[kind]))


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key; `seed` is the 32 bytes of RFC 8032 section 5.1.5. Raises BadInput for a bad name, kind or seed."""

    name: str
    kind: int
    seed: bytes = field(repr=False)

    def __post_init__(self) -> None:
        check_name(self.name)
        if self.kind not in _KINDS:
            raise BadInput(fault("log.key_kind_unknown", name=self.name, kind=f"0x{self.kind:02x}"))
        if len(self.seed) != _SEED_SIZE:
            raise BadInput(fault("log.seed_length", length=len(self.seed)))

    @property
    def public(self) -> VerifyKey:
        """The key others verify with."""
        return VerifyKey(self.name, self.kind, self._private.public_key().public_bytes_raw())

    @property
    def vkey(self) -> str:
        """The text others enrol."""
        return self.public.text

    @property
    def _private(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    def line(self, message: bytes, prefix: bytes = b"") -> str:
        """The signature line over `message`; `prefix` stands before the 64 bytes of the signature."""
        blob = self.public.id + prefix + self._private.sign(message)
        return f"{_MARK}{self.name} {b64.encode(blob)}\n"


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line, unverified: who claims to have signed, and the bytes after the key id."""

    name: str
    key_id: bytes
    blob: bytes

    def claims(self, key: VerifyKey) -> bool:
        """Whether this line names `key`; the signature may still be wrong."""
        return self.name == key.name and self.key_id == key.id

    @property
    def line(self) -> str:
        return f"{_MARK}{self.name} {b64.encode(self.key_id + self.blob)}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A parsed note: `text` ends with a newline; nothing in it is verified yet."""

    text: str
    signatures: tuple[Signature, ...]

    @classmethod
    def parse(cls, data: str | bytes) -> Note:
        """Read a note strictly. Raises BadInput; the one spelling of each note is the only one accepted."""
        content = _decoded(data)
        head, blank, tail = content.rpartition("\n\n")
        if not blank or not tail.endswith("\n"):
            raise BadInput(fault("log.note_unsigned"))
        lines = tail.split("\n")[:-1]
        if len(lines) > MAX_SIGNATURES:
            raise BadInput(fault("log.note_too_many_signatures", limit=MAX_SIGNATURES))
        return cls(head + "\n", tuple(_signature(line) for line in lines))

    def by(self, key: VerifyKey) -> tuple[Signature, ...]:
        """The lines that name `key`."""
        return tuple(s for s in self.signatures if s.claims(key))

    def with_line(self, line: str) -> str:
        """The note's bytes, as text, with one more signature line."""
        return "".join((self.text, "\n", *(s.line for s in self.signatures), line))


def sign(text: str, key: SigningKey) -> str:
    """`text`, which must end with a newline, as a note signed by a key of kind NOTE. Raises BadInput or Refused."""
    key.public.must_be(NOTE)
    if not _decoded(text).endswith("\n"):
        raise BadInput(fault("log.note_text_end"))
    return f"{text}\n{key.line(text.encode())}"


def verify(note: Note, key: VerifyKey) -> None:
    """Check the note's signature by a key of kind NOTE. Raises Refused when it is missing or wrong."""
    key.must_be(NOTE)
    lines = note.by(key)
    if not lines:
        raise Refused(fault("log.signature_missing", name=key.name))
    if not all(key.verify(note.text.encode(), s.blob) for s in lines):
        raise Refused(fault("log.signature_wrong", name=key.name))


def _decoded(data: str | bytes) -> str:
    if len(data) > MAX_NOTE:
        raise BadInput(fault("log.note_too_large", limit=MAX_NOTE))
    try:
        content = (data.encode() if isinstance(data, str) else data).decode()
    except UnicodeError as error:
        raise BadInput(fault("log.note_not_text")) from error
    if any(c < " " and c != "\n" for c in content):
        raise BadInput(fault("log.note_not_text"))
    return content


def _signature(line: str) -> Signature:
    name, _, encoded = line.removeprefix(_MARK).partition(" ")
    blob = b64.decode(encoded)
    if not line.startswith(_MARK) or blob is None or len(blob) <= _ID_SIZE:
        raise BadInput(fault("log.note_signature_line", line=ascii(line[:80])))
    check_name(name)
    return Signature(name, blob[:_ID_SIZE], blob[_ID_SIZE:])
