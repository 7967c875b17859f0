"""Which 32 bytes are an Ed25519 public key that may be enrolled (RFC 8032 section 5.1.3).

OpenSSL, like most, verifies under low-order keys and under other spellings of a point. A low-order key "signs" anything
with one signature; a second spelling is a second name for one key. Both are refused before a key is ever used.
"""

from __future__ import annotations

from mrv.errors import Refused, fault

_P = 2**255 - 19
_D = -121665 * pow(121666, -1, _P) % _P


def _is_low_order(y: int) -> bool:
    """Whether the point's order divides 8.

    y is 1 (order 1), -1 (order 2) or 0 (order 4). Order 8 doubles to y = 0, so x^2 = -y^2, and the curve's equation
    -x^2 + y^2 = 1 + d x^2 y^2 becomes d y^4 + 2 y^2 = 1.
    """
    return y in (0, 1, _P - 1) or (_D * y**4 + 2 * y**2 - 1) % _P == 0


def check_public(public: bytes) -> None:
    """Raise Refused unless `public` is the canonical encoding of a curve point of large order."""
    if len(public) != 32:
        raise Refused(fault("log.key_length", length=len(public)))
    y = int.from_bytes(public, "little") & (2**255 - 1)
    if y >= _P:
        raise Refused(fault("log.key_not_canonical", key=public.hex()))
    if _is_low_order(y):
        raise Refused(fault("log.key_low_order", key=public.hex()))
    # x^2 = (y^2 - 1) / (d y^2 + 1) must be a square; the quotient is one exactly when the product is.
    if pow((y * y - 1) * (_D * y * y + 1), (_P - 1) // 2, _P) != 1:
        raise Refused(fault("log.key_not_a_point", key=public.hex()))
