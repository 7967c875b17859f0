"""Who compared a methodology with its approved text, and a site's own: logged for ever, and what follows from it."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from desk import Desk, PaperSite
from site_log import ROOT, T0, SiteLog, demo_binding, demo_plan

from collector.admit import Admission
from collector.cli import main
from collector.documents import find
from collector.methodologies import MethodologyRequest, carry_out, methodologies
from collector.own import OwnRequest
from collector.own import carry_out as approved
from collector.verdicts import decode_faults
from mrv import leaf
from mrv.errors import BadInput, Refused
from mrv.methodology import catalogue
from mrv.methodology.catalogue import Methodology
from mrv.plan import MonitoringPlan

PAGE = (ROOT / "docs" / "methodologies.md").read_text()
TEXT = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)[0]
PUMPS = catalogue.load(TEXT, "EXAMPLE_PUMPS.yaml")
BODY = leaf.canonical(PUMPS).decode()
DIGEST = leaf.digest(BODY.encode())
EQUATIONS = ("RE_p", "PE_p", "ER_p")


def pump_plan() -> MonitoringPlan:
    """The demo's chiller, counted by the methodology of the page."""
    made = demo_plan(min_coverage=Decimal(0))
    chiller = next(project for project in made.projects if project.id == "chiller")
    item = chiller.items[0]
    ratio = msgspec.structs.replace(item.ex_ante["COP_PJ"], value=Decimal("1.5"))
    pump = msgspec.structs.replace(item, ex_ante={"R_SEC": ratio})
    project = msgspec.structs.replace(chiller, methodology=PUMPS.name, items=(pump,))
    return msgspec.structs.replace(made, projects=(project,))


@pytest.fixture(name="waiting")
def a_site_with_its_own(tmp_path: Path) -> tuple[Desk, PaperSite]:
    """A log under a methodology that nobody released, received and judged; plan and binding are approved."""
    desk, site, plan = Desk(tmp_path), PaperSite([]), pump_plan()
    log = SiteLog(plan=plan, key=site.key.vkey, own=(PUMPS,))
    log.run(T0, T0 + 130_000)
    site.leaves = log.leaves
    desk.enroll(site, plan=leaf.canonical(plan).decode(), binding=leaf.canonical(demo_binding()).decode())
    desk.deliver(site.bundle(0, len(site.leaves)))
    Admission(desk.archive, desk.registry).catch_up(site.origin, desk.now)
    return desk, site


def reasons(desk: Desk, site: PaperSite) -> list[set[str]]:
    rows = desk.archive.verdicts(origin=site.origin)
    return [{found.code for found in decode_faults(row.reasons)} for row in rows]


def approve(desk: Desk, **changes: Any) -> tuple[str, ...]:
    request = {"what": "methodology", "who": "test", "site": "demo-factory", "body": BODY} | changes
    return approved(OwnRequest(**request), desk.registry, desk.now)


def verify(desk: Desk, **changes: Any) -> tuple[str, ...]:
    places = {name: f"p. 5, {name}" for name in EQUATIONS}
    request = {"who": "test", "name": "VN_AM007_ver01.0", "pdf": "a" * 64, "person": "MRV officer"}
    return carry_out(MethodologyRequest(**request | {"places": places} | changes), desk.registry, desk.now)


def test_a_sites_own_methodology_waits_for_the_office_and_then_counts(waiting: tuple[Desk, PaperSite]) -> None:
    desk, site = waiting
    assert reasons(desk, site) == [{"audit.methodology_unknown"}] * 2
    assert approve(desk) == (f"methodology {PUMPS.name} {DIGEST[:16]}",)
    Admission(desk.archive, desk.registry).judge_again(site.site, desk.now)
    assert reasons(desk, site) == [set(), set()]
    assert approve(desk) == (), "said once"
    assert methodologies(desk.registry)[PUMPS.name] == PUMPS
    assert desk.registry.approvals("demo-factory").methodologies == {DIGEST}


