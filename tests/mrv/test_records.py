"""Office records: what is refused where a person wrote it, one digest each, a journal that shows alterations."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from mrv import journal, leaf, records
from mrv.errors import BadInput
from mrv.journal import Line
from mrv.records import KINDS, AnyRecord, Document, Invoice, Withdrawal

SHA = "ab" * 32
EXAMPLES = f"""
- kind: document
  site: factory-1
  who: MRV officer
  title: Calibration certificate of the PV meter
  sha256: {SHA}
  date: 2026-02-11
- kind: invoice
  site: factory-1
  who: MRV officer
  number: HD-0093
  issuer: Power company
  points: [PV-AC]
  start: 2026-02-01T00:00+07:00
  end: 2026-03-01T00:00:00+07:00
  value: 12345.6
  unit: kWh
  document: {SHA}
- kind: manual
  site: factory-1
  who: Operator of the chiller plant
  project: chiller
  symbol: CE
  item: chiller-1
  start: 2026-02-01T00:00:00+07:00
  end: 2026-03-01T00:00:00+07:00
  value: 55.125
  unit: MWh
  source: heat meter of the chilled water, log book page 12
  document: {SHA}
- kind: integrity_check
  site: factory-1
  who: Nguyen Van A
  month: 2026-02
  done: 2026-03-03
  sound: true
- kind: exchange
  site: factory-1
  who: Chief electrician
  point: CH-1
  reason: display dark
  removed: {{meter: chiller-1, serial: "1", at: "2026-02-03T08:00:00+07:00", registers: {{active_energy_import: 99.9}}}}
  installed:
    {{meter: chiller-1, serial: "2", at: "2026-02-03T08:20:00+07:00", registers: {{active_energy_import: 0.4}},
      ratio: 400/5, cts: [a, b, c], seals: [S1]}}
  document: {SHA}
- kind: hold
  site: factory-1
  who: MRV officer
  point: CH-1
  meter: chiller-1
  decision: energy
  before: {{at: "2026-02-11T03:00:00+07:00", registers: {{active_energy_import: 812.4}}}}
  after: {{at: "2026-02-11T05:00:00+07:00", registers: {{active_energy_import: 830.1}}}}
  reason: the gateway was off and its clock lost; the display agrees
  document: {SHA}
- kind: decoder_fix
  site: factory-1
  who: MRV officer
  profile: eastron_sdm630
  wrong: {SHA}
  right: {"cd" * 32}
  since: 2026-02-11T03:00:00+07:00
  reason: the maker changed the order of two registers
  document: {SHA}
- kind: spot_reading
  site: factory-1
  who: Verifier
  point: CH-1
  meter: chiller-1
  at: 2026-02-20T10:00:00+07:00
  registers: {{active_energy_import: 12.5}}
- kind: certificate
  site: factory-1
  who: MRV officer
  point: CH-1
  serial: "1"
  number: KD-77
  laboratory: Metrology centre
  done: 2026-03-20
  due: 2028-03-20
  as_found: [{{error: 0.31, register: active_energy_import, load: 100 % Ib}}]
  document: {SHA}
- kind: implementation
  site: factory-1
  who: MRV officer
  project: chiller
  what: operation_start
  start: 2026-01-15T00:00:00+07:00
  text: commissioning protocol signed
- kind: explanation
  site: factory-1
  who: MRV officer
  about: cross-check CH-1 2026-02
  text: the invoice covers the pumps as well
