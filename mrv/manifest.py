"""The exported log of one site: which files stand in the folder, and what its manifest says (docs/wire.md, "Export").

manifest.json         origin, keys, approvals: what the office says; an auditor brings the keys from elsewhere
checkpoint            the newest receipt
checkpoints/<size>    every checkpoint the site signed and the office cosigned
journal               the office's records and registry changes of this site, one canonical line each (mrv.journal)
plans/<sha256>        the plans that the office approved, canonical JSON
documents/<sha256>    the papers that the office keeps
entries/<number>      the leaves, ENTRIES to a file, as C2SP entry bundles
"""

from __future__ import annotations

from typing import Literal

import msgspec

MANIFEST = "manifest.json"
CHECKPOINT = "checkpoint"
CHECKPOINTS = "checkpoints"
ENTRIES = "entries"
JOURNAL = "journal"
DOCUMENTS = "documents"
PLANS = "plans"
#: Leaves in one file; the last may hold fewer.
LEAVES_PER_FILE = 256


class Manifest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What the office says of an exported log. Keys are vkeys, the others digests it approved.

    `journal` is the digest of the last line of the journal, absent where there is no journal.
    """

    version: Literal[1] = msgspec.field(name="v")
    origin: str
    size: int
    site_key: str
    cosigners: tuple[str, ...]
    plans: tuple[str, ...]
    bindings: tuple[str, ...]
    profiles: tuple[str, ...] = ()
    methodologies: tuple[str, ...] = ()
    journal: str | None = None


def entries_name(number: int) -> str:
    """The name of the file with leaves [number * LEAVES_PER_FILE, ...)."""
    return f"{number:06d}"
