"""Asking to join, and what of an approval is believed: all that does not fit is named, nothing of it is taken in."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path

import gateway
import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from agent import cli, config, enrol, keys
from collector import ca
from link.tls import Tls
from mrv import enrolment
from mrv.enrolment import Approval, Request
from mrv.errors import BadInput, Refused
from mrv.log.note import COSIGNATURE, NOTE, SigningKey

NOW = datetime.now(UTC)
COSIGNER = SigningKey("example/mrv/collector", COSIGNATURE, bytes([7]) * 32).vkey


class Site:
    """A folder with both files, the log's key and a request."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.state = folder, folder / "state"
        self.state.mkdir()
        gateway.write(folder)
        self.setup = config.load(folder)
        self.vkey = keys.make(self.state, keys.origin("example", "demo-factory")).vkey
        self.door = enrol.door_key(self.state, make=True)
        self.asked = enrol.request(self.setup, self.vkey, self.door)
        self.authority = ca.create(folder / "ca", "example", NOW)

    def approval(self, **changes: object) -> bytes:
        """What an honest office answers, but for `changes`."""
        csr = enrolment.decode(self.asked, Request, "request").csr.encode()
        fields = {
            "site": "demo-factory",
            "request": enrolment.digest(self.asked),
            "host": "broker.example.vn",
            "port": 8883,
            "certificate": self.authority.site(csr, "demo-factory", NOW).pem.decode(),
            "ca": self.authority.pem.decode(),
            "cosigners": (COSIGNER,),
        }
        return enrolment.encode(Approval(**fields | changes))

    def accept(self, paper: bytes) -> Approval:
        return enrol.accept(paper, self.asked, self.door, "demo-factory", "file")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_the_request_says_what_the_site_runs_with_and_nothing_private(site: Site) -> None:
    asked = enrolment.decode(site.asked, Request, "request")
    assert (asked.site, asked.key) == ("demo-factory", site.vkey)
    assert json.loads(asked.binding)["site"] == json.loads(asked.plan)["site"] == "demo-factory"
    assert b"PRIVATE" not in site.asked
    assert keys.load(site.state, keys.origin("example", "demo-factory")).seed.hex().encode() not in site.asked


def test_the_doors_key_is_made_once_and_closed(site: Site) -> None:
    path = site.state / "tls" / "key.pem"
    assert stat.S_IMODE(path.stat().st_mode) == 0o400
    assert enrol.door_key(site.state, make=True).public_key() == site.door.public_key()
    path.chmod(0o440)
    with pytest.raises(Refused) as caught:
        enrol.door_key(site.state, make=True)
    assert caught.value.faults[0].code == "agent.key_readable"


def test_an_honest_approval_is_taken(site: Site) -> None:
    approval = site.accept(site.approval())
    changes = enrol.differences(approval, site.setup.site.collector)
    assert changes == {"host": "broker.example.vn", "port": "8883", "tls": "true", "cosigners": f"[{COSIGNER}]"}
    enrol.install(site.state, approval)
    assert Tls.inside(site.state / "tls").context()
    assert enrol.ending(Tls.inside(site.state / "tls"), NOW) is None
    late = enrol.ending(Tls.inside(site.state / "tls"), enrol.ends(approval) - enrol.WARNED / 2)
    assert late is not None
    assert late.code == "agent.certificate_ends"


def test_what_does_not_fit_is_refused(site: Site, tmp_path: Path) -> None:
    foreign = ca.create(tmp_path / "foreign", "example", NOW)
    other = Site.__new__(Site)
    other.door = ec.generate_private_key(ec.SECP256R1())
    stranger = enrol.request(site.setup, site.vkey, other.door)
    csr = enrolment.decode(stranger, Request, "request").csr.encode()
    cases = {
        "agent.approval_of_another": {"site": "another"},
        "agent.approval_of_old_request": {"request": "0" * 64},
        "agent.approval_certificate": {"certificate": site.authority.site(csr, "demo-factory", NOW).pem.decode()},
        "log.key_purpose": {"cosigners": (SigningKey("x", NOTE, bytes([3]) * 32).vkey,)},
    }
    for code, changes in cases.items():
        with pytest.raises(BadInput) as caught:
            site.accept(site.approval(**changes))
        assert code in {fault.code for fault in caught.value.faults}
    for changes in ({"ca": foreign.pem.decode()}, {"certificate": "rubbish"}):
        with pytest.raises(BadInput) as caught:
            site.accept(site.approval(**changes))
        assert caught.value.faults[0].code == "agent.approval_certificate"


def test_one_changed_byte_changes_the_paper(site: Site) -> None:
    paper = site.approval()
    assert enrolment.same(enrolment.fingerprint(paper), paper)
    assert enrolment.same(enrolment.fingerprint(paper).replace(" ", "-"), paper)
    altered = paper.replace(b"8883", b"8884")
    assert not enrolment.same(enrolment.fingerprint(paper), altered)
    for broken in (paper + b" ", b"{}\n", paper[:-10], b"\xff", b"x" * (enrolment.MAX_PAPER + 1)):
        with pytest.raises(BadInput) as caught:
            enrolment.decode(broken, Approval, "file")
        assert caught.value.faults[0].code == "config.enrolment_paper"


def test_the_command_asks_for_the_phone_call(site: Site, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["enroll", "--dir", str(tmp_path), "--json"]) == 0
    site.asked = (tmp_path / "demo-factory.request").read_bytes()
    assert json.loads(capsys.readouterr().out)["fingerprint"] == enrolment.fingerprint(site.asked)
    paper = tmp_path / "a.approval"
    paper.write_bytes(site.approval())
    words = ["enroll", "--dir", str(tmp_path), "--accept", str(paper)]
    assert cli.main(words) == 3, "nobody has compared anything"
    assert cli.main([*words, "--fingerprint", "12345"]) == 3
    assert not (site.state / "tls" / "certificate.pem").exists()
    assert cli.main([*words, "--fingerprint", enrolment.fingerprint(paper.read_bytes())]) == 0
    assert (site.state / "tls" / "certificate.pem").exists()
    assert "collector:" in capsys.readouterr().out


def test_papers_grow_by_what_nobody_reads_wrongly(site: Site) -> None:
    """A paper of a later version says so; it is not read as one of this."""
    later = msgspec.json.decode(site.approval(), type=dict[str, object]) | {"v": 2}
    with pytest.raises(BadInput):
        enrolment.decode(msgspec.json.encode(later) + b"\n", Approval, "file")
