"""The first released schema, made by collector/schema.py itself: where the other revisions begin."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Nothing: whoever has version 1 has these tables already."""
