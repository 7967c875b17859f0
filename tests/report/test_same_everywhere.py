"""Reports of random plans and histories have the same bytes whatever the hash seed, locale and time zone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[1] / "report_random.py"
#: The digests of a crediting, its workbook, CSV and JSON.
FORMS = 4


def started(count: int, **more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(PROGRAM), "0", str(count)]
    return subprocess.Popen(command, env=os.environ | more, stdout=subprocess.PIPE, text=True)


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("count", [40, pytest.param(1000, marks=pytest.mark.slow)])
def test_no_byte_of_a_report_depends_on_the_process(count: int) -> None:
    one = started(count, PYTHONHASHSEED="1", LC_ALL="C", TZ="UTC")
    two = started(count, PYTHONHASHSEED="4242", LC_ALL="vi_VN.UTF-8", LANGUAGE="ja", TZ="America/New_York")
    said, (again, _) = one.communicate()[0], two.communicate()
    assert (one.returncode, two.returncode) == (0, 0)
    assert said == again
    found = [line.split() for line in said.splitlines()]
    reported = [digests for digests in found if len(digests) == FORMS]
    assert len(found) == count
    assert len(reported) > count * 0.9, "a history that cannot be credited has no report"
    for form in zip(*reported, strict=True):
        assert len(set(form)) == len(reported), "each history has a report of its own"
