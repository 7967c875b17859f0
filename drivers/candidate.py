"""One way to read a meter, what it then says, and how much speaks for it.

Pure: made by `drivers.identify` and `drivers.commission_variants`, compared here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property

import msgspec

from drivers import plausible
from drivers.plausible import Mark
from mrv.binding import Settings
from mrv.measurand import Measurand
from mrv.profile import Profile

_STATUS = ("usable", "experimental", "documented")
_CONFIDENCE = ("high", "medium", "low")


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A profile with settings. `model` is what identification rules called it, "" for one that is only plausible."""

    profile: Profile
    settings: Settings = field(default_factory=Settings)
    model: str = ""
    identified: bool = False
    values: Mapping[Measurand, Decimal] = field(default_factory=dict)

    @cached_property
    def marks(self) -> Mapping[Measurand, Mark]:
        return plausible.marks(self.values)

    @cached_property
    def score(self) -> int:
        return plausible.score(self.values, self.marks)

    @property
    def deviations(self) -> int:
        """Settings in which it differs from its profile."""
        plain = msgspec.structs.asdict(Settings(base=self.settings.base))
        return sum(value != plain[name] for name, value in msgspec.structs.asdict(self.settings).items())

    @property
    def rank(self) -> tuple[object, ...]:
        """Best first when sorted: identified, plausible, as the profile stands, usable, well sourced."""
        profile = self.profile
        grades = (_STATUS.index(profile.status), _CONFIDENCE.index(profile.confidence))
        return (not self.identified, -self.score, self.deviations, *grades, profile.id)

    def replaced(self, settings: Settings) -> Candidate:
        """The same profile with other settings, which has said nothing yet."""
        return dataclasses.replace(self, settings=settings, values={})


def ranked(found: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """Best first."""
    return tuple(sorted(found, key=lambda candidate: candidate.rank))
