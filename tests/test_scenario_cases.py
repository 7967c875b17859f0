"""Every case that plays a scenario comes out as expected, and every fault the simulator knows has a case."""

from __future__ import annotations

from pathlib import Path

import pytest
from scenario_cases import Case, Poll, load, names, run

from drivers.simulator.misfortune import KINDS
from mrv import messages
from mrv.errors import Fault
from mrv.reading import GapReason


@pytest.mark.parametrize("name", names())
async def test_it_comes_out_as_expected(name: str, tmp_path: Path) -> None:
    case = load(name)
    told = await run(case, tmp_path)
    assert told.polls.keys() == case.expected.polls.keys()
    for meter, expected in case.expected.polls.items():
        polls = told.polls[meter]
        assert len(polls) == case.until // 10 + 1, "a poll for every slot"
        assert [concerning(poll, wanted) for poll, wanted in zip(polls, expected, strict=False)] == list(expected), (
            meter
        )
    assert told.found == case.expected.found
    assert told.decided == case.expected.decided


def concerning(poll: Poll, wanted: Poll) -> Poll:
    """`poll` with those values only that the expectation names."""
    read = {name: value for name, value in poll.read.items() if name in wanted.read}
    return Poll(at=poll.at, read=read, gap=poll.gap, code=poll.code)


@pytest.mark.parametrize("name", names())
def test_a_case_says_something_a_technician_understands(name: str) -> None:
    case = load(name)
    assert sum(bool(poll.read) for polls in case.expected.polls.values() for poll in polls), "something must be read"
    for poll in (poll for polls in case.expected.polls.values() for poll in polls):
        assert poll.gap is None or poll.gap in set(GapReason)
        if poll.code:
            assert messages.next_step(Fault(poll.code), "vi") != messages.next_step(Fault(poll.code), "en")


def test_every_fault_has_a_case() -> None:
    cases: list[Case] = [load(name) for name in names()]
    met = {str(type(fault).__struct_config__.tag) for case in cases for fault in case.scenario.faults}
    assert KINDS.keys() - met == set()
