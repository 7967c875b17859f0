"""Who may sign for which site, and what the office approved: the root of trust, every change of it logged.

Rows are added, never altered, but for one field: a key is closed at a size when its successor is enrolled (revocation
is by size of the log, not by time). Each change, its line in `changes` and that in the site's journal are one
transaction. Nothing here decides
whether a bundle is good; it only answers who is known.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from collector.journal import append
from collector.schema import APPROVALS, CHANGES, KEYS, SITES
from link.writer import Transactions
from mrv.audit import Approvals
from mrv.journal import COMPARED
from mrv.period import shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteKey:
    """One key epoch of a site. The log it signs is accepted for sizes in (first_size, last_size]; None: no end yet."""

    site: str
    origin: str
    epoch: int
    vkey: str
    first_size: int
    last_size: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the registry knows of a site before a change: all a decision about the change needs."""

    site: str
    known: bool
    tofu: bool
    keys: tuple[SiteKey, ...]
    approvals: Approvals
    publics: dict[bytes, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One logged step: `what` is enrolled, key, close, approve, profile, methodology, compared or certificate; `values`
    are the row, `detail` the log's words. From `profile` on there is no row: the words are all of it."""

    what: str
    values: dict[str, Any]
    detail: dict[str, str]


class Registry:
    """Reads and extends the registry in `database`."""

    def __init__(self, database: Transactions) -> None:
        self._database = database

    def key(self, origin: str) -> SiteKey | None:
        """The key enrolled for `origin`."""
        rows = self._rows(select(KEYS).where(KEYS.c.origin == origin))
        return _site_key(rows[0]) if rows else None

    def keys(self, site: str) -> tuple[SiteKey, ...]:
        """The keys of `site`, by epoch."""
        return tuple(map(_site_key, self._rows(select(KEYS).where(KEYS.c.site == site).order_by(KEYS.c.epoch))))

    def every_key(self) -> tuple[SiteKey, ...]:
        """The keys of all sites, by site and epoch."""
        return tuple(map(_site_key, self._rows(select(KEYS).order_by(KEYS.c.site, KEYS.c.epoch))))

    def sites(self) -> tuple[str, ...]:
        return tuple(row.site for row in self._rows(select(SITES.c.site).order_by(SITES.c.site)))

    def trusts_first_use(self, site: str) -> bool:
        """Whether the first key that `site` shows may be enrolled unseen (demonstrations only)."""
        rows = self._rows(select(SITES.c.tofu).where(SITES.c.site == site))
        return bool(rows and rows[0].tofu) and not self.keys(site)

    def approvals(self, site: str) -> Approvals:
        """Digests of what is approved for `site`."""
        return self._database.read(lambda connection: _approvals(connection, site))

    def approved(self, site: str, kind: str) -> tuple[tuple[str, bytes], ...]:
        """(digest, canonical JSON) of what of `kind` ("plan", "binding") was ever approved for `site`."""
        query = select(APPROVALS.c.digest, APPROVALS.c.body).where(APPROVALS.c.site == site, APPROVALS.c.kind == kind)
        return tuple((row.digest, row.body) for row in self._rows(query.order_by(APPROVALS.c.digest)))

    def approved_at(self, site: str) -> dict[str, int]:
        """When (UTC ms) each plan and binding of `site` was approved first, by digest."""
        found: dict[str, int] = {}
        for row in self.changes(site):
            if row.what == "approve":
                found.setdefault(json.loads(row.detail)["digest"], row.at)
        return found

    def own(self, what: str, site: str | None) -> dict[str, str]:
        """Canonical JSON, by digest, of each "profile" or "methodology" of its own approved for `site`, or for any."""
        details = [json.loads(row.detail) for row in self.changes(site) if row.what == what]
        return {detail["digest"]: detail["body"] for detail in details}

    def compared(self) -> dict[str, dict[str, str]]:
        """Who compared which methodology with its approved text, by digest; the first comparison counts."""
        found: dict[str, dict[str, str]] = {}
        for row in self.changes(""):
            if row.what == COMPARED:
                detail = json.loads(row.detail)
                found.setdefault(detail["digest"], detail | {"recorded": shown(row.at), "by": row.who})
        return found

    def standing(self, site: str) -> Standing:
        """What is known of `site` now."""
        return self._database.read(lambda connection: _standing(connection, site))

    def changes(self, site: str | None = None) -> Sequence[Row[Any]]:
        """The change log, oldest first: at (ms), who, what, site, detail (JSON)."""
        query = select(CHANGES).order_by(CHANGES.c.id)
        return self._rows(query if site is None else query.where(CHANGES.c.site == site))

    def apply(self, site: str, changes: Sequence[Change], *, who: str, at: int) -> Future[None]:
        """Make `changes` and log each, in one transaction; what concerns no site (the office's own certificates) has no
        journal, but a comparison is every site's. The future raises link.errors.Forbidden on a conflict."""

        def job(connection: Connection) -> None:
            for change in changes:
                _make(connection, change)
                words = json.dumps(change.detail, sort_keys=True)
                connection.execute(insert(CHANGES).values(at=at, who=who, what=change.what, site=site, detail=words))
                for journal in _journals(connection, change, site):
                    append(connection, journal, at=at, by=who, what=change.what, detail=change.detail)
                if change.what == "enrolled":
                    _tell_compared(connection, site, at)

        return self._database.write(job)

    def _rows(self, query: Any) -> Sequence[Row[Any]]:
        return self._database.read(lambda connection: connection.execute(query).all())


def _make(connection: Connection, change: Change) -> None:
    if change.what in ("certificate", "profile", "methodology", COMPARED):
        return  # the line in the log is all of it
    if change.what == "close":
        closing = update(KEYS).where(KEYS.c.origin == change.values["origin"], KEYS.c.last_size.is_(None))
        connection.execute(closing.values(last_size=change.values["last_size"]))
        return
    table = {"enrolled": SITES, "key": KEYS, "approve": APPROVALS}[change.what]
    connection.execute(insert(table).values(change.values))


def _journals(connection: Connection, change: Change, site: str) -> Sequence[str]:
    """The sites whose journal carries `change`: its own, or all where a methodology was compared."""
    query = select(SITES.c.site).order_by(SITES.c.site)
    rows = connection.execute(query if change.what == COMPARED else query.where(SITES.c.site == site)).all()
    return [row.site for row in rows]


def _tell_compared(connection: Connection, site: str, at: int) -> None:
    """What was compared before `site` was enrolled stands in its journal as well, and with whom entered it."""
    query = select(CHANGES).where(CHANGES.c.what == COMPARED).order_by(CHANGES.c.id)
    for row in connection.execute(query).all():
        append(connection, site, at=at, by=row.who, what=COMPARED, detail=json.loads(row.detail))


def _site_key(row: Row[Any]) -> SiteKey:
    return SiteKey(
        site=row.site,
        origin=row.origin,
        epoch=row.epoch,
        vkey=row.vkey,
        first_size=row.first_size,
        last_size=row.last_size,
    )


def _approvals(connection: Connection, site: str) -> Approvals:
    rows = connection.execute(select(APPROVALS.c.kind, APPROVALS.c.digest).where(APPROVALS.c.site == site)).all()
    own = connection.execute(
        select(CHANGES.c.what, CHANGES.c.detail).where(
            CHANGES.c.site == site, CHANGES.c.what.in_(("profile", "methodology"))
        )
    ).all()
    return Approvals(
        plans=frozenset(row.digest for row in rows if row.kind == "plan"),
        bindings=frozenset(row.digest for row in rows if row.kind == "binding"),
        profiles=frozenset(json.loads(row.detail)["digest"] for row in own if row.what == "profile"),
        methodologies=frozenset(json.loads(row.detail)["digest"] for row in own if row.what == "methodology"),
    )


def _standing(connection: Connection, site: str) -> Standing:
    row = connection.execute(select(SITES).where(SITES.c.site == site)).one_or_none()
    keys = connection.execute(select(KEYS).order_by(KEYS.c.epoch)).all()
    return Standing(
        site=site,
        known=row is not None,
        tofu=bool(row and row.tofu),
        keys=tuple(_site_key(key) for key in keys if key.site == site),
        approvals=_approvals(connection, site),
        publics={key.public: key.origin for key in keys},
    )
