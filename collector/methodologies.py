"""Methodologies at the office: which are held, and who compared one with its approved text.

A comparison is a line of the change log, which only grows: the file of a methodology is data that many logs name by
digest, so a word in it could never say that this person, on this day, held it against that PDF. A changed file has
another digest and is compared anew. Those a site brings along are approved in collector.own.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from collector.own import approved
from collector.registry import Change, Registry
from mrv import known, leaf
from mrv.errors import BadInput, fault
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology


class MethodologyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="methodology"):
    """One comparison to record: `person` compared the equations of the methodology `name` with the PDF of SHA-256 `pdf`
    and found each at its place in `places`."""

    who: Annotated[str, msgspec.Meta(max_length=64)]
    name: str
    pdf: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    person: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    places: dict[str, str] = msgspec.field(default_factory=dict)


def methodologies(registry: Registry, site: str | None = None) -> dict[str, Methodology]:
    """Those this version brings, and those approved for `site`, or for any site; by name."""
    return catalogue.by_name([*approved("methodology", registry, site).values(), *catalogue.library().values()])


def carry_out(request: MethodologyRequest, registry: Registry, at: int) -> tuple[str, ...]:
    """Decide and write down; gives the steps made. Raises BadInput; then nothing has changed."""
    change = _comparison(request, registry)
    if change is None:
        return ()
    registry.apply("", [change], who=request.who, at=at).result()
    return (f"{change.what} {change.detail['name']} {change.detail['digest'][:16]}",)


def _comparison(request: MethodologyRequest, registry: Registry) -> Change | None:
    held = methodologies(registry)
    found = held.get(request.name)
    if found is None:
        raise BadInput(fault("plan.methodology_unknown", methodology=request.name, known=", ".join(held)))
    digest = leaf.digest(leaf.canonical(found))
    missing = [one.name for one in found.parsed if not request.places.get(one.name, "").strip()]
    if missing:
        raise BadInput(fault("collector.not_compared", found.name, missing=", ".join(missing)))
    if digest in registry.compared():
        return None
    detail = {"name": found.name, "digest": digest, "pdf": request.pdf, "person": request.person}
    return Change(what="compared", values={}, detail=detail | {f"at {k}": v for k, v in request.places.items()})


def released(methodology: Methodology) -> bool:
    """Whether judges everywhere know it (mrv.known)."""
    return known.methodology(methodology.name, leaf.digest(leaf.canonical(methodology)))
