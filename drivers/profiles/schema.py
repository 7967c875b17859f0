"""`python -m drivers.profiles.schema`: the JSON Schema of a profile, for editors; docs/profile.schema.json holds it."""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from mrv.profile import Profile


def text() -> str:
    """The schema as it stands in the repository; a number may be written as one, though it is carried as text."""
    schema = _numbers(msgspec.json.schema(Profile))
    return json.dumps(schema, indent=1, sort_keys=True) + "\n"


def _numbers(part: Any) -> Any:
    if isinstance(part, list):
        return [_numbers(item) for item in part]
    if not isinstance(part, dict):
        return part
    made = {key: _numbers(item) for key, item in part.items()}
    if made.get("format") == "decimal":
        made["type"] = ["string", "number"]
    return made


if __name__ == "__main__":
    sys.stdout.write(text())
