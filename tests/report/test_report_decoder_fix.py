"""A profile read ten times too much: recorded, decoded again, reported, traced, and computed again by the auditor."""

from __future__ import annotations

import json
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "collector"))
from desk import Desk, PaperSite
from site_log import T0, SiteLog, demo_binding, demo_plan

from collector.admit import Admission
from collector.cli import main
from drivers.profiles import library
from mrv import journal, leaf
from mrv.journal import Line
from mrv.profile import Profile
from verify.cli import main as verify

MINUTE = 60_000
DAY = ("--project", "pv", "--from", "2026-03-02", "--to", "2026-03-02")
SHA = "cd" * 32
EXPORT = "PV-AC:active_energy_export"
RIGHT = msgspec.structs.replace(library()["eastron_sdm630"], id="our_meter", revision=2)
VALUES = {name: msgspec.structs.replace(RIGHT.values[name], scale=Decimal(10)) for name in RIGHT.counters}
WRONG = msgspec.structs.replace(RIGHT, revision=1, values=RIGHT.values | VALUES)
#: Takes the export from registers that nobody read.
MOVED = msgspec.structs.replace(RIGHT.values["active_energy_export"], at=400)
ELSEWHERE = msgspec.structs.replace(RIGHT, revision=3, values=RIGHT.values | {"active_energy_export": MOVED})
PLAN, BINDING = demo_plan(min_coverage=Decimal(0)), demo_binding(profile="our_meter")


def named(profile: Profile) -> str:
    return leaf.digest(leaf.canonical(profile))


