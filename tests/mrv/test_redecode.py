"""A log counted again with the right text of a profile: as if the site had read with it from the beginning."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from site_log import EVERY, T0, SiteLog, demo_binding
from test_book_histories import events, lived

from drivers.profiles import library
from mrv import journal, known, leaf, redecode
from mrv.crediting.sealed import Sealed, redecoded
from mrv.errors import Fault
from mrv.journal import Entry, Line
from mrv.known import Released
from mrv.leaf import Usage
from mrv.profile import Profile
from mrv.records import DecoderFix, digest
from mrv.redecode import Again, Fix

SHA, MINUTE = "ab" * 32, 60_000
RIGHT = library()["eastron_sdm630"]
REVISED = msgspec.structs.replace(RIGHT, revision=RIGHT.revision + 1)
IMPORT, EXPORT = "active_energy_import", "active_energy_export"


def scaled(profile: Profile, factor: str) -> Profile:
    values = dict(profile.values)
    for name in profile.counters:
        values[name] = msgspec.structs.replace(values[name], scale=values[name].scale * Decimal(factor))
    return msgspec.structs.replace(profile, values=values)


def moved(profile: Profile, name: str, at: int) -> Profile:
    """`profile`, which has `name` at another address."""
    values = profile.values | {name: msgspec.structs.replace(profile.values[name], at=at)}
    return msgspec.structs.replace(profile, values=values)


TENFOLD = scaled(RIGHT, "10")


def named(profile: Profile) -> str:
    return leaf.digest(leaf.canonical(profile))


def record(wrong: Profile | str, right: Profile | str, **more: Any) -> DecoderFix:
    names = [one if isinstance(one, str) else named(one) for one in (wrong, right)]
    said = {"profile": RIGHT.id, "reason": "ten times too much", "document": SHA} | more
    return DecoderFix(site="demo-factory", who="Nguyen Van A", wrong=names[0], right=names[1], **said)


def fix(wrong: Profile, right: Profile, since: int | None = None) -> Fix:
    at = None if since is None else datetime.fromtimestamp(since / 1000, UTC)
    made = record(wrong, right, since=at)
    return Fix(record=made, digest=digest(made), profile=right)


def usages(log: SiteLog) -> list[Usage]:
    return [usage for judged in log.judgements for usage in judged.usages]


def again(log: SiteLog, by: Fix, until: int = 2**62) -> dict[str, Again]:
    return redecode.again(log.leaves, (by,), until)


# -- counting again ------------------------------------------------------------------------------------------------


@settings(max_examples=25)
@given(events)
def test_decoding_again_by_an_equal_text_changes_nothing(history: list[tuple[str, int, int]]) -> None:
    log = lived(history)
    found = again(log, fix(RIGHT, REVISED))
    assert {leaf.digest(leaf.encode(one)): one for one in usages(log)} == {
        name: one.usage for name, one in found.items()
    }
    for judged in log.judgements:
        of = [found[leaf.digest(leaf.encode(one))].decisions for one in judged.usages]
        assert [one.details for one in judged.decisions] == [one.details for some in of for one in some]


@settings(max_examples=25)
@given(events)
def test_what_was_read_wrongly_becomes_what_would_have_been_sealed(history: list[tuple[str, int, int]]) -> None:
    """The same life under both texts: the wrong log, decoded again, has the usages of the right one."""
    wrong, right = lived(history, TENFOLD), lived(history)
    found = again(wrong, fix(TENFOLD, RIGHT))
    assert [found[leaf.digest(leaf.encode(one))].usage for one in usages(wrong)] == usages(right)


def test_from_an_instant_on() -> None:
    """From the fifth minute on the firmware counts in tenths, and the old text says that it leapt tenfold."""
    log, change = SiteLog(), T0 + 5 * MINUTE
    for ts in range(T0, T0 + 10 * MINUTE + 1, EVERY * 1000):
        energy = (100 + (ts - T0) / 1_000_000) * (10 if ts >= change else 1)
        for meter in ("chiller-1", "pv-main"):
            log.read(meter, ts, kwh=energy, export=energy)
        log.close()
    assert any("held" in one.flags or "jump" in one.flags for one in usages(log))
    by = fix(RIGHT, scaled(RIGHT, "0.1"), change)
    found = again(log, by)
    kept = [one for one in usages(log) if leaf.digest(leaf.encode(one)) not in found]
    assert {one.end for one in kept} == {T0 + n * MINUTE for n in range(1, 5)}, "nothing of them is meant"
    told = [one.usage.registers["1.8.0"].used for one in found.values() if one.usage]
    assert told == ["0.060"] * 12


def test_a_report_of_the_past_reads_no_further() -> None:
    log = SiteLog()
    log.run(T0, T0 + 5 * MINUTE + 10_000)
    found = again(log, fix(RIGHT, REVISED), until=T0 + 2 * MINUTE)
    assert {one.usage.end for one in found.values() if one.usage} == {T0 + MINUTE, T0 + 2 * MINUTE}


def test_the_meters_of_other_profiles_are_left_alone() -> None:
    ours = msgspec.structs.replace(RIGHT, id="our_meter")
    pv, chiller = demo_binding().meters[1], msgspec.structs.replace(demo_binding().meters[0], profile="our_meter")
    binding = msgspec.structs.replace(demo_binding(), meters=(chiller, pv))
    log = SiteLog(binding=binding, profiles=(ours,))
    log.run(T0, T0 + 2 * MINUTE + 10_000)
    found = again(log, fix(RIGHT, REVISED))
    assert {one.usage.meter for one in found.values() if one.usage} == {"pv-main"}


# -- what cannot be told -------------------------------------------------------------------------------------------


def sealed(log: SiteLog, by: Fix) -> tuple[Sealed, ...]:
    bound = {one.meter: one for one in demo_binding().meters}
    found = [Sealed(usage=u, bound=bound[u.meter], digest=leaf.digest(leaf.encode(u))) for u in usages(log)]
    return redecoded(found, again(log, by))


def test_a_register_whose_words_were_not_read_is_unknown_and_not_what_was_sealed() -> None:
    log = SiteLog()
    log.run(T0, T0 + 3 * MINUTE + 10_000)
    found = sealed(log, fix(RIGHT, moved(REVISED, EXPORT, 400)))
    assert [one.untold(EXPORT) for one in found] == [True] * 6
    assert [one.untold(IMPORT) for one in found] == [False] * 6, "this one was"
    assert [(one.energy(EXPORT), one.stands(EXPORT)) for one in found] == [(None, None)] * 6
    assert all(one.as_sealed(EXPORT) is not None for one in found)


def test_nothing_of_a_time_in_which_no_reading_can_be_decoded_is_known() -> None:
    """What stood still by the right text is not energy of 0: its words say nothing."""
    log = SiteLog()
    for ts in range(T0, T0 + 4 * MINUTE + 1, EVERY * 1000):
        for meter in ("chiller-1", "pv-main"):
            plain = log.reading(meter, ts, kwh=100 + (ts - T0) / 1_000_000)
            lacks = T0 + MINUTE < ts <= T0 + 2 * MINUTE
            log.add(plain if not lacks else msgspec.structs.replace(plain, raw={"i:10": plain.raw["i:72"]}))
        log.close()
    found = [one for one in sealed(log, fix(RIGHT, REVISED)) if one.bound.meter == "chiller-1"]
    assert [one.untold(IMPORT) for one in found] == [False, True, False, False]


def test_a_reading_in_between_that_lacks_a_register_leaves_the_register_unknown() -> None:
    log = SiteLog()
    for ts in range(T0, T0 + 2 * MINUTE + 1, EVERY * 1000):
        for meter in ("chiller-1", "pv-main"):
            energy = 100 + (ts - T0) / 1_000_000
            plain = log.reading(meter, ts, kwh=energy, export=energy)
            raw = {"i:72": plain.raw["i:72"][:8]} if ts == T0 + 30_000 else plain.raw
            log.add(msgspec.structs.replace(plain, raw=raw))
        log.close()
    found = [one for one in sealed(log, fix(RIGHT, REVISED)) if one.bound.meter == "chiller-1"]
    assert [one.untold(EXPORT) for one in found] == [True, False]
    assert [one.untold(IMPORT) for one in found] == [False, False]


def test_a_text_that_needs_a_setting_the_binding_lacks_tells_nothing() -> None:
    ratio = msgspec.convert({"source": "site"}, type(RIGHT.ratio))
    values = {
        name: msgspec.structs.replace(value, ratio="ct") if name in RIGHT.counters else value
        for name, value in RIGHT.values.items()
    }
    log = SiteLog()
    log.run(T0, T0 + MINUTE + 10_000)
    found = sealed(log, fix(RIGHT, msgspec.structs.replace(REVISED, ratio=ratio, values=values)))
    assert [one.untold(EXPORT) for one in found] == [True, True]


# -- which records can be followed ---------------------------------------------------------------------------------


def approved(*profiles: Profile, site: str = "demo-factory") -> list[Line]:
    lines: list[Line] = []
    for one in profiles:
        body = leaf.canonical(one)
        detail = {"name": one.id, "digest": leaf.digest(body), "body": body.decode()}
        previous = lines[-1] if lines else None
        made = journal.line(previous, site=site, at=1, by="a", what="profile", detail=detail, record=None)
        lines.append(made)
    return lines


def followed(records: list[DecoderFix], lines: list[Line]) -> tuple[tuple[Fix, ...], list[str]]:
    entries = [Entry(record=one, digest=digest(one), number=n, at=n, by="a") for n, one in enumerate(records)]
    found, faults = redecode.fixes(entries, lines)
    return found, [one.code for one in faults]


def test_a_text_that_somebody_approved_is_decoded_with() -> None:
    found, faults = followed([record(RIGHT, REVISED)], approved(REVISED))
    assert ([one.profile for one in found], faults) == ([REVISED], [])
    assert found[0].since == 0
    assert redecode.concerns(found, [named(RIGHT)])
    assert not redecode.concerns(found, [named(REVISED)])


def altered() -> list[Line]:
    """An approval whose text is another one than its digest says."""
    (line,) = approved(TENFOLD)
    return [msgspec.structs.replace(line, detail=line.detail | {"digest": named(REVISED)})]


NOT_APPROVED, UNKNOWN, CONTRADICTS = (f"records.fix_{name}" for name in ("not_approved", "unknown", "contradicts"))


@pytest.mark.parametrize(
    ("records", "lines", "codes"),
    [
        ([record(RIGHT, REVISED)], [], [NOT_APPROVED]),
        ([record(TENFOLD, RIGHT)], approved(TENFOLD), [NOT_APPROVED]),  # released, but the journal has no text of it
        ([record(RIGHT, REVISED)], altered(), [NOT_APPROVED]),
        ([record(RIGHT, REVISED, profile="other")], approved(REVISED), [NOT_APPROVED, UNKNOWN]),
        ([record(SHA, REVISED)], approved(REVISED), [UNKNOWN]),
        ([record(RIGHT, REVISED), record(RIGHT, TENFOLD)], approved(REVISED, TENFOLD), [CONTRADICTS] * 2),
    ],
)
def test_what_nobody_can_follow(records: list[DecoderFix], lines: list[Line], codes: list[str]) -> None:
    assert followed(records, lines) == ((), codes)


def test_a_fix_of_a_fix_waits_until_the_first_is_corrected() -> None:
    first, second = record(TENFOLD, RIGHT), record(RIGHT, REVISED)
    texts = approved(RIGHT, REVISED, TENFOLD)
    found, faults = followed([first, second], texts)
    assert ([one.record for one in found], faults) == ([first], [CONTRADICTS])
    found, faults = followed([record(TENFOLD, REVISED), second], texts)
    assert (len(found), faults) == (2, [])


def test_a_text_that_was_withdrawn_is_not_decoded_with(monkeypatch: pytest.MonkeyPatch) -> None:
    gone = Released({}, {}, {named(REVISED): "the order of two registers"}).withdrawn
    monkeypatch.setattr(known, "WITHDRAWN", gone)
    entries = [Entry(record=record(RIGHT, REVISED), digest=SHA, number=0, at=0, by="a")]
    _, faults = redecode.fixes(entries, approved(REVISED))
    assert faults == (
        Fault(
            "records.fix_withdrawn",
            f"decoder_fix {SHA[:16]}",
            {"profile": RIGHT.id, "digest": named(REVISED), "why": "the order of two registers"},
        ),
    )
    monkeypatch.setattr(known, "WITHDRAWN", {named(RIGHT): "wrong"})
    monkeypatch.setattr(known, "PROFILES", {})
    assert redecode.fixes(entries, approved(REVISED))[1] == (), "that is what a fix is for"
