"""Takes up what people recorded at the site: files in `<site folder>/spool/` become `meter` leaves of the log.

A file is one record, JSON, at most 16 KiB, named `*.json` and put in place whole by `drivers.spool.put`:

    {"v": 1,                            format
     "event": "commissioned",           or "accepted", "noted"
     "meter": "pv-main",                id in site.yaml
     "who": "Nguyen Van A, MRV officer",
     "made": 1772409600000,             UTC ms, by the clock of whoever wrote it
     "details": {"display.2.8.0": "18343.2"},   texts by name
     "raw": {"i:72": "468f4e80"}}       words as in a reading leaf

A record is removed once its leaf is durable; one whose leaf is in the log already (the power failed in between) is
removed without another. A file that is no such record, or is about a meter this site does not have, is moved to
`spool/bad/` and stays an alarm until somebody looks: nothing a person wrote down is thrown away. Files come in the
order of their names.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from agent.clock import Moment
from drivers.spool import FOLDER
from mrv import commissioning, leaf
from mrv.commissioning import MAX_RECORD, Record
from mrv.errors import BadInput, Fault, fault
from mrv.leaf import MeterEvent

BAD = "bad"
#: Files taken up at once, so that a flooded spool cannot keep the disk from readings.
MOST = 50


@dataclass(frozen=True, slots=True)
class Taken:
    """One good record and where it lies."""

    path: Path
    record: Record
    digest: str

    def event(self, config: int, now: Moment) -> MeterEvent:
        """Its leaf, stamped `now`."""
        return commissioning.event(
            self.record,
            self.digest,
            config=config,
            boot=now.boot,
            boottime=now.boottime,
            ts=now.ts,
            clock=now.state,
        )


class Spool:
    """The spool folder of one site. Every method may be called at any time; an absent folder is an empty one."""

    def __init__(self, site: Path, meters: Iterable[str]) -> None:
        self.folder = site / FOLDER
        self._meters = frozenset(meters)
        #: The last thing that could not be done with a file.
        self.trouble: Fault | None = None

    def waiting(self) -> tuple[Taken, ...]:
        """The good records, in order; bad ones are set aside."""
        self.trouble = None
        try:
            paths = sorted(self.folder.glob("*.json"))[:MOST]
        except OSError as error:
            self.trouble = fault("agent.spool_unreadable", str(self.folder), problem=error.strerror)
            return ()
        return tuple(taken for path in paths if (taken := self._read(path)) is not None)

    def done(self, taken: Taken) -> None:
        """Its leaf is durable: remove the file."""
        self._do(taken.path, taken.path.unlink)

    def alarms(self) -> Iterator[Fault]:
        """What a person has to look at."""
        if self.trouble:
            yield self.trouble
        try:
            bad = sorted(path.name for path in (self.folder / BAD).glob("*.json"))
        except OSError:
            return
        if bad:
            yield fault("agent.spool_bad", str(self.folder / BAD), count=len(bad), first=bad[0])

    def _read(self, path: Path) -> Taken | None:
        try:
            with path.open("rb") as file:
                data = file.read(MAX_RECORD + 1)
            record = commissioning.decode(data)
            if record.meter not in self._meters:
                known = ", ".join(sorted(self._meters))
                raise BadInput(fault("agent.spool_unknown_meter", str(path), meter=record.meter, known=known))
        except OSError as error:
            self.trouble = fault("agent.spool_unreadable", str(path), problem=error.strerror)
            return None
        except BadInput as error:
            self._set_aside(path, error.faults[0])
            return None
        return Taken(path, record, leaf.digest(data))

    def _set_aside(self, path: Path, why: Fault) -> None:
        """Beside it, the reason in words a script and a person find again."""

        def move() -> None:
            bad = self.folder / BAD
            bad.mkdir(exist_ok=True)
            (bad / path.name).with_suffix(".why").write_text(f"{why.code} {why.params}\n", encoding="utf-8")
            path.replace(bad / path.name)

        self._do(path, move)

    def _do(self, path: Path, act: Callable[[], object]) -> None:
        try:
            act()
        except FileNotFoundError:
            return
        except OSError as error:
            self.trouble = fault("agent.spool_stuck", str(path), problem=error.strerror)
