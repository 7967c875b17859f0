"""The sun's height, against figures not computed here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from drivers.sun import dark, elevation


def ms(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp() * 1000)  # type: ignore[misc]


def test_the_example_of_nrels_solar_position_algorithm() -> None:
    """Reda and Andreas, NREL/TP-560-34302, A.5: zenith 50.11162 with refraction (0.017 here), sunrise 06:12:43."""
    assert 90 - elevation(ms(2003, 10, 17, 19, 30, 30), 39.742476, -105.1786) == pytest.approx(50.128, abs=0.01)
    assert elevation(ms(2003, 10, 17, 13, 12, 43), 39.742476, -105.1786) == pytest.approx(-0.8333, abs=0.02)


def test_the_sun_of_a_year() -> None:
    """Highest over the tropic at the solstice, and never above 90 degrees less the way to it."""
    noon = max(elevation(ms(2026, 6, 21) + minute * 60_000, 23.44, 106.0) for minute in range(1440))
    assert noon == pytest.approx(90, abs=0.3)
    noon = max(elevation(ms(2026, 12, 21) + minute * 60_000, 21.03, 105.85) for minute in range(1440))
    assert noon == pytest.approx(90 - 21.03 - 23.44, abs=0.3)


def test_night_in_ho_chi_minh_city() -> None:
    here = {"latitude": 10.82, "longitude": 106.63}
    local = timedelta(hours=7)
    hours = [
        dark(int((datetime(2026, 3, 20, hour, tzinfo=UTC) - local).timestamp() * 1000), **here) for hour in range(24)
    ]
    assert [hour for hour, night in enumerate(hours) if not night] == list(range(7, 18))
