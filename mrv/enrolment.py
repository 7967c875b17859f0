"""The two papers by which a site joins: its request, and the office's approval. Files that travel by hand or by chat.

Neither is signed by anybody: what makes them trustworthy is that two people read the fingerprint of the very file to
each other over the phone. A request carries public keys only; an approval carries certificates, which are public too.
Nothing here opens a file or knows a certificate's insides (agent/enrol.py and collector/ca.py do).
"""

from __future__ import annotations

import hashlib
from typing import Annotated, Literal, TypeVar

import msgspec
import rfc8785

from mrv.errors import BadInput, fault

#: Longest paper anybody reads: a plan of a thousand items fits.
MAX_PAPER = 2 * 1024 * 1024
#: What both ends say over the phone: 30 digits, as many as 99 bits, in groups a person can hold.
DIGITS, GROUP = 30, 5

Pem = Annotated[str, msgspec.Meta(min_length=1, max_length=64 * 1024)]
Site = Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]{1,32}$")]
T = TypeVar("T", bound="Request | Approval")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="paper", tag="request"):
    """What a device asks: `key` signs its log (vkey), `csr` is for its certificate at the broker (PKCS #10, PEM).

    `plan` and `binding` are the canonical JSON texts this site runs with, to be approved by their digests.
    """

    version: Literal[1] = msgspec.field(name="v", default=1)
    site: Site
    key: Annotated[str, msgspec.Meta(max_length=400)]
    csr: Pem
    plan: str
    binding: str


class Approval(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="paper", tag="approval"
):
    """What the office answers: where the broker is, the certificate for it, and whose receipts to believe.

    `request` is the SHA-256 (hex) of the request it answers.
    """

    version: Literal[1] = msgspec.field(name="v", default=1)
    site: Site
    request: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    host: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._:-]{1,253}$")]
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)]
    certificate: Pem
    ca: Pem
    cosigners: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=8)]


def encode(paper: Request | Approval) -> bytes:
    """RFC 8785 bytes and a newline: one spelling, so that one content has one fingerprint."""
    return rfc8785.dumps(msgspec.to_builtins(paper)) + b"\n"


def decode(data: bytes, kind: type[T], where: str) -> T:
    """Read a paper. Raises BadInput (config.enrolment_paper) for anything else than this version's own spelling."""
    try:
        if len(data) > MAX_PAPER:
            raise ValueError(f"longer than {MAX_PAPER} bytes")
        paper = msgspec.json.decode(data, type=kind)
        if encode(paper) != data:
            raise ValueError("changed since it was written")
    except (msgspec.DecodeError, UnicodeError, ValueError, rfc8785.CanonicalizationError) as error:
        raise BadInput(fault("config.enrolment_paper", where, kind=kind.__name__.lower(), problem=error)) from error
    return paper


def digest(data: bytes) -> str:
    """SHA-256 of a paper as it lies there, hex."""
    return hashlib.sha256(data).hexdigest()


def fingerprint(data: bytes) -> str:
    """What two people read to each other: six groups of five digits."""
    number = int.from_bytes(hashlib.sha256(data).digest(), "big") % 10**DIGITS
    digits = f"{number:0{DIGITS}d}"
    return " ".join(digits[at : at + GROUP] for at in range(0, DIGITS, GROUP))


def same(said: str, data: bytes) -> bool:
    """Whether a person typed the fingerprint of `data`, with whatever between the digits."""
    return "".join(c for c in said if c.isascii() and c.isdigit()) == fingerprint(data).replace(" ", "")
