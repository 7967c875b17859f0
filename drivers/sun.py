"""How high the sun stands: whether an inverter that is silent is asleep.

Pure. The low-precision formulas of the Astronomical Almanac as given by J. J. Michalsky, "The Astronomical Almanac's
algorithm for approximate solar position (1950-2050)", Solar Energy 40 (3), 1988, 227-235, with the erratum in 41 (1):
0.01 degrees between 1950 and 2050. Refraction is left out: half a degree at the horizon, less than hills and haze do.
"""

from __future__ import annotations

from math import asin, atan2, cos, degrees, radians, sin

#: Below this elevation (degrees) an inverter need not be awake: it takes more than the first light to start one.
DARK_BELOW = 3.0
_DAY_MS = 86_400_000
#: UTC ms of the epoch J2000.0, 2000-01-01 12:00.
_J2000_MS = 946_728_000_000


def elevation(ts: int, latitude: float, longitude: float) -> float:
    """Degrees of the sun's centre above the horizon at UTC ms `ts`; latitude north and longitude east are positive."""
    days = (ts - _J2000_MS) / _DAY_MS
    mean = radians((357.528 + 0.9856003 * days) % 360)
    ecliptic = radians((280.460 + 0.9856474 * days + 1.915 * sin(mean) + 0.020 * sin(2 * mean)) % 360)
    tilt = radians(23.439 - 0.0000004 * days)
    ascension = atan2(cos(tilt) * sin(ecliptic), cos(ecliptic))
    declination = asin(sin(tilt) * sin(ecliptic))
    hours = ts % _DAY_MS / 3_600_000
    sidereal = 6.697375 + 0.0657098242 * days + hours + longitude / 15
    angle = radians(15 * (sidereal % 24)) - ascension
    here = radians(latitude)
    return degrees(asin(sin(declination) * sin(here) + cos(declination) * cos(here) * cos(angle)))


def dark(ts: int, latitude: float, longitude: float) -> bool:
    """Whether it is too dark for an inverter."""
    return elevation(ts, latitude, longitude) < DARK_BELOW
