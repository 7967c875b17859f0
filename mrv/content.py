"""What the blobs of a log hold: plan, binding, profiles and methodologies, found by digest.

They come from the site, so they are bounded, checked against the digest that names them and decoded strictly; a blob
that cannot be used is a fault, never an exception.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

import msgspec

from mrv import leaf, strict
from mrv.binding import Binding
from mrv.errors import Fault, MrvError, fault
from mrv.leaf import Blob, Config
from mrv.methodology.catalogue import Methodology
from mrv.methodology.emissions import Model
from mrv.plan import MonitoringPlan, Project
from mrv.profile import Profile

T = TypeVar("T")
#: A content of more parts than this (about 3.5 MiB) is refused.
MAX_PARTS = 512


class Content:
    """Texts by digest, and what they decode to."""

    def __init__(self) -> None:
        self._texts: dict[str, bytes] = {}
        self._parts: dict[str, list[str]] = {}
        self._decoded: dict[tuple[str, type], Any] = {}
        self._models: dict[tuple[str, str, str], Model] = {}

    def add(self, blob: Blob) -> tuple[Fault, ...]:
        """Take the next part of a content; parts come in order, a finished content is checked and kept."""
        parts = self._parts.setdefault(blob.digest, [])
        if blob.index == 0:
            parts.clear()
        if blob.index != len(parts) or not blob.index < blob.count <= MAX_PARTS:
            return (fault("audit.blob_order", blob.digest[:16], index=blob.index, expected=len(parts)),)
        parts.append(blob.text)
        if len(parts) < blob.count:
            return ()
        content = "".join(self._parts.pop(blob.digest)).encode()
        if leaf.digest(content) != blob.digest:
            return (fault("audit.blob_digest", blob.digest[:16]),)
        self._texts[blob.digest] = content
        return ()

    def has(self, digest: str) -> bool:
        """Whether the content named `digest` is complete."""
        return digest in self._texts

    def text(self, digest: str) -> bytes | None:
        return self._texts.get(digest)

    def plan(self, digest: str) -> MonitoringPlan | None:
        return self._get(digest, MonitoringPlan)

    def binding(self, digest: str) -> Binding | None:
        return self._get(digest, Binding)

    def profile(self, digest: str) -> Profile | None:
        return self._get(digest, Profile)

    def methodology(self, digest: str) -> Methodology | None:
        return self._get(digest, Methodology)

    def model(self, config: Config, project: Project) -> Model | None:
        """The methodology of `project`, of the plan that `config` names, if it can be read.

        Raises BadInput when the one does not fit the other.
        """
        digest = config.methodologies.get(project.methodology, "")
        methodology = self.methodology(digest)
        place = config.plan, project.id, digest
        if methodology is not None and place not in self._models:
            self._models[place] = Model(methodology, project)
        return self._models.get(place)

    def missing(self, config: Config) -> Iterable[Fault]:
        """What `config` names and this log does not hold in usable form."""
        wanted: list[tuple[str, str, type]] = [
            ("plan", config.plan, MonitoringPlan),
            ("binding", config.binding, Binding),
            *((f"profile {name}", digest, Profile) for name, digest in config.profiles.items()),
            *((f"methodology {name}", digest, Methodology) for name, digest in config.methodologies.items()),
        ]
        for name, digest, kind in wanted:
            if self._get(digest, kind) is None:
                yield fault("audit.content_missing", f"config {config.number}", content=name, digest=digest[:16])

    def _get(self, digest: str, kind: type[T]) -> T | None:
        if digest not in self._texts:
            return None
        if (digest, kind) not in self._decoded:
            self._decoded[digest, kind] = _decoded(self._texts[digest], kind)
        found: T | None = self._decoded[digest, kind]
        return found


def _decoded(text: bytes, kind: type[T]) -> T | None:
    """`text` as `kind`, held to the same rules between fields as a file a person wrote; None when it is not one."""
    try:
        value = msgspec.json.decode(text, type=kind)
        if any(True for _ in strict.complaints(value)):
            return None
    except (msgspec.DecodeError, MrvError, ValueError, ArithmeticError, RecursionError):
        return None
    return value
