"""Base64 with one spelling (RFC 4648 section 4): padding exact, no unused bits set, nothing but the alphabet."""

from __future__ import annotations

import binascii


def encode(data: bytes) -> str:
    """The one spelling of `data`."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def decode(text: str) -> bytes | None:
    """The bytes `text` spells; None when `encode` would not have written it so."""
    try:
        data = binascii.a2b_base64(text.encode("ascii"), strict_mode=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return data if encode(data) == text else None
