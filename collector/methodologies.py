"""Methodologies at the office: who compared one with its approved text, and those a site brings along.

Both are lines of the change log, which only grows: the file of a methodology is data that many logs name by digest, so
a word in it could never say that this person, on this day, held it against that PDF. A changed file has another digest
and is compared anew.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from collector.registry import Change, Registry
from mrv import known, leaf, strict
from mrv.errors import BadInput, Refused, fault
from mrv.exchange import SITE_ID
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology


class MethodologyRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="methodology"):
    """One change as asked for. `approve`: canonical JSON of a methodology for `site`; `verify`: a comparison.

    `person` compared the equations with the PDF of SHA-256 `pdf` and found each at its place in `places`.
    """

    did: Literal["approve", "verify"]
    who: Annotated[str, msgspec.Meta(max_length=64)]
    site: Annotated[str, msgspec.Meta(pattern=SITE_ID)] | None = None
    body: str | None = None
    name: str | None = None
    pdf: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")] | None = None
    person: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    places: dict[str, str] = msgspec.field(default_factory=dict)


def methodologies(registry: Registry, site: str | None = None) -> dict[str, Methodology]:
    """Those this version brings, and those approved for `site`, or for any site; by name."""
    own = [msgspec.json.decode(body, type=Methodology) for body in registry.own_methodologies(site).values()]
    return catalogue.by_name([*own, *catalogue.library().values()])


def carry_out(request: MethodologyRequest, registry: Registry, at: int) -> tuple[str, ...]:
    """Decide and write down; gives the steps made. Raises BadInput, Refused; then nothing has changed."""
    change = _approval(request, registry) if request.did == "approve" else _comparison(request, registry)
    if change is None:
        return ()
    registry.apply(request.site or "", [change], who=request.who, at=at).result()
    return (f"{change.what} {change.detail['name']} {change.detail['digest'][:16]}",)


def _approval(request: MethodologyRequest, registry: Registry) -> Change | None:
    if request.site not in registry.sites():
        held = ", ".join(registry.sites()) or "none"
        raise BadInput(fault("collector.unknown_site", request.site or "", epoch="", known=held))
    found = _decoded(request.body or "")
    digest = leaf.digest(leaf.canonical(found))
    if found.name in catalogue.library():
        raise Refused(fault("collector.methodology_taken", found.name))
    for body in registry.own_methodologies(None).values():
        other = msgspec.json.decode(body, type=Methodology)
        if other.name == found.name and leaf.digest(leaf.canonical(other)) != digest:
            raise Refused(fault("collector.methodology_taken", found.name))
    if digest in registry.approvals(request.site).methodologies:
        return None
    detail = {"name": found.name, "digest": digest, "body": leaf.canonical(found).decode()}
    return Change(what="methodology", values={}, detail=detail)


def _decoded(body: str) -> Methodology:
    try:
        found = msgspec.json.decode(body, type=Methodology)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(fault("collector.bad_methodology", problem=error)) from error
    wrong = [fault(code, found.name, **params) for _, code, params in strict.complaints(found)]
    if wrong:
        raise BadInput(*wrong)
    return found


def _comparison(request: MethodologyRequest, registry: Registry) -> Change | None:
    held = methodologies(registry)
    found = held.get(request.name or "")
    if found is None:
        raise BadInput(fault("plan.methodology_unknown", methodology=request.name, known=", ".join(held)))
    digest = leaf.digest(leaf.canonical(found))
    missing = [one.name for one in found.parsed if not request.places.get(one.name, "").strip()]
    if missing or request.pdf is None or request.person is None:
        raise BadInput(fault("collector.not_compared", found.name, missing=", ".join(missing) or "PDF, person"))
    if digest in registry.compared():
        return None
    detail = {"name": found.name, "digest": digest, "pdf": request.pdf, "person": request.person}
    return Change(what="compared", values={}, detail=detail | {f"at {k}": v for k, v in request.places.items()})


def released(methodology: Methodology) -> bool:
    """Whether judges everywhere know it (mrv.known)."""
    return known.methodology(methodology.name, leaf.digest(leaf.canonical(methodology)))
