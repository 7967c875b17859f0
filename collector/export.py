"""The folder an auditor takes away: one log as it is held, the office's journal, the keys and approvals it claims.

Written from what is stored, byte for byte; nothing is judged or made anew here. A folder that holds something already
is not written into, so that two exports never mix.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import rfc8785

from collector.archive import Archive, Head
from collector.documents import find
from mrv import journal, leaf
from mrv.audit import Approvals
from mrv.errors import Refused, Unavailable, fault
from mrv.log.bundle import entries
from mrv.manifest import (
    CHECKPOINT,
    CHECKPOINTS,
    DOCUMENTS,
    ENTRIES,
    JOURNAL,
    LEAVES_PER_FILE,
    MANIFEST,
    PLANS,
    Manifest,
    entries_name,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Papers:
    """What goes along with a log: the lines of the site's journal, and the folder of papers it may name."""

    site: str
    journal: tuple[bytes, ...]
    kept: Path
    #: Approved plans by digest, canonical JSON.
    plans: tuple[tuple[str, bytes], ...] = ()


def manifest(head: Head, site_key: str, cosigner: str, approvals: Approvals, papers: Papers) -> Manifest:
    """What the office says of the log it exports."""
    return Manifest(
        version=1,
        origin=head.origin,
        size=head.size,
        site_key=site_key,
        cosigners=(cosigner,),
        plans=tuple(sorted(approvals.plans)),
        bindings=tuple(sorted(approvals.bindings)),
        profiles=tuple(sorted(approvals.profiles)),
        methodologies=tuple(sorted(approvals.methodologies)),
        journal=leaf.digest(papers.journal[-1]) if papers.journal else None,
    )


def write(
    archive: Archive, head: Head, says: Manifest, papers: Papers, folder: Path, progress: Callable[[int], None]
) -> None:
    """Write the log up to `head`, and `papers`, into `folder`; `progress` hears how many leaves are out.

    Raises Refused (nothing received yet, folder in use), Unavailable (disk) and link.errors.
    """
    if head.note is None:
        raise Refused(fault("collector.nothing_held", head.origin))
    try:
        unused(folder)
        for name in (CHECKPOINTS, ENTRIES):
            (folder / name).mkdir(parents=True, exist_ok=True)
        for number, chunk in enumerate(_chunks(archive.leaves(head.origin, 0, head.size))):
            (folder / ENTRIES / entries_name(number)).write_bytes(entries(chunk))
            progress(number * LEAVES_PER_FILE + len(chunk))
        for size, note in archive.notes(head.origin):
            if size <= head.size:
                (folder / CHECKPOINTS / str(size)).write_text(note)
        (folder / CHECKPOINT).write_text(head.note)
        _write_papers(papers, folder)
        # Last: a folder without a manifest is an export that did not finish.
        (folder / MANIFEST).write_bytes(rfc8785.dumps(msgspec.to_builtins(says)))
    except OSError as error:
        raise Unavailable(fault("collector.export_failed", str(folder), problem=error)) from error


def unused(folder: Path) -> None:
    """Raises Refused for a folder that holds something."""
    if folder.exists() and any(folder.iterdir()):
        raise Refused(fault("collector.folder_in_use", str(folder)))


def _write_papers(papers: Papers, folder: Path) -> None:
    if not papers.journal:
        return
    (folder / JOURNAL).write_bytes(b"".join(line + b"\n" for line in papers.journal))
    for name in (DOCUMENTS, PLANS):
        (folder / name).mkdir()
    for digest, body in papers.plans:
        (folder / PLANS / digest).write_bytes(body)
    for name in sorted(journal.read(papers.journal, papers.site).papers):
        if (paper := find(papers.kept, name)) is not None:
            shutil.copyfile(paper, folder / DOCUMENTS / name)


def _chunks(leaves: Iterator[bytes]) -> Iterator[list[bytes]]:
    while chunk := list(islice(leaves, LEAVES_PER_FILE)):
        yield chunk
