"""Who gets into the registry, and what is written down about it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from desk import Desk, PaperSite, filler
from real import vectors
from site_log import ORIGIN, T0, SiteLog, demo_binding, demo_plan

from mrv import leaf
from mrv.errors import BadInput, MrvError, Refused
from mrv.log.note import COSIGNATURE, NOTE, SigningKey, VerifyKey

PLAN, BINDING = (leaf.canonical(value).decode() for value in (demo_plan(min_coverage=Decimal(0)), demo_binding()))


def codes(error: pytest.ExceptionInfo[MrvError]) -> list[str]:
    return [found.code for found in error.value.faults]


def key(name: str = ORIGIN, kind: int = NOTE, seed: int = 1) -> str:
    return SigningKey(name, kind, bytes([seed]) * 32).vkey


def test_a_site_its_key_and_what_was_approved(desk: Desk) -> None:
    steps = desk.enroll(PaperSite([]), plan=PLAN)
    assert steps == ("enrolled", "key", "approve")
    assert desk.registry.sites() == ("demo-factory",)
    (known,) = desk.registry.every_key()
    assert (known.origin, known.epoch, known.vkey, known.first_size, known.last_size) == (ORIGIN, 1, key(), 0, None)
    assert desk.registry.approvals("demo-factory").plans == {leaf.digest(PLAN.encode())}
    log = [(c.what, c.who, c.site, c.at) for c in desk.registry.changes()]
    assert log == [(what, "test", "demo-factory", desk.now) for what in steps]
    assert json.loads(desk.registry.changes()[1].detail) == {"vkey": key()}


def test_asking_twice_changes_nothing(desk: Desk) -> None:
    site = PaperSite([])
    desk.enroll(site, plan=PLAN)
    assert desk.enroll(site, plan=PLAN) == ()
    assert len(desk.registry.changes()) == 3


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "no key": ({"key": None}, "collector.key_missing"),
    "another site's name": ({"key": key("example.org/mrv/other/k1")}, "collector.key_name"),
    "another organisation": ({"key": key("example.net/mrv/demo-factory/k1")}, "collector.key_name"),
    "another epoch": ({"key": key("example.org/mrv/demo-factory/k2")}, "collector.key_name"),
    "a cosigner's key": ({"key": key(kind=COSIGNATURE)}, "collector.key_kind"),
    "epoch two at first": (
        {"key": key("example.org/mrv/demo-factory/k2"), "epoch": 2},
        "collector.wrong_epoch",
    ),
    "a site id in capitals": ({"site": "Demo"}, "collector.bad_site"),
    "no vkey": ({"key": "gibberish"}, "log.vkey_malformed"),
    "a wrong key id": ({"key": ORIGIN + "+00000000+" + key().rsplit("+", 1)[1]}, "log.vkey_id"),
    "no plan": ({"plan": "{}"}, "collector.bad_plan"),
    "no binding": ({"binding": "[]"}, "collector.bad_binding"),
    "another site's binding": (
        {"binding": BINDING.replace("demo-factory", "other")},
        "collector.other_site",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_is_refused_and_leaves_no_trace(desk: Desk, wrong: str) -> None:
    changes, code = WRONG[wrong]
    with pytest.raises(MrvError) as error:
        desk.enroll(PaperSite([]), **changes)
    assert codes(error) == [code]
    assert desk.registry.sites() == ()
    assert desk.registry.changes() == []


def test_a_plan_and_a_binding_that_do_not_fit_each_other(desk: Desk) -> None:
    one = msgspec.structs.replace(demo_binding(), meters=demo_binding().meters[1:])
    with pytest.raises(BadInput) as error:
        desk.enroll(PaperSite([]), plan=PLAN, binding=leaf.canonical(one).decode())
    assert codes(error) == ["plan.point_without_meter"]


def test_low_order_and_non_canonical_keys(desk: Desk) -> None:
    """The non-canonical and low-order public keys of the C2SP CCTV edge cases never get in."""
    cases = json.loads(vectors("cctv", "ed25519", "ed25519vectors.json").read_text())
    flagged = {c["key"] for c in cases if set(c["flags"] or ()) & {"low_order_A", "non_canonical_A"}}
    assert len(flagged) >= 8
    for public in flagged:
        vkey = VerifyKey(ORIGIN, NOTE, bytes.fromhex(public)).text
        with pytest.raises(MrvError, match=r"log\."):
            desk.enroll(PaperSite([]), key=vkey)
    assert desk.registry.every_key() == ()


def test_one_key_serves_one_log(desk: Desk) -> None:
    desk.enroll(PaperSite([]))
    with pytest.raises(Refused) as error:
        desk.enroll(PaperSite([], site="clone"))
    assert codes(error) == ["collector.key_reused"]


def test_a_second_key_needs_its_number_and_closes_the_first(desk: Desk, site: PaperSite) -> None:
    desk.deliver(site.bundle(0, 10))
    successor = PaperSite(filler(5, start=900), epoch=2, seed=2)
    with pytest.raises(Refused) as error:
        desk.enroll(successor)
    assert codes(error) == ["collector.second_key"]
    with pytest.raises(Refused) as error:
        desk.enroll(PaperSite([], epoch=3, seed=3), epoch=3)
    assert codes(error) == ["collector.wrong_epoch"]
    assert desk.enroll(successor, epoch=2) == ("close", "key")
    first, second = desk.registry.keys(site.site)
    assert (first.last_size, second.last_size) == (10, None)
    assert desk.deliver(site.bundle(10, 12)).answer.fault == "collector.key_closed"
    assert desk.deliver(site.bundle(0, 10)).receipt, "what was received stays received"
    assert desk.deliver(successor.bundle(0, 5)).receipt
    desk.check_world(site)


def test_trust_on_first_use_takes_the_key_of_the_genesis_leaf_once(desk: Desk) -> None:
    made = PaperSite([])
    made.leaves = SiteLog(key=made.key.vkey).leaves
    desk.enroll(made, key=None, tofu=True)
    forger = PaperSite([made.leaves[0], *filler(3)], seed=9)
    assert desk.deliver(forger.bundle(0, 3)).answer.code == 403, "signed by another key than its genesis names"
    assert desk.deliver(made.bundle(0, 5)).receipt
    assert [c.who for c in desk.registry.changes() if c.what == "key"] == ["first use"]
    second = PaperSite([], epoch=2, seed=2)
    second.leaves = SiteLog(key=second.key.vkey).leaves
    assert desk.deliver(second.bundle(0, 5)).answer.code == 403, "only the first"


def test_without_that_permission_the_genesis_leaf_proves_nothing(desk: Desk) -> None:
    desk.enroll(PaperSite([], site="other", seed=4))
    made = PaperSite([])
    made.leaves = SiteLog(key=made.key.vkey, start=T0).leaves
    assert desk.deliver(made.bundle(0, 5)).answer.fault == "collector.unknown_key"