class Office:
    """A folder, and mrv-collector and mrv-verify over it."""

    def __init__(self, tmp: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.tmp, self.capsys = tmp, capsys

    def run(self, *arguments: object, code: int = 0) -> str:
        self.capsys.readouterr()
        found = main([*map(str, arguments), "--dir", str(self.tmp / "office")])
        out, err = self.capsys.readouterr()
        assert found == code, out + err
        return out or err

    def approve(self, profile: Profile) -> None:
        path = self.tmp / f"{named(profile)[:8]}.yaml"
        path.write_bytes(leaf.canonical(profile))
        self.run("profiles", "approve", path, "--site", "demo-factory")

    def add(self, text: str, code: int = 0, lang: str = "en") -> str:
        (self.tmp / "record.yaml").write_text(text)
        return self.run("records", "add", "demo-factory", self.tmp / "record.yaml", "--lang", lang, code=code)

    def fix(self, right: Profile, code: int = 0, lang: str = "en", **more: str) -> str:
        fields = {
            "kind": "decoder_fix",
            "site": "demo-factory",
            "who": "Nguyen Van A",
            "profile": "our_meter",
            "wrong": named(WRONG),
            "right": named(right),
            "reason": "the maker counts in kWh and not in tens of them",
            "document": SHA,
        }
        # An instant is no text: it stands bare.
        said = {name: f'"{value}"' for name, value in fields.items()} | more
        return self.add("- " + "\n  ".join(f"{name}: {value}" for name, value in said.items()) + "\n", code, lang)

    def report(self, name: str = "r") -> dict[str, Any]:
        self.run("report", *DAY, "--out", self.tmp / f"{name}.json")
        found: dict[str, Any] = json.loads((self.tmp / f"{name}.json").read_text("utf-8"))
        return found

    def export(self) -> Path:
        self.run("export", "demo-factory", "--out", self.tmp / "export")
        return self.tmp / "export"

    def audited(self, folder: Path, name: str = "r") -> tuple[int, list[str]]:
        self.capsys.readouterr()
        code = verify([str(folder), "--report", str(self.tmp / f"{name}.json"), "--json"])
        return code, [one["code"] for one in json.loads(self.capsys.readouterr().out)["findings"]]


@pytest.fixture(name="office")
def an_office(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Office:
    """Ten minutes read with the wrong text, at a true 36 kW, and ten with the right one, that the site got then."""
    desk, site = Desk(tmp_path), PaperSite([])
    log = SiteLog(plan=PLAN, binding=BINDING, key=site.key.vkey, profiles=(WRONG,))
    log.run(T0, T0 + 10 * MINUTE)
    log.profiles["our_meter"] = RIGHT
    log.configure(T0 + 10 * MINUTE, PLAN, BINDING)
    log.run(T0 + 10 * MINUTE, T0 + 20 * MINUTE + 10_000)
    newest = max(i for i, data in enumerate(log.leaves) if b'"k":"summary"' in data)
    site.leaves = log.leaves[: newest + 1]
    desk.enroll(site, plan=leaf.canonical(PLAN).decode(), binding=leaf.canonical(BINDING).decode())
    made = Office(tmp_path, capsys)
    for text in (WRONG, RIGHT):
        made.approve(text)
    desk.deliver(site.bundle(0, len(site.leaves)))
    verdicts = Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    assert [verdict.reasons for verdict in verdicts] == [()] * 20
    desk.database.close()
    return made


def export_of(found: dict[str, Any]) -> dict[str, Any]:
    (row,) = found["segments"][0]["monitored"]
    term: dict[str, Any] = next(term for term in row["terms"] if term["source"] == EXPORT)
    return term


def kinds(document: dict[str, Any]) -> list[str]:
    return [line["kind"] for line in document["crediting"]["ledger"]]


def test_a_decoder_fix_from_the_wire_to_the_auditor(office: Office) -> None:
    before = export_of(office.report()["crediting"])
    assert round(Fraction(before["raw"])) == 65, "59 kWh that were 5.9, and 6"
    office.fix(RIGHT)
    document = office.report()
    found = document["crediting"]
    term, lines = export_of(found), [one for one in found["ledger"] if one["kind"] == "redecoded"]
    assert term["raw"] == before["raw"], "what was sealed stays"
    (line,) = [one for one in lines if one["source"] == EXPORT]
    assert (Fraction(line["raw"]), Fraction(line["corrected"])) == (59, Fraction("5.9"))
    assert Fraction(term["corrected"]) == Fraction(term["raw"]) - 59 + Fraction("5.9")
    assert (line["document"], line["reason"]["params"]["who"]) == (SHA, "Nguyen Van A")
    assert (line["reason"]["params"]["wrong"], line["reason"]["params"]["right"]) == (named(WRONG), named(RIGHT))
    assert kinds(document)[0] == "redecoded", "before all else"
    treated = {one["what"]["code"]: one["lines"] for one in found["events"] if one["point"] == "PV-AC"}
    assert treated.pop("credit.decoder_fixed") == [one["number"] for one in lines]
    assert not {one["number"] for one in lines} & {number for numbers in treated.values() for number in numbers}
    events = [str(cell["value"]) for cell in document["pages"]["events"]["cells"].values()]
    (said,) = [one for one in events if one.startswith("decoded again") and "export 59.000 kWh" in one]
    assert all(part in said for part in ("export 5.900 kWh", named(WRONG), named(RIGHT)))
    assert office.audited(office.export()) == (0, [])


def test_both_decodings_of_the_words_are_traced(office: Office) -> None:
    office.fix(RIGHT)
    figures = json.loads(office.run("trace", *DAY, "--json"))
    names = [one["figure"] for one in figures if "input!" in one["figure"]]
    told = [json.loads(office.run("trace", name, *DAY, "--json")) for name in names]
    (term,) = [one for one in told if one["kind"] == "term" and one["source"] == EXPORT]
    first, last = term["told"]
    assert Fraction(first["used"]) == 10 * Fraction(first["again"]["used"]) == 6
    words = first["closed_by"]
    assert Fraction(words["decoded"]["2.8.0"]) == 10 * Fraction(words["put_right"]["decoded"]["2.8.0"])
    assert words["put_right"]["right"] == named(RIGHT)
    assert (last["again"], last["closed_by"]["put_right"]) == (None, None), "read by the right text already"
    assert "put_right:" in office.run("trace", names[told.index(term)], *DAY)


def test_a_sampled_reading_shows_both(office: Office) -> None:
    office.fix(RIGHT)
    cells = [str(cell["value"]) for cell in office.report()["pages"]["sampling"]["cells"].values()]
    both = [one for one in cells if f"2.8.0 ({named(RIGHT)[:16]}) = " in one]
    assert both
    assert all("2.8.0 = " in one for one in both)


def test_a_public_copy_names_nobody(office: Office) -> None:
    office.fix(RIGHT)
    office.run("report", *DAY, "--public", "--out", office.tmp / "public.json")
    assert "Nguyen Van A" not in (office.tmp / "public.json").read_text("utf-8")


def test_words_that_were_not_read_leave_the_vintage_without_a_figure(office: Office) -> None:
    office.approve(ELSEWHERE)
    office.fix(ELSEWHERE)
    found = office.report()["crediting"]
    assert (found["tonnes"], found["vintages"][0]["reduction"]) == (None, None)
    assert [one["code"] for one in found["findings"]] == ["credit.not_redecoded"]
    assert found["findings"][0]["params"]["count"] == "10"
    assert office.audited(office.export()) == (0, [])


def test_what_was_read_before_the_instant_stays(office: Office) -> None:
    office.fix(RIGHT, since="2026-03-02T00:30:00Z")
    assert "redecoded" not in kinds(office.report())
    assert office.audited(office.export()) == (0, [])


def test_a_text_nobody_approved_is_refused(office: Office) -> None:
    assert "nobody approved the text" in office.fix(ELSEWHERE, code=2)
    assert "chưa ai duyệt" in office.fix(ELSEWHERE, code=2, lang="vi")
    assert "neither released nor approved" in office.fix(RIGHT, code=2, wrong=f'"{SHA}"')
    assert json.loads(office.run("records", "list", "demo-factory", "--json"))["records"] == []
    office.fix(RIGHT)
    office.approve(ELSEWHERE)
    assert "another record that holds" in office.fix(ELSEWHERE, code=2), "it corrects the first, or waits"


def without(folder: Path, report: Path, drop: str) -> None:
    """The journal, its manifest and the report as if an approval had never been given: written anew from line 0."""
    lines: list[bytes] = []
    last = None
    for data in (folder / "journal").read_bytes().splitlines():
        old = msgspec.json.decode(data, type=Line)
        if old.what == "profile" and old.detail["digest"] == drop:
            continue
        last = msgspec.structs.replace(old, number=len(lines), previous=leaf.digest(lines[-1]) if lines else "")
        lines.append(leaf.canonical(last))
    (folder / "journal").write_bytes(b"".join(line + b"\n" for line in lines))
    assert journal.read(lines, "demo-factory").findings == ()
    head = leaf.digest(lines[-1])
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest |= {"journal": head, "profiles": [one for one in manifest["profiles"] if one != drop]}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    claimed = json.loads(report.read_text("utf-8"))
    claimed["basis"]["journal"] = head
    report.write_text(json.dumps(claimed))


def test_the_auditor_refuses_a_text_that_the_journal_does_not_carry(office: Office) -> None:
    office.approve(ELSEWHERE)
    office.fix(ELSEWHERE)
    office.report()
    folder = office.export()
    without(folder, office.tmp / "r.json", named(ELSEWHERE))
    code, codes = office.audited(folder)
    assert (code, set(codes)) == (1, {"records.fix_not_approved"})


def test_an_altered_record_is_seen(office: Office) -> None:
    office.approve(ELSEWHERE)
    office.fix(RIGHT)
    office.report()
    path = office.export() / "journal"
    right, other = (f'"right":"{named(one)}"'.encode() for one in (RIGHT, ELSEWHERE))
    path.write_bytes(path.read_bytes().replace(right, other))
    code, codes = office.audited(path.parent)
    assert code == 1
    assert {"verify.journal_differs", "verify.journal_rewritten"} <= set(codes)


def test_a_report_made_before_the_record_is_still_what_its_journal_gives(office: Office) -> None:
    office.report("early")
    office.fix(RIGHT)
    office.report("late")
    folder = office.export()
    assert office.audited(folder, "early") == (0, [])
    assert office.audited(folder, "late") == (0, [])


def test_a_record_that_is_withdrawn_leaves_what_was_sealed(office: Office) -> None:
    name = office.fix(RIGHT).split()[1]
    office.add(f"- {{kind: withdrawal, site: demo-factory, who: B, withdraws: '{name}', why: it was right}}\n")
    assert "redecoded" not in kinds(office.report())
