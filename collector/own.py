"""What a site brings along beyond what was released, profiles and methodologies: approved by digest, for one site.

An approval is a line of the change log and of the site's journal, which only grow; it carries the text, so that the
office and every auditor later know what was approved. The text is canonical JSON and its digest is of its name too: the
same name with another text is another digest, and nobody's until it is approved. A released text of a profile is let in
unchanged: whoever decodes again by it (mrv.redecode) takes it from the journal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec

from collector.registry import Change, Registry
from mrv import known, leaf, strict
from mrv.errors import BadInput, Refused, fault
from mrv.exchange import SITE_ID
from mrv.journal import MAX_LINE
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology
from mrv.profile import Profile

What = Literal["profile", "methodology"]


class OwnRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="own"):
    """One text to approve for `site`, as asked for: `body` is its JSON."""

    what: What
    who: Annotated[str, msgspec.Meta(max_length=64)]
    site: Annotated[str, msgspec.Meta(pattern=SITE_ID)]
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How one kind of text is read and told apart. `name`: what a log calls it; `state`: no two texts may share it."""

    type: type[Any]
    name: Callable[[Any], str]
    state: Callable[[Any], str]
    released: Callable[[], frozenset[str]]


KINDS: dict[What, Kind] = {
    "profile": Kind(
        type=Profile,
        name=lambda found: found.id,
        state=lambda found: f"{found.id} revision {found.revision}",
        released=lambda: frozenset(known.PROFILES),
    ),
    "methodology": Kind(
        type=Methodology,
        name=lambda found: found.name,
        state=lambda found: found.name,
        released=lambda: frozenset(catalogue.library()),
    ),
}


def carry_out(request: OwnRequest, registry: Registry, at: int) -> tuple[str, ...]:
    """Decide and write down; gives the steps made. Raises BadInput, Refused; then nothing has changed."""
    change = _approval(request, registry)
    if change is None:
        return ()
    registry.apply(request.site, [change], who=request.who, at=at).result()
    return (f"{change.what} {change.detail['name']} {change.detail['digest'][:16]}",)


def approved(what: What, registry: Registry, site: str | None = None) -> dict[str, Any]:
    """The texts of kind `what` approved for `site`, or for any site, by digest."""
    held = registry.own(what, site)
    return {digest: msgspec.json.decode(body, type=KINDS[what].type) for digest, body in held.items()}


def _approval(request: OwnRequest, registry: Registry) -> Change | None:
    if request.site not in registry.sites():
        held = ", ".join(registry.sites()) or "none"
        raise BadInput(fault("collector.unknown_site", request.site, epoch="", known=held))
    kind, found = KINDS[request.what], _decoded(request)
    body, name = leaf.canonical(found), kind.name(found)
    digest = leaf.digest(body)
    released = request.what == "profile" and known.profile(name, digest)
    others = [other for key, other in approved(request.what, registry).items() if key != digest]
    if (name in kind.released() and not released) or kind.state(found) in map(kind.state, others):
        raise Refused(fault(f"collector.{request.what}_taken", kind.state(found)))
    if digest in registry.own(request.what, request.site):
        return None
    change = Change(what=request.what, values={}, detail={"name": name, "digest": digest, "body": body.decode()})
    if (size := len(leaf.canonical(change.detail))) > MAX_LINE // 2:  # the rest of its line in the journal is short
        raise Refused(fault("collector.own_too_large", name, size=size, limit=MAX_LINE // 2))
    return change


def _decoded(request: OwnRequest) -> Any:
    kind = KINDS[request.what]
    try:
        found = msgspec.json.decode(request.body, type=kind.type)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(fault(f"collector.bad_{request.what}", problem=error)) from error
    wrong = [fault(code, kind.name(found), **params) for _, code, params in strict.complaints(found)]
    if wrong:
        raise BadInput(*wrong)
    return found
