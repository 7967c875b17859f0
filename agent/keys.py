"""The site's signing key: made on the device, readable by its owner alone, never printed.

The file holds the 32-byte seed in hex with mode 0400. Anything looser, its owner's right to write included, is refused:
whoever can read it can sign for this site. One key, one purpose: it signs checkpoints of this log and nothing else.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mrv.errors import BadInput, Refused, fault
from mrv.log.note import NOTE, SigningKey

KEY_FILE = "key"
PUBLIC_FILE = "site.vkey"
EPOCH = 1
_SEED_BYTES = 32


def origin(org: str, site: str, epoch: int = EPOCH) -> str:
    """The name of a site's log and of the key that signs it."""
    return f"{org}/mrv/{site}/k{epoch}"


def make(state: Path, name: str) -> SigningKey:
    """A new key in `state`, and its public half beside it. Raises Refused when there is one already."""
    path = state / KEY_FILE
    key = SigningKey(name, NOTE, os.urandom(_SEED_BYTES))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400)
    except FileExistsError as error:
        raise Refused(fault("agent.key_exists", str(path))) from error
    except OSError as error:
        raise Refused(fault("agent.cannot_write", str(path), problem=error.strerror)) from error
    with os.fdopen(handle, "w") as file:
        file.write(key.seed.hex() + "\n")
        file.flush()
        os.fsync(file.fileno())
    (state / PUBLIC_FILE).write_text(key.vkey + "\n")
    return key


def load(state: Path, name: str) -> SigningKey:
    """The key in `state`. Raises Refused when it is missing or others may read it, BadInput when it is no key."""
    path = state / KEY_FILE
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        if mode & ~0o400:
            raise Refused(fault("agent.key_readable", str(path), mode=f"{mode:04o}"))
        text = path.read_text().strip()
    except FileNotFoundError as error:
        raise Refused(fault("agent.key_missing", str(path))) from error
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(fault("agent.key_unreadable", str(path), problem=error)) from error
    try:
        seed = bytes.fromhex(text)
    except ValueError:
        seed = b""
    if len(seed) != _SEED_BYTES:
        raise BadInput(fault("agent.key_malformed", str(path)))
    return SigningKey(name, NOTE, seed)
