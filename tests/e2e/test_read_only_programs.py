"""Read-only, seen on the wire: all our programs, as processes, behind a recorder on each kind of line.

Whatever they send is cut into requests by a parser that knows nothing of ours (tests/wiretap.py), and nothing but the
four functions that read is among them.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from floor import METERS, Floor, floor, until
from wiretap import functions_of_rtu, functions_of_tcp

from drivers.cli import COMMANDS

READS = {0x03, 0x04, 0x11, 0x2B}
#: Commands of `mrv-meter` that have no line, or are the other end of one.
OFF_THE_WIRE = {"profiles", "simulate"}


def sent(made: Floor, line: str, what: str) -> None:
    """Something was sent on this line, and nothing that is not a read, there or anywhere."""
    asked = made.asked()
    assert asked[line], f"{what} asked nothing on {line}"
    for name, functions in asked.items():
        assert set(functions) <= READS, f"{what} sent {sorted(set(functions) - READS)} on {name}"


#: Commands that are given a line and nothing else, with what keeps them short.
ON_A_LINE = {
    "scan": ("--listen", "0.1", "--timeout", "100", "--expect", "1"),
    "probe": ("--seconds", "0.1"),
    "watch": ("--rounds", "1"),
}


@pytest.mark.slow
def test_every_program_on_every_line_only_reads(tmp_path: Path) -> None:
    with floor(tmp_path) as made:
        for line, end in made.ends.items():
            for command, words in ON_A_LINE.items():
                code, out, err = made.tool(command, *end, *words)
                assert code == 0, (command, line, out, err)
                sent(made, line, f"mrv-meter {command}")
        for name, (line, _, _) in METERS.items():
            code, out, err = made.commission(name)
            assert code == 1, out + err
            sent(made, line, "mrv-meter commission")
        code, out, err = made.tool("commission", "--again", "machine-1", "--dir", "site", "--who", "Tran B")
        assert code == 1, out + err
        sent(made, "usb", "mrv-meter commission --again")
        made.tool("scan", *made.ends["usb"], "--one-by-one", *ON_A_LINE["scan"][:4], typed="\nq\n")
        sent(made, "usb", "mrv-meter scan --one-by-one")
        assert {*ON_A_LINE, "commission", *OFF_THE_WIRE} == set(COMMANDS), "a new command belongs here"
        _off_the_wire(made)
        made.agent.start()
        until(lambda: all(made.readings(name) > 2 for name in METERS), 60, made.agent.said)
        assert made.agent.stop() == 0
        asked = made.asked()
        for line, functions in asked.items():
            assert functions, f"mrv-agent run asked nothing on {line}"
            assert set(functions) <= READS


def _off_the_wire(made: Floor) -> None:
    """What has no business on a line sends nothing at all."""
    for words in (("mrv-agent", "check", "--dir", "site", "--state", "state"), ("mrv-meter", "profiles")):
        code, out, err = made.run(*words)
        assert code == 0, out + err
    assert made.asked() == {"usb": [], "box": [], "lan": []}


@pytest.mark.parametrize(
    ("frame", "function"),
    [
        ("010300000002c40b", 3),
        ("010600010003980b", 6),
        ("01100001000204000a01029230", 16),
        ("010500acff004c1b", 5),
        ("0111c02c", 0x11),
    ],
)
def test_the_recorder_knows_a_write_when_it_sees_one(frame: str, function: int) -> None:
    """Frames of the standard's own examples, so that a write would not pass unseen."""
    data = bytes.fromhex(frame)
    assert functions_of_rtu(data * 3) == [function] * 3
    pdu = data[:-2]
    request = b"\0\x01\0\0" + len(pdu).to_bytes(2, "big") + pdu
    assert functions_of_tcp(request * 2) == [function] * 2


def test_the_recorder_passes_over_nothing() -> None:
    whole = bytes.fromhex("010300000002c40b")
    for broken in (whole[:-1], whole + b"\0", whole[:-1] + b"\0", b"\x01\x41" + whole):
        with pytest.raises(AssertionError):
            functions_of_rtu(broken)
    for broken in (b"\0\x01\0\x01\0\x02\x01\x03", b"\0\x01\0\0\0\x06\x01\x03", b"\0\0"):
        with pytest.raises(AssertionError):
            functions_of_tcp(broken)
