"""The tables of the collector's database, all in one place; which statements they refuse is part of them.

Leaves, checkpoints, evidence, change log and journal are append-only by trigger; heads only grow, a key is closed
once and never changed. At most one admitted summary per (site, period) over all key epochs is a unique index. Types are
those SQLite and PostgreSQL share.
"""

from __future__ import annotations

from sqlalchemy import (
    DDL,
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    event,
    text,
)

#: Grows with every change of the tables below, together with a revision (collector/migrations).
SCHEMA_VERSION = 1
METADATA = MetaData()
#: Sizes, indices and UTC milliseconds: 64 bits. SQLite gives row ids to INTEGER columns only, which are as wide.
NUMBER = BigInteger().with_variant(Integer(), "sqlite")


def _ddl(statement: str) -> DDL:
    made: DDL = DDL(statement)  # type: ignore[no-untyped-call]  # SQLAlchemy left its signature open
    return made


event.listen(
    METADATA,
    "before_create",
    _ddl(
        "CREATE OR REPLACE FUNCTION mrv_keep() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '%% keeps what it has', TG_TABLE_NAME; END $$"
    ).execute_if(dialect="postgresql"),
)


def refuse(table: Table, operation: str, when: str = "1 = 1") -> None:
    """Have the database itself refuse `operation` (UPDATE, UPDATE OF columns, DELETE) on rows where `when`."""
    name = f"{table.name}_no_{operation.lower().replace(', ', '_').replace(' ', '_')}"
    begin = f"CREATE TRIGGER {name} BEFORE {operation} ON {table.name}"
    sqlite = f"{begin} WHEN {when} BEGIN SELECT RAISE(ABORT, '{table.name} keeps what it has'); END"
    postgres = f"{begin} FOR EACH ROW WHEN ({when}) EXECUTE FUNCTION mrv_keep()"
    event.listen(table, "after_create", _ddl(sqlite).execute_if(dialect="sqlite"))
    event.listen(table, "after_create", _ddl(postgres).execute_if(dialect="postgresql"))


SITES = Table(
    "sites",
    METADATA,
    Column("site", String(32), primary_key=True),
    Column("tofu", NUMBER, nullable=False),
)
KEYS = Table(
    "keys",
    METADATA,
    Column("origin", String(255), primary_key=True),
    Column("site", ForeignKey("sites.site"), nullable=False),
    Column("epoch", NUMBER, nullable=False),
    Column("vkey", String(400), nullable=False),
    Column("public", LargeBinary(32), nullable=False, unique=True),
    Column("first_size", NUMBER, nullable=False),
    Column("last_size", NUMBER),
    UniqueConstraint("site", "epoch"),
)
APPROVALS = Table(
    "approvals",
    METADATA,
    Column("site", ForeignKey("sites.site"), primary_key=True),
    Column(
        "kind", String(16), CheckConstraint("kind IN ('plan', 'binding', 'profile', 'methodology')"), primary_key=True
    ),
    Column("digest", String(64), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)
CHANGES = Table(
    "changes",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("at", NUMBER, nullable=False),
    Column("who", String(64), nullable=False),
    Column("what", String(32), nullable=False),
    Column("site", String(32), nullable=False),
    Column("detail", String, nullable=False),
    sqlite_autoincrement=True,
)
JOURNAL = Table(
    "journal",
    METADATA,
    Column("site", ForeignKey("sites.site"), primary_key=True),
    Column("number", NUMBER, primary_key=True, autoincrement=False),
    Column("what", String(32), nullable=False),
    Column("line", LargeBinary, nullable=False),
)
INBOX = Table(
    "inbox",
    METADATA,
    Column("id", NUMBER, primary_key=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("topic", Text, nullable=False),
    #: Which of several collectors received it: that one deals with it first.
    Column("keeper", String(32), nullable=False),
    Column("arrived", NUMBER, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("failed", Text),
    sqlite_autoincrement=True,
)
HEADS = Table(
    "heads",
    METADATA,
    Column("origin", ForeignKey("keys.origin"), primary_key=True),
    Column("size", NUMBER, nullable=False),
    Column("forked", NUMBER, nullable=False),
)
LEAVES = Table(
    "leaves",
    METADATA,
    Column("origin", ForeignKey("keys.origin"), primary_key=True),
    Column("idx", NUMBER, primary_key=True, autoincrement=False),
    Column("kind", String(16), nullable=False),
    Column("body", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
Index(
    "leaves_landmarks",
    LEAVES.c.origin,
    LEAVES.c.idx,
    sqlite_where=LEAVES.c.kind.not_in(["reading", "gap", ""]),
    postgresql_where=LEAVES.c.kind.not_in(["reading", "gap", ""]),
)
CHECKPOINTS = Table(
    "checkpoints",
    METADATA,
    Column("origin", ForeignKey("keys.origin"), primary_key=True),
    Column("size", NUMBER, primary_key=True, autoincrement=False),
    Column("frontier", LargeBinary, nullable=False),
    Column("note", Text, nullable=False),
    Column("arrived", NUMBER, nullable=False),
)
EVIDENCE = Table(
    "evidence",
    METADATA,
    Column("origin", ForeignKey("keys.origin"), primary_key=True),
    Column("size", NUMBER, primary_key=True, autoincrement=False),
    Column("root", String(44), primary_key=True),
    Column("code", String(64), primary_key=True),
    Column("arrived", NUMBER, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
VERDICTS = Table(
    "verdicts",
    METADATA,
    Column("origin", ForeignKey("keys.origin"), primary_key=True),
    Column("idx", NUMBER, primary_key=True, autoincrement=False),
    Column("site", ForeignKey("sites.site"), nullable=False),
    Column("seq", NUMBER, nullable=False),
    Column("start", NUMBER, nullable=False),
    Column("end", NUMBER, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("admitted", NUMBER, nullable=False),
    Column("reasons", Text, nullable=False),
    Column("at", NUMBER, nullable=False),
)
Index(
    "one_admitted_per_period",
    VERDICTS.c.site,
    VERDICTS.c.start,
    unique=True,
    sqlite_where=text("admitted = 1"),
    postgresql_where=text("admitted = 1"),
)
ALARMS = Table(
    "alarms",
    METADATA,
    Column("origin", String(255), primary_key=True),
    Column("code", String(64), primary_key=True),
    Column("params", Text, nullable=False),
    Column("first", NUMBER, nullable=False),
    Column("last", NUMBER, nullable=False),
    Column("times", NUMBER, nullable=False),
)

for table in (SITES, APPROVALS, CHANGES, JOURNAL, LEAVES, CHECKPOINTS, EVIDENCE):
    refuse(table, "UPDATE")
    refuse(table, "DELETE")
for table in (KEYS, HEADS, VERDICTS):
    refuse(table, "DELETE")
refuse(KEYS, "UPDATE OF origin, site, epoch, vkey, public, first_size")
refuse(KEYS, "UPDATE OF last_size", "OLD.last_size IS NOT NULL")
refuse(HEADS, "UPDATE", "NEW.origin <> OLD.origin OR NEW.size < OLD.size OR NEW.forked < OLD.forked")
