"""A serial port before it is relied on: the name that stays, and who takes it, on a machine made of files."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest

from agent import cli as agent_cli
from drivers import lease, port_advice, ports
from drivers.cli import main
from drivers.port_advice import Adapter, Machine, Port
from drivers.wiring import RtuLine
from mrv.messages import next_step, what

FTDI = "FTDI_FT232R_USB_UART_A10KZP1"
CH340 = "1a86_USB_Serial"


class Tree:
    """udev's links and database, /sys and /proc below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for folder in ("dev/serial/by-id", "dev/serial/by-path", "run/udev/data", "proc"):
            (root / folder).mkdir(parents=True)

    def plug(self, number: int, model: str, serial: str = "", by_id: bool = True, ignored: bool = False) -> str:
        """An adapter as ttyUSB<number> in socket <number>; gives its kernel name."""
        name = f"ttyUSB{number}"
        (self.root / "dev" / name).touch()
        self.link("by-path", f"pci-0000:00:14.0-usb-0:{number + 1}:1.0-port0", name)
        self.link("by-path", f"pci-0000:00:14.0-usbv2-0:{number + 1}:1.0-port0", name)
        if by_id:
            self.link("by-id", f"usb-{model}-if00-port0", name)
        tty = self.root / "sys/class/tty" / name
        tty.mkdir(parents=True)
        (tty / "dev").write_text(f"188:{number}\n")
        known = {"ID_BUS": "usb", "ID_SERIAL": model} | ({"ID_SERIAL_SHORT": serial} if serial else {})
        known |= {"ID_MM_DEVICE_IGNORE": "1"} if ignored else {}
        lines = ["S:serial/by-id/x", "I:12345", *(f"E:{key}={value}" for key, value in known.items())]
        (self.root / f"run/udev/data/c188:{number}").write_text("\n".join(lines))
        return f"/dev/{name}"

    def link(self, kind: str, name: str, device: str) -> None:
        link = self.root / "dev/serial" / kind / name
        link.unlink(missing_ok=True)
        link.symlink_to(f"../../{device}")

    def process(self, number: int, name: str, *files: str) -> None:
        folder = self.root / "proc" / str(number)
        (folder / "fd").mkdir(parents=True)
        (folder / "comm").write_text(f"{name}\n")
        for handle, file in enumerate(("/dev/null", *files)):
            (folder / "fd" / str(handle)).symlink_to(file)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    made = Tree(tmp_path / "root")
    monkeypatch.setattr(ports, "ROOT", made.root)
    return made


def told(name: str) -> list[tuple[str, str]]:
    """Codes without their domain, and the better name where there is one."""
    found = ports.advice(RtuLine(id="a", port=name))
    return [(one.code.removeprefix("meter.port_"), one.params.get("better", "")) for one in found]


BY_ID = f"/dev/serial/by-id/usb-{FTDI}-if00-port0"
CH340_BY_ID = f"/dev/serial/by-id/usb-{CH340}-if00-port0"
SOCKET = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:{}:1.0-port0"


def test_a_kernel_name_where_the_adapter_has_a_name_of_its_own(tree: Tree) -> None:
    device = tree.plug(0, FTDI, "A10KZP1")
    tree.plug(1, "FTDI_FT232R_USB_UART_B2", "B2")
    assert told(device) == [("renumbered", BY_ID)]
    assert told(BY_ID) == []
    assert told(SOCKET.format(1)) == [], "a socket is a choice too"


def test_two_adapters_without_a_serial_number(tree: Tree) -> None:
    """The link goes to whichever came last; the other one has none."""
    first = tree.plug(0, CH340, by_id=False)
    second = tree.plug(1, CH340)
    assert told(first) == [("twins", SOCKET.format(1))]
    assert told(second) == told(CH340_BY_ID) == [("twins", SOCKET.format(2))]
    assert told(SOCKET.format(1)) == []


def test_one_adapter_without_a_serial_number_waits_for_its_twin(tree: Tree) -> None:
    device = tree.plug(0, CH340)
    assert told(device) == told(CH340_BY_ID) == [("no_serial", SOCKET.format(1))]


def test_clones_that_share_a_serial_number(tree: Tree) -> None:
    tree.plug(0, "Silicon_Labs_CP2102_0001", "0001", by_id=False)
    device = tree.plug(1, "Silicon_Labs_CP2102_0001", "0001")
    assert told(device) == [("twins", SOCKET.format(2))]


def test_one_adapter_with_two_ports_has_two_names(tree: Tree) -> None:
    for number in (0, 1):
        device = tree.plug(number, FTDI, "A10KZP1", by_id=False)
        tree.link("by-id", f"usb-{FTDI}-if0{number}-port0", f"ttyUSB{number}")
    assert told(device) == [("renumbered", f"/dev/serial/by-id/usb-{FTDI}-if01-port0")]


def test_a_port_udev_has_no_links_for(tree: Tree, tmp_path: Path) -> None:
    """On board, a pseudo terminal, a link of the owner's own."""
    (tree.root / "dev/ttyS0").touch()
    device = tree.plug(0, FTDI, "A10KZP1")
    (tree.root / "dev/rs485-roof").symlink_to("ttyUSB0")
    assert told("/dev/ttyS0") == told("/dev/rs485-roof") == []
    (tree.root / "run/udev/data/c188:0").unlink()
    assert told(device) == [("renumbered", BY_ID)], "without a database nothing is said of serial numbers"


