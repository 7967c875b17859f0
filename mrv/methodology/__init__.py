"""Methodologies as data: equations as text, units that convert themselves, exact arithmetic."""
