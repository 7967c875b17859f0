"""From a clean Debian root: install, enrol, approve, first receipt over mutual TLS, upgrade, remove. One story.

The daemons run as processes of the user the installer made, under their installed names; broker and simulator stand
outside, as in a factory. No systemd runs in there: what systemd itself does with the units is in test_services.py.
"""

from __future__ import annotations

import json
import re
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from brokers import until
from clean_root import CHECKOUT, CleanRoot, clean_root
from programs import Program
from secure import SecureBroker

from demo.layout import adjusted

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
SITE, ORG = "long-an-2", "example.vn"
CONFIG, STATE, OFFICE = "/etc/mrv-agent", "/var/lib/mrv-agent", "/var/lib/mrv-collector"
INSTALL = f"{CHECKOUT}/deploy/install.sh"
WHEELS = ("--wheels", "/srv/wheels")


@pytest.fixture
def debian() -> Iterator[CleanRoot]:
    with clean_root() as root:
        yield root


class Story:
    """What the steps hand on to each other."""

    def __init__(self, debian: CleanRoot, folder: Path) -> None:
        self.debian = debian
        self.folder = folder
        self.programs: list[Program] = []
        self.broker: SecureBroker | None = None

    def agent(self, *words: str) -> str:
        return self.debian.run("mrv-agent", words[0], "--dir", CONFIG, "--state", STATE, *words[1:], user="mrv")

    def office(self, *words: str) -> dict[str, object]:
        said = self.debian.run("mrv-collector", *words, "--dir", OFFICE, "--json", user="mrv")
        found: dict[str, object] = json.loads(said)
        return found

    def start(self, name: str, command: list[str]) -> Program:
        program = Program(name, command, self.folder / f"{name}.log")
        program.start()
        self.programs.append(program)
        return program

    def serve_agent(self) -> Program:
        words = ("mrv-agent", "run", "--dir", CONFIG, "--state", STATE)
        return self.start("agent", self.debian.command(*words, user="mrv"))

    def backlog(self) -> dict[str, int]:
        if not self.debian.at(f"{STATE}/status.json").exists():  # it has only just been started
            return {"received": 0, "size": 0}
        found: dict[str, int] = json.loads(self.agent("backlog", "--json"))
        return found


@pytest.fixture
def story(debian: CleanRoot, tmp_path: Path) -> Iterator[Story]:
    made = Story(debian, tmp_path)
    yield made
    for program in made.programs:
        program.close()
    if made.broker:
        made.broker.stop()


def step_1_both_roles_install_and_doing_it_again_changes_nothing(story: Story) -> None:
    for role in ("agent", "collector"):
        said = story.debian.run(INSTALL, role, *WHEELS)
        assert "next:" in said
        assert "nothing to change" in story.debian.run(INSTALL, role, *WHEELS)
    for name in ("mrv-agent", "mrv-meter", "mrv-collector", "mrv-verify"):
        assert "usage" in story.debian.run(name, "--help", user="mrv")
    assert story.debian.at("/etc/systemd/system/mrv-agent.service").is_file()
    assert story.debian.at("/etc/udev/rules.d/99-mrv-rs485.rules").is_file()


def step_2_folders_belong_to_the_daemons_user_alone(story: Story) -> None:
    owner = int(story.debian.run("id", "-u", "mrv"))
    for folder, mode in ((STATE, 0o700), (OFFICE, 0o700)):
        found = story.debian.at(folder).stat()
        assert (found.st_uid, stat.S_IMODE(found.st_mode)) == (owner, mode)
    assert story.debian.at(CONFIG).stat().st_uid == 0
    assert "dialout" in story.debian.run("id", "-nG", "mrv")