"""


def examples() -> tuple[AnyRecord, ...]:
    return records.load(EXAMPLES, "records.yaml").value


def written(*entered: AnyRecord) -> list[bytes]:
    """A journal that carries `entered`, one a minute."""
    lines: list[bytes] = []
    last: Line | None = None
    for number, record in enumerate(entered):
        last = journal.line(
            last, site="factory-1", at=60_000 * number, by="office", what="record", detail={}, record=record
        )
        lines.append(leaf.canonical(last))
    return lines


def codes(found: BadInput | journal.Journal) -> set[str]:
    return {f.code for f in (found.faults if isinstance(found, BadInput) else found.findings)}


def test_every_kind_is_written_by_a_person_and_carried_by_a_journal() -> None:
    entered = examples()
    assert {records.kind(one) for one in entered} == KINDS.keys() - {"withdrawal"}
    read = journal.read(written(*entered), "factory-1")
    assert read.findings == ()
    assert tuple(one.record for one in read.entries) == entered
    assert [one.digest for one in read.standing] == [records.digest(one) for one in entered]


def test_a_record_is_named_by_the_digest_of_its_canonical_bytes() -> None:
    document = examples()[0]
    held = leaf.canonical(document)
    assert json.loads(held)["kind"] == "document"
    assert records.digest(document) == leaf.digest(held)
    assert msgspec.json.decode(held, type=Document) == document


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("month: 2026-02", "month: 2026-13", "records.month"),
        ("done: 2026-03-03", "done: 2026-01-31", "records.checked_before"),
        ("sound: true", "sound: false", "records.findings_missing"),
        ("end: 2026-03-01T00:00:00+07:00", "end: 2026-02-01T00:00:00+07:00", "records.span_backwards"),
        ("start: 2026-02-01T00:00+07:00", "start: 2026-02-01T00:00", "config.out_of_range"),
        ("unit: MWh", "unit: MegaWh", "plan.unit_unknown"),
        ("registers: {active_energy_import: 12.5}", "registers: {power: 1}", "plan.register_unknown"),
        ("error: 0.31", "error: 130", "records.deviation"),
        ("due: 2028-03-20", "due: 2026-03-20", "records.due_before_done"),
        ('serial: "2"', 'serial: "1"', "records.exchange_same_serial"),
        ("08:20:00", "07:20:00", "records.exchange_backwards"),
        ("{active_energy_import: 0.4}", "{active_energy_export: 0.4}", "records.one_sided"),
        ("{active_energy_import: 830.1}", "{active_energy_export: 830.1}", "records.one_sided"),
        ("830.1", "812.3", "records.hold_backwards"),
        ("2026-02-11T05", "2026-02-11T02", "records.span_backwards"),
        (f"right: {'cd' * 32}", f"right: {SHA}", "records.fix_same"),
        ("profile: eastron_sdm630", "profile: SDM 630", "config.out_of_range"),
        ("text: the invoice", f"corrects: {SHA}\n  text: the invoice", "records.why_missing"),
        ("value: 12345.6", "value: 1e99", "records.number_too_long"),
        (f"sha256: {SHA}", "sha256: none", "config.out_of_range"),
        ("kind: invoice", "kind: bill", "config.not_allowed"),
    ],
)
def test_what_a_person_wrote_wrongly_is_named_with_its_line(old: str, new: str, code: str) -> None:
    assert old in EXAMPLES
    with pytest.raises(BadInput) as caught:
        records.load(EXAMPLES.replace(old, new, 1), "records.yaml")
    assert code in codes(caught.value)
    assert all(f.where.startswith("records.yaml:") for f in caught.value.faults)


def test_a_correction_replaces_and_keeps_the_earlier_record() -> None:
    invoice = examples()[1]
    assert isinstance(invoice, Invoice)
    right = msgspec.structs.replace(invoice, number="HD-0094", corrects=records.digest(invoice), why="wrong number")
    read = journal.read(written(invoice, right), "factory-1")
    assert (read.findings, len(read.entries)) == ((), 2)
    assert [one.record for one in read.standing] == [right]


def test_a_withdrawal_leaves_nothing_standing() -> None:
    invoice = examples()[1]
    taken = Withdrawal(site="factory-1", who="MRV officer", withdraws=records.digest(invoice), why="another site's")
    assert journal.read(written(invoice, taken), "factory-1").standing == ()


def test_what_cannot_be_corrected() -> None:
    document, invoice = examples()[:2]
    held = journal.read(written(document, invoice), "factory-1").entries
    again = journal.misfits(invoice, held)
    assert [f.code for f in again] == ["records.said_already"]
    strange = msgspec.structs.replace(invoice, corrects="cd" * 32, why="?")
    assert [f.code for f in journal.misfits(strange, held)] == ["records.corrects_unknown"]
    other = msgspec.structs.replace(invoice, corrects=records.digest(document), why="?")
    assert [f.code for f in journal.misfits(other, held)] == ["records.corrects_other_kind"]
    first = msgspec.structs.replace(invoice, number="1", corrects=records.digest(invoice), why="?")
    second = msgspec.structs.replace(first, number="2")
    assert "records.corrected_already" in codes(journal.read(written(invoice, first, second), "factory-1"))


ALTERATIONS: dict[str, tuple[Any, str]] = {
    "a line taken out": (lambda lines: lines[:1] + lines[2:], "records.chain_broken"),
    "two lines swapped": (lambda lines: [lines[1], lines[0], *lines[2:]], "records.chain_broken"),
    "a value altered": (lambda lines: [each.replace(b"12345.6", b"92345.6") for each in lines], "records.chain_broken"),
    "a line cut": (lambda lines: [lines[0][:-4], *lines[1:]], "records.line_malformed"),
    "a line spelled otherwise": (lambda lines: [b" " + lines[0], *lines[1:]], "records.line_malformed"),
    "a year too early": (
        lambda lines: [lines[0].replace(b'"at":0', b'"at":9000000'), *lines[1:]],
        "records.line_backdated",
    ),
    "an unknown kind": (
        lambda lines: [lines[0].replace(b'"kind":"document"', b'"kind":"novelty"'), *lines[1:]],
        "records.kind_unknown",
    ),
    "a rule broken": (
        lambda lines: [each.replace(b'"month":"2026-02"', b'"month":"2026-99"') for each in lines],
        "records.month",
    ),
    "a form broken": (
        lambda lines: [each.replace(b'"sound":true', b'"sound":3') for each in lines],
        "records.record_malformed",
    ),
}


@pytest.mark.parametrize("name", ALTERATIONS)
def test_an_altered_journal_is_seen(name: str) -> None:
    alter, code = ALTERATIONS[name]
    assert code in codes(journal.read(alter(written(*examples())), "factory-1"))


def test_the_head_of_an_earlier_day_tells_a_rewritten_journal() -> None:
    document, invoice = examples()[:2]
    before = journal.read(written(document), "factory-1")
    assert written(document, invoice)[0] == written(document)[0]
    assert leaf.digest(written(document, invoice)[0]) == before.head
    assert leaf.digest(written(invoice, document)[0]) != before.head


def test_a_line_of_another_site_is_a_finding() -> None:
    assert "records.other_site" in codes(journal.read(written(examples()[0]), "factory-2"))
