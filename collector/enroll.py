"""What may change in the registry: pure decisions, the registry only writes them down.

A key is bound to one log for good: its name must be the log's origin, its bytes may serve no other log, and a second
key of a site is a new epoch that closes the one before it at what is held. Low-order and non-canonical keys are refused
by `VerifyKey.parse`: signatures under them prove nothing.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, TypeVar

import msgspec

from collector.archive import Archive
from collector.config import Identity
from collector.registry import Change, Registry, SiteKey, Standing
from mrv import leaf
from mrv.binding import Binding
from mrv.errors import BadInput, MrvError, Refused, fault
from mrv.exchange import SITE_ID
from mrv.leaf import Genesis
from mrv.log.bundle import Bundle
from mrv.log.checkpoint import Checkpoint
from mrv.log.note import NOTE, VerifyKey
from mrv.plan import MonitoringPlan, check_against

T = TypeVar("T")


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="enroll"):
    """One `enroll` as asked for; also what a command hands to a running daemon. Plan and binding are canonical JSON."""

    site: Annotated[str, msgspec.Meta(pattern=SITE_ID)]
    who: Annotated[str, msgspec.Meta(max_length=64)]
    epoch: int | None = None
    key: str | None = None
    tofu: bool = False
    plan: str | None = None
    binding: str | None = None
    #: What happened to a certificate (collector/ca.py), for the change log.
    certificate: dict[str, str] | None = None


def changes(request: Request, identity: Identity, standing: Standing, held: int) -> tuple[Change, ...]:
    """The steps that carry out `request`; none when all of it is so already.

    `held` is the size held of the site's newest log. Raises BadInput or Refused with every fault found.
    """
    if not re.fullmatch(SITE_ID, request.site):
        raise BadInput(fault("collector.bad_site", found=request.site))
    logged = () if request.certificate is None else (_certificate(request.certificate),)
    if logged and request.key is None:
        return logged
    if not standing.known and request.key is None and not request.tofu:
        raise BadInput(fault("collector.key_missing", request.site))
    steps = [] if standing.known else [_site(request)]
    if request.key is not None:
        steps += _key(VerifyKey.parse(request.key), request.epoch, identity, standing, held)
    return (*steps, *_approvals(request, standing), *logged)


def spelled(step: Change) -> str:
    """What `step` did, as commands and scripts see it: `approve_plan` and `approve_binding` are told apart."""
    return f"{step.what}_{step.detail['kind']}" if step.what == "approve" else step.what


def first_use(identity: Identity, standing: Standing, claim: Checkpoint, bundle: Bundle) -> tuple[Change, ...]:
    """The key that the genesis leaf of a first bundle names, if that is a fit key for this log; else nothing."""
    try:
        genesis = leaf.decode(bundle.leaves[0]) if bundle.leaves else None
        if not isinstance(genesis, Genesis) or (genesis.origin, genesis.enrolled) != (claim.origin, "tofu"):
            return ()
        return tuple(_key(VerifyKey.parse(genesis.key), None, identity, standing, 0))
    except MrvError:
        return ()


def _certificate(detail: dict[str, str]) -> Change:
    return Change(what="certificate", values={}, detail=detail)


def _site(request: Request) -> Change:
    values = {"site": request.site, "tofu": int(request.tofu)}
    return Change(what="enrolled", values=values, detail={"trust": "first use" if request.tofu else "key"})


def _key(key: VerifyKey, epoch: int | None, identity: Identity, standing: Standing, held: int) -> list[Change]:
    newest = max(standing.keys, key=lambda known: known.epoch, default=None)
    if any(known.vkey == key.text for known in standing.keys):
        return []
    if newest is not None and epoch is None:
        raise Refused(fault("collector.second_key", standing.site, held=newest.origin, next=newest.epoch + 1))
    wanted = epoch if epoch is not None else 1
    _check_name(key, identity.origin(standing.site, wanted), standing)
    if wanted != (newest.epoch + 1 if newest else 1):
        raise Refused(
            fault("collector.wrong_epoch", standing.site, found=wanted, next=newest.epoch + 1 if newest else 1)
        )
    values = {
        "origin": key.name,
        "site": standing.site,
        "epoch": wanted,
        "vkey": key.text,
        "public": key.public,
        "first_size": 0,
        "last_size": None,
    }
    steps = [Change(what="key", values=values, detail={"vkey": key.text})]
    return [*_closing(newest, held), *steps]


def _check_name(key: VerifyKey, origin: str, standing: Standing) -> None:
    if key.kind != NOTE:
        raise Refused(fault("collector.key_kind", standing.site, vkey=key.text))
    if key.name != origin:
        raise Refused(fault("collector.key_name", standing.site, found=key.name, expected=origin))
    if key.public in standing.publics:
        raise Refused(fault("collector.key_reused", standing.site, other=standing.publics[key.public]))


def _closing(newest: SiteKey | None, held: int) -> list[Change]:
    if newest is None or newest.last_size is not None:
        return []
    values = {"origin": newest.origin, "last_size": held}
    return [Change(what="close", values=values, detail={"origin": newest.origin, "size": str(held)})]


def _approvals(request: Request, standing: Standing) -> list[Change]:
    plan = _decoded(request.plan, MonitoringPlan, "plan")
    binding = _decoded(request.binding, Binding, "binding")
    faults = [
        fault("collector.other_site", kind, found=value.site, expected=request.site)
        for kind, value in (("plan", plan), ("binding", binding))
        if value is not None and value.site != request.site
    ]
    if plan is not None and binding is not None:
        faults += check_against(plan, binding)
    if faults:
        raise BadInput(*faults)
    found: tuple[tuple[Literal["plan", "binding"], MonitoringPlan | Binding | None, frozenset[str]], ...] = (
        ("plan", plan, standing.approvals.plans),
        ("binding", binding, standing.approvals.bindings),
    )
    return [
        _approval(request.site, kind, leaf.canonical(value))
        for kind, value, known in found
        if value is not None and leaf.digest(leaf.canonical(value)) not in known
    ]


def _approval(site: str, kind: str, body: bytes) -> Change:
    digest = leaf.digest(body)
    values = {"site": site, "kind": kind, "digest": digest, "body": body}
    return Change(what="approve", values=values, detail={"kind": kind, "digest": digest})


def _decoded(text: str | None, kind: type[T], name: str) -> T | None:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise BadInput(fault(f"collector.bad_{name}", name, problem=error)) from error


def carry_out(
    request: Request, identity: Identity, registry: Registry, archive: Archive, at: int
) -> tuple[Change, ...]:
    """Decide and write down; gives the steps made. Raises BadInput, Refused, link.errors; then nothing has changed."""
    standing = registry.standing(request.site)
    held = archive.head(standing.keys[-1].origin).size if standing.keys else 0
    steps = changes(request, identity, standing, held)
    if steps:
        registry.apply(request.site, steps, who=request.who, at=at).result()
    return steps