def step_3_an_office_with_its_authority_and_a_broker(story: Story) -> None:
    story.office("init", "--org", ORG)
    story.office("ca", "init")
    story.office("ca", "office", "1")
    story.office("ca", "broker", "127.0.0.1", "localhost")
    story.broker = SecureBroker(story.folder)
    made = story.debian.at(f"{OFFICE}/broker")
    for name in ("broker.pem", "broker.key", "ca.pem"):
        (story.folder / name).write_bytes((made / name).read_bytes())
    (story.folder / "crl.pem").write_bytes(story.debian.at(f"{OFFICE}/ca/crl.pem").read_bytes())
    story.broker.start()


def step_4_a_gateway_asks_to_join(story: Story) -> None:
    story.agent("init", "--site", SITE, "--org", ORG)
    simulator = story.start("simulator", [sys.executable, "-m", "drivers.simulator", "--speed", "60"])
    until(lambda: "\n" in simulator.log.read_text())
    ports = {name: bus["port"] for name, bus in json.loads(simulator.log.read_text())["buses"].items()}
    site, plan = story.debian.at(f"{CONFIG}/site.yaml"), story.debian.at(f"{CONFIG}/plan.yaml")
    text = site.read_text()
    for host, name in (("192.168.1.20", "a"), ("192.168.1.21", "b")):
        text = re.sub(rf"host: {re.escape(host)}\n(\s+)port: 502", rf"host: 127.0.0.1\n\1port: {ports[name]}", text)
    site.write_text(re.sub(r"sync: kernel", "sync: assumed", re.sub(r"every: \d+", "every: 1", text)))
    plan.write_text(adjusted(plan.read_text(), 2))
    story.agent("check")
    story.agent("enroll", "--out", f"{STATE}/{SITE}.request")
    key = story.debian.at(f"{STATE}/tls/key.pem").stat()
    assert stat.S_IMODE(key.st_mode) == 0o400


def step_5_the_office_approves_and_only_after_the_phone_call(story: Story) -> None:
    assert story.broker is not None
    request = story.debian.at(f"{OFFICE}/{SITE}.request")
    request.write_bytes(story.debian.at(f"{STATE}/{SITE}.request").read_bytes())
    request.chmod(0o644)
    words = ("enroll", "approve", f"{OFFICE}/{SITE}.request", "--broker", f"127.0.0.1:{story.broker.port}")
    words += ("--dir", OFFICE, "--out", f"{OFFICE}/{SITE}.approval")
    refusal = story.debian.run("mrv-collector", *words, user="mrv", code=3)
    assert "fingerprint" in refusal
    story.debian.run("mrv-collector", *words, "--fingerprint", "00000 " * 6, user="mrv", code=3)
    asked = json.loads(story.agent("enroll", "--json", "--out", f"{STATE}/{SITE}.request"))
    request.write_bytes(story.debian.at(f"{STATE}/{SITE}.request").read_bytes())
    said = story.debian.run("mrv-collector", *words, "--fingerprint", asked["fingerprint"], "--json", user="mrv")
    answer = json.loads(said)
    assert {"key", "approve_plan", "approve_binding", "certificate"} <= set(answer["steps"])
    handed = story.debian.at(f"{STATE}/{SITE}.approval")
    handed.write_bytes(story.debian.at(f"{OFFICE}/{SITE}.approval").read_bytes())
    handed.chmod(0o644)
    words = ("mrv-agent", "enroll", "--dir", CONFIG, "--state", STATE, "--accept", f"{STATE}/{SITE}.approval")
    assert "fingerprint" in story.debian.run(*words, user="mrv", code=3)
    taken = json.loads(story.agent("enroll", "--accept", words[-1], "--fingerprint", answer["fingerprint"], "--json"))
    _edit(story.debian.at(f"{CONFIG}/site.yaml"), taken["site_yaml"])
    assert not json.loads(story.agent("check", "--json"))["notes"]