def test_a_port_that_is_not_there(tree: Tree) -> None:
    tree.plug(3, FTDI, "A10KZP1")
    tree.plug(4, CH340)
    (found,) = ports.advice(RtuLine(id="a", port="/dev/ttyUSB0"))
    assert (found.code, found.params["known"]) == ("meter.port_absent", f"{BY_ID}, {SOCKET.format(5)}")
    tree.process(400, "brltty")
    assert [code for code, _ in told("/dev/ttyUSB0")] == ["absent", "brltty"]


def test_programs_that_take_ports(tree: Tree) -> None:
    tree.plug(0, FTDI, "A10KZP1")
    tree.process(1, "systemd")
    assert told(BY_ID) == []
    tree.process(700, "ModemManager")
    assert told(BY_ID) == [("modem_manager", "")]
    tree.process(701, "brltty", "/dev/bus/usb/001/004")
    assert told(BY_ID) == [("modem_manager", ""), ("brltty", "")]
    tree.process(702, "minicom", "/dev/ttyUSB0")
    (held, *_) = ports.advice(RtuLine(id="a", port=BY_ID))
    assert (held.code, held.params) == ("meter.port_held", {"program": "minicom", "pid": "702"})


def test_modem_manager_that_was_told_to_leave_it_alone(tree: Tree) -> None:
    tree.plug(0, FTDI, "A10KZP1", ignored=True)
    tree.process(700, "ModemManager")
    assert told(BY_ID) == []
    tree.process(701, "ModemManager", "/dev/ttyUSB0")
    assert told(BY_ID) == [("modem_manager", "")], "it does not"


def test_our_own_programs_are_no_strangers(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.plug(0, FTDI, "A10KZP1")
    tree.process(os.getpid(), "mrv-meter", "/dev/ttyUSB0")
    tree.process(55, "mrv-agent", "/dev/ttyUSB0")
    monkeypatch.setattr(lease, "holders", lambda _: frozenset({55}))
    assert told(BY_ID) == []


def test_the_group_to_join() -> None:
    port = Port(name=BY_ID, device="/dev/ttyUSB0", allowed=False, group="dialout")
    (found,) = port_advice.findings(port, Machine(adapters=(Adapter(device="/dev/ttyUSB0", by_id=(BY_ID,)),)))
    assert "usermod -aG dialout" in next_step(found)
    assert port_advice.findings(replace(port, allowed=True), Machine()) == ()


def test_who_may_use_it_is_read_off_the_port(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    tree.plug(0, FTDI, "A10KZP1")
    monkeypatch.setattr(os, "access", lambda *_: False)
    (found,) = ports.advice(RtuLine(id="a", port=BY_ID))
    place = tree.root / "dev/ttyUSB0"
    assert (found.code, found.params["group"]) == ("meter.port_group", place.group())


@pytest.mark.parametrize("tongue", ["en", "vi"])
def test_the_texts_name_the_better_port(tree: Tree, tongue: str) -> None:
    tree.plug(0, CH340, by_id=False)
    device = tree.plug(1, CH340)
    (found,) = ports.advice(RtuLine(id="a", port=device))
    assert SOCKET.format(2) in next_step(found, tongue)
    assert CH340 in what(found, tongue)


def test_the_lease_knows_who_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(lease.FOLDER, str(tmp_path))
    line = RtuLine(id="a", port="/dev/ttyUSB0")
    assert lease.holders(line) == frozenset()
    lock = lease.Lock(tmp_path / lease.name(line))
    assert lock.take()
    assert lease.holders(line) == {os.getpid()}
    lock.let_go()
    assert lease.holders(line) == frozenset(), "a name left behind is nobody's"


# -- in the commands -----------------------------------------------------------------------------------------------


def test_check_names_port_and_culprit(tree: Tree, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    device = tree.plug(0, FTDI, "A10KZP1")
    tree.plug(1, CH340)
    tree.process(700, "ModemManager")
    folder = tmp_path / "site"
    assert agent_cli.main(["init", "--dir", str(folder), "--site", "demo-factory", "--org", "example"]) == 0
    path = folder / "site.yaml"
    text = path.read_text()
    assert "buses:\n" in text
    extra = "buses:\n" + "".join(
        f"  - {{id: {name}, kind: rtu, port: {port}}}\n"
        for name, port in (("usb-a", device), ("usb-b", BY_ID), ("usb-c", SOCKET.format(2)))
    )
    path.write_text(text.replace("buses:\n", extra, 1))
    capsys.readouterr()
    assert agent_cli.main(["check", "--dir", str(folder), "--json"]) == 0
    notes = [note for note in json.loads(capsys.readouterr().out)["notes"] if note["code"].startswith("meter.port_")]
    first = 1 + path.read_text().splitlines().index("buses:")
    assert [(note["code"].removeprefix("meter.port_"), note["where"].partition(" ")[0]) for note in notes] == [
        ("modem_manager", f"site.yaml:{first + 1}"),
        ("renumbered", f"site.yaml:{first + 1}"),
        ("modem_manager", f"site.yaml:{first + 2}"),
        ("modem_manager", f"site.yaml:{first + 3}"),
        ("shared", f"site.yaml:{first + 2}"),
    ]
    assert notes[0]["where"].endswith(f": {device}")
    assert agent_cli.main(["check", "--dir", str(folder), "--lang", "vi"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"hãy ghi {BY_ID}" in said
    assert "usb-a, usb-b cùng dẫn đến một cổng" in said


def test_scan_says_who_has_the_port_it_cannot_open(tree: Tree, capsys: pytest.CaptureFixture[str]) -> None:
    tree.process(400, "brltty")
    assert main(("scan", "/dev/ttyUSB77", "--listen", "0.1")) == 4
    err = capsys.readouterr().err
    assert "nothing is plugged in under this name" in err
    assert "systemctl disable --now brltty" in err
