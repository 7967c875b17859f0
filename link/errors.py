"""What can go wrong with the disk and the database (a file, or a PostgreSQL server), and whether trying again may help.

    Unavailable
    ├── DiskFull             room must be made; the transaction was rolled back
    ├── Busy                 another process holds the file longer than the busy timeout
    ├── DiskError            the device answered a read or a sync with an error
    └── Away                 the database server does not answer
    Refused
    ├── Unwritable           rights, a read-only file system, a missing folder
    ├── TooNew               a later version of this software wrote the file
    └── Forbidden            a rule of the schema (append-only trigger, key, check) said no
    BadInput
    └── Damaged              the file is not a sound database

The network has no errors here: a lost broker is the normal case and shows as `Mqtt.trouble`.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from mrv.errors import BadInput, MrvError, Refused, Unavailable, fault


class DiskFull(Unavailable):
    """No room left on the device."""


class Busy(Unavailable):
    """Somebody else holds the database."""


class DiskError(Unavailable):
    """The device failed. Whether the last commit happened is unknown: read the head again before going on."""


class Away(Unavailable):
    """The database server cannot be reached, or hung up. Whether the last commit happened is unknown."""


class Unwritable(Refused):
    """The file or its folder cannot be opened for writing."""


class TooNew(Refused):
    """Written by a later schema version."""


class Forbidden(Refused):
    """The schema refused this change."""


class Damaged(BadInput):
    """The file is not a sound database."""


_CODES: Final[dict[int, tuple[type[MrvError], str]]] = {
    sqlite3.SQLITE_FULL: (DiskFull, "link.disk_full"),
    sqlite3.SQLITE_BUSY: (Busy, "link.database_locked"),
    sqlite3.SQLITE_LOCKED: (Busy, "link.database_locked"),
    sqlite3.SQLITE_IOERR: (DiskError, "link.disk_error"),
    sqlite3.SQLITE_READONLY: (Unwritable, "link.database_unwritable"),
    sqlite3.SQLITE_CANTOPEN: (Unwritable, "link.database_unwritable"),
    sqlite3.SQLITE_PERM: (Unwritable, "link.database_unwritable"),
    sqlite3.SQLITE_CONSTRAINT: (Forbidden, "link.database_forbidden"),
    sqlite3.SQLITE_CORRUPT: (Damaged, "link.database_damaged"),
    sqlite3.SQLITE_NOTADB: (Damaged, "link.database_damaged"),
}


def from_sqlite(error: BaseException | None, where: str) -> MrvError:
    """Our error for one of SQLite's; `error` is what the driver raised. Unknown codes are DiskError with the text."""
    code = getattr(error, "sqlite_errorcode", None)
    cls, name = _CODES.get((code or 0) & 0xFF, (DiskError, "link.disk_error"))
    return cls(fault(name, where, problem=error))


#: By SQLSTATE or its class (PostgreSQL, appendix A).
_STATES: Final[dict[str, tuple[type[MrvError], str]]] = {
    "53100": (DiskFull, "link.disk_full"),
    "58": (DiskError, "link.disk_error"),
    "40": (Busy, "link.database_locked"),
    "55": (Busy, "link.database_locked"),
    "23": (Forbidden, "link.database_forbidden"),
    "P0001": (Forbidden, "link.database_forbidden"),
    "28": (Unwritable, "link.database_rights"),
    "42501": (Unwritable, "link.database_rights"),
    "3D": (Unwritable, "link.database_rights"),
    "XX": (Damaged, "link.database_damaged"),
}


def from_postgres(state: str, error: BaseException | None, where: str) -> MrvError:
    """Our error for one of PostgreSQL's; without a known state the server is away."""
    cls, name = _STATES.get(state) or _STATES.get(state[:2]) or (Away, "link.database_away")
    return cls(fault(name, where, problem=str(error).strip().partition("\n")[0]))
