"""Hands a record to the agent: one small file in `<site folder>/spool/`, put in place whole.

The tool and the command line write here, also while the agent is down; the agent takes files up when it runs
(agent/spool.py). Nothing is ever read or changed here.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from mrv import commissioning
from mrv.commissioning import Record
from mrv.errors import Refused, fault

FOLDER = "spool"


def put(site: Path, record: Record) -> Path:
    """The file that now holds `record`, durable. Raises BadInput for a bad record, Refused if it cannot be written.

    Named by the time it was made, so that the agent takes records up in order.
    """
    folder, data = site / FOLDER, commissioning.encode(record)
    path = folder / f"{record.made:015d}-{secrets.token_hex(4)}.json"
    beside = path.with_suffix(".part")
    try:
        folder.mkdir(exist_ok=True)
        with beside.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        beside.rename(path)
        _sync(folder)
    except OSError as error:
        raise Refused(fault("meter.record_not_written", str(folder), problem=error.strerror or error)) from error
    return path


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
