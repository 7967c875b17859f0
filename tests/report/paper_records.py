"""Records as a journal would hold them."""

from __future__ import annotations

import sys
from pathlib import Path

from paper_crediting import START

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mrv"))
from test_records import EXAMPLES  # one set of examples, of every kind a person writes

from mrv import records
from mrv.journal import Entry


def entries() -> tuple[Entry, ...]:
    text = (
        EXAMPLES.replace("factory-1", "demo-factory")
        .replace("project: chiller", "project: pv")
        .replace("CH-1", "PV-AC")
    )
    found = records.load(text, "records.yaml").value
    return tuple(
        Entry(record=one, digest=records.digest(one), number=number, at=START + number, by="office")
        for number, one in enumerate(found)
    )