def test_an_approval_is_for_one_site_and_for_one_text(waiting: tuple[Desk, PaperSite]) -> None:
    desk, _ = waiting
    with pytest.raises(BadInput):
        approve(desk, site="elsewhere")
    approve(desk)
    changed = msgspec.structs.replace(PUMPS, title="Another text under the same name")
    with pytest.raises(Refused):
        approve(desk, body=leaf.canonical(changed).decode())


@pytest.mark.parametrize("spoilt", ["{}", "[", BODY.replace("R_SEC[i]", "R_SEC[i] + 3.6"), BODY.replace("MWh", "mwh")])
def test_what_is_no_methodology_is_not_approved(waiting: tuple[Desk, PaperSite], spoilt: str) -> None:
    with pytest.raises(BadInput):
        approve(waiting[0], body=spoilt)


def test_the_name_of_a_released_methodology_is_taken(waiting: tuple[Desk, PaperSite]) -> None:
    ours = catalogue.find("VN_AM007_ver01.0")
    lie = msgspec.structs.replace(ours, equations=("RE_p = sum_i(EG[i] * EF_RE[i]) * 2", *ours.equations[1:]))
    with pytest.raises(Refused):
        approve(waiting[0], body=leaf.canonical(lie).decode())


def test_a_comparison_names_person_pdf_and_every_equation(waiting: tuple[Desk, PaperSite]) -> None:
    desk, _ = waiting
    with pytest.raises(BadInput):
        verify(desk, places={"RE_p": "p. 5"})
    assert desk.registry.compared() == {}
    assert len(verify(desk)) == 1
    digest = leaf.digest(leaf.canonical(catalogue.find("VN_AM007_ver01.0")))
    (held,) = desk.registry.compared().values()
    assert (held["digest"], held["person"], held["pdf"], held["at PE_p"]) == (
        digest,
        "MRV officer",
        "a" * 64,
        "p. 5, PE_p",
    )
    assert verify(desk, person="Somebody else") == ()
    assert [row.what for row in desk.registry.changes("")] == ["compared"]


def test_on_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk(tmp_path)
    desk.enroll(PaperSite([]))
    desk.database.close()
    office = str(desk.folder.path)
    pdf, fake = tmp_path / "approved.pdf", tmp_path / "fake.pdf"
    pdf.write_bytes(b"%PDF-1.7 the approved text")
    fake.write_bytes(b"<html>")
    places = [part for name in EQUATIONS for part in ("--at", f"{name}=p. 3")]
    name, person = "VN_AM007_ver01.0", ("--person", "MRV officer")
    assert main(["methodologies", "verify", name, "--pdf", str(fake), *person, *places, "--dir", office]) == 2
    assert main(["methodologies", "verify", name, "--pdf", str(pdf), *person, *places[:2], "--dir", office]) == 2
    assert main(["methodologies", "verify", name, "--pdf", str(pdf), *person, *places, "--dir", office]) == 0
    capsys.readouterr()
    assert main(["methodologies", "show", name, "--dir", office, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["compared"]["person"] == "MRV officer"
    assert find(desk.folder.documents, shown["compared"]["pdf"]) is not None, "the PDF is kept"
    assert main(["methodologies", "show", name, "--dir", office]) == 0
    assert "RE_p = sum_i(EG[i] * EF_RE[i])\tp. 3" in capsys.readouterr().out
    own = tmp_path / "EXAMPLE_PUMPS.yaml"
    own.write_text(TEXT)
    assert main(["methodologies", "approve", str(own), "--site", "demo-factory", "--dir", office]) == 0
    capsys.readouterr()
    assert main(["methodologies", "list", "--dir", office, "--json"]) == 0
    listed = {row["name"]: (row["status"], row["released"]) for row in json.loads(capsys.readouterr().out)}
    assert listed[name] == ("compared", "yes")
    assert listed[PUMPS.name] == ("provisional", "no")
    assert isinstance(PUMPS, Methodology)
