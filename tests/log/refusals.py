"""What a refusal looks like in these tests: one code, and a text for it in the catalogue."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from mrv import messages
from mrv.errors import BadInput, Refused


@contextmanager
def refused(code: str) -> Iterator[None]:
    """The body raises BadInput or Refused with exactly `code`, and the catalogue says what to do about it."""
    with pytest.raises((BadInput, Refused)) as caught:
        yield
    (fault,) = caught.value.faults
    assert fault.code == code
    assert "{" not in messages.what(fault)
    assert messages.what(fault) != code
    assert messages.next_step(fault)