def _edit(site: Path, changes: dict[str, str]) -> None:
    """What the command told the technician to change."""
    assert set(changes) == {"host", "port", "tls", "cosigners"}
    head, rest = site.read_text().split("collector:\n", 1)
    after = rest.splitlines(keepends=True)
    while after and (after[0].startswith((" ", "#")) or not after[0].strip()):
        after.pop(0)
    wanted = "".join(f"  {name}: {value}\n" for name, value in changes.items())
    site.write_text(f"{head}collector:\n{wanted}\n{''.join(after)}")


def step_6_the_first_receipt_comes_over_mutual_tls(story: Story) -> None:
    assert story.broker is not None
    serve = ("mrv-collector", "run", "--dir", OFFICE, "--broker", f"127.0.0.1:{story.broker.port}", "--tls")
    collector = story.start("collector", story.debian.command(*serve, user="mrv"))
    agent = story.serve_agent()
    until(lambda: agent.running and collector.running and story.backlog()["received"] > 0, timeout=60)
    until(lambda: any(entry["admitted"] for entry in story.office("summaries", "--site", SITE)), timeout=60)
    owner = story.debian.run("id", "-u", "mrv").strip()
    assert re.search(rf"^Uid:\s+{owner}\s", Path(f"/proc/{agent.pid}/status").read_text(), flags=re.M)


def step_7_an_upgrade_keeps_configuration_key_and_log(story: Story) -> None:
    agent = next(program for program in story.programs if program.name == "agent")
    assert agent.stop() == 0
    before = story.backlog()
    key = story.debian.at(f"{STATE}/key").read_bytes()
    site = story.debian.at(f"{CONFIG}/site.yaml").read_bytes()
    first = story.debian.at("/opt/mrv/current").readlink()
    source = story.debian.at(f"{CHECKOUT}/agent/__init__.py")
    source.write_text(source.read_text() + "# the next version\n")
    story.debian.run(INSTALL, "agent", *WHEELS)
    assert story.debian.at("/opt/mrv/current").readlink() != first
    assert story.debian.at("/opt/mrv/previous").readlink() == first
    assert (story.debian.at(f"{STATE}/key").read_bytes(), story.debian.at(f"{CONFIG}/site.yaml").read_bytes()) == (
        key,
        site,
    )
    again = story.serve_agent()
    until(lambda: again.running and story.backlog()["received"] > before["size"], timeout=60)
    assert again.stop() == 0


def step_8_removing_leaves_the_evidence(story: Story) -> None:
    for program in story.programs:
        program.close()
    leaves = (
        story.debian.at(f"{STATE}/log.sqlite").stat().st_size if story.debian.at(f"{STATE}/log.sqlite").exists() else 0
    )
    said = story.debian.run(INSTALL, "uninstall", "agent")
    assert STATE in said
    assert not story.debian.at("/usr/local/bin/mrv-agent").exists()
    assert not story.debian.at("/etc/systemd/system/mrv-agent.service").exists()
    assert story.debian.at(f"{STATE}/key").is_file()
    assert story.debian.at(f"{CONFIG}/site.yaml").is_file()
    assert leaves or list(story.debian.at(STATE).glob("*.sqlite"))
    assert "usage" in story.debian.run("mrv-verify", "--help"), "the other role still stands"
    story.debian.run(INSTALL, "uninstall", "collector")
    assert not story.debian.at("/opt/mrv").exists()
    assert story.debian.at(f"{OFFICE}/key").is_file()


STEPS = (
    step_1_both_roles_install_and_doing_it_again_changes_nothing,
    step_2_folders_belong_to_the_daemons_user_alone,
    step_3_an_office_with_its_authority_and_a_broker,
    step_4_a_gateway_asks_to_join,
    step_5_the_office_approves_and_only_after_the_phone_call,
    step_6_the_first_receipt_comes_over_mutual_tls,
    step_7_an_upgrade_keeps_configuration_key_and_log,
    step_8_removing_leaves_the_evidence,
)


def test_from_a_clean_root_to_the_first_receipt_and_back(story: Story) -> None:
    """One test, so that its steps are never dealt out to several workers."""
    for step in STEPS:
        step(story)
