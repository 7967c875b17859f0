"""The reports of random plans and histories (tests/credit_random.py), for determinism.

python tests/report_random.py FIRST COUNT      one line each: the digests of the crediting and of its workbook, CSV and
                                               JSON of seed FIRST, FIRST + 1, ...
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.append(str(Path(__file__).parent / "report"))

from credit_random import History, history
from paper_records import entries

from collector.report import plain, workbook
from collector.report.material import LogState, Material, PlanVersion, Quarantined, Sample, Wired
from collector.report.sheets import lay_out
from mrv import leaf
from mrv.crediting.engine import credit
from mrv.crediting.result import Crediting, canonical
from mrv.errors import BadInput, fault
from mrv.measurand import BY_OBIS
from mrv.messages import LANGUAGES
from mrv.plan.versions import timeline

ORIGIN = "example.org/mrv/random/k1"


def material(seed: int, made: History, crediting: Crediting) -> Material:
    """What an office would hold around this crediting: plans, meters, a log, quarantined periods, papers, a sample."""
    random, evidence = Random(seed), made.evidence
    versions = timeline(list(evidence.plans)).versions
    sealed = sorted(evidence.sealed, key=lambda one: (one.bound.meter, one.usage.start))
    wired = {one.bound.meter: one for one in sealed}
    why = (fault("audit.coverage_too_low", "seq 3", read=1, expected=15, least="0.5"),)
    doubted = random.sample(sealed, min(len(sealed), random.randint(0, 3)))
    drawn = random.sample(sealed, min(len(sealed), 3))
    return Material(
        crediting=crediting,
        versions=tuple(PlanVersion(start=one.start, digest=one.digest, plan=one.plan) for one in versions),
        wired=tuple(
            Wired(
                origin=ORIGIN,
                since=evidence.start,
                meter=meter,
                point=one.bound.point,
                serial=one.bound.serial or "",
                profile="any (revision 1)",
                maker="any",
                models="any",
                every=one.bound.every,
                ratio="",
                registers=tuple((BY_OBIS[obis].name.lower(), obis, 0, None) for obis in sorted(one.usage.registers)),
            )
            for meter, one in sorted(wired.items())
        ),
        logs=(
            LogState(
                origin=ORIGIN,
                key=f"{ORIGIN}+1234abcd+AQ",
                size=random.randint(1, 10**6),
                root=random.randbytes(32).hex(),
                receipt=f"{ORIGIN}\n",
                received=evidence.end,
                usages=len(sealed),
                admitted=len(sealed),
                quarantined=len(doubted),
            ),
        ),
        quarantined=tuple(
            Quarantined(origin=ORIGIN, start=one.usage.start, end=one.usage.end, reasons=why) for one in doubted
        ),
        samples=tuple(
            Sample(
                origin=ORIGIN,
                index=random.randint(0, 10**6),
                meter=one.bound.meter,
                slot=one.usage.start,
                words={"i:72": random.randbytes(4).hex()},
                decoded={obis: used.opening for obis, used in one.usage.registers.items()},
                leaf_hash=one.digest,
                proof="c2sp.org/tlog-proof@v1\n",
            )
            for one in drawn
        ),
        seed=random.randbytes(32).hex(),
        entries=entries(),
        journal_head=random.randbytes(32).hex(),
        journal_size=random.randint(0, 99),
        kept=frozenset(),
        logged={},
        overdue=tuple(f"2026-{month:02d}" for month in range(7, 7 + random.randint(0, 5))),
        software="mrv-agent",
    )


def digests(seed: int, folder: Path) -> list[str]:
    """Of the crediting, the workbook, the CSV files and the JSON."""
    made = history(seed)
    crediting = credit(made.evidence)
    held = material(seed, made, crediting)
    pages = lay_out(held, LANGUAGES)
    book, sheets, document = folder / "r.xlsx", folder / f"csv{seed}", folder / "r.json"
    workbook.write(pages, book, at=crediting.end, footer=f"random {seed}")
    plain.write_csv(pages, sheets)
    plain.write_json(pages, held, document)
    csv = b"".join(path.name.encode() + b"\0" + path.read_bytes() for path in sorted(sheets.iterdir()))
    return [leaf.digest(data) for data in (canonical(crediting), book.read_bytes(), csv, document.read_bytes())]


def main(first: int, count: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(first, first + count):
            try:
                sys.stdout.write(" ".join(digests(seed, Path(folder))) + "\n")
            except BadInput as error:
                sys.stdout.write(f"{[fault.code for fault in error.faults]}\n")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
