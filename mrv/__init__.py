"""The law both ends share: pure values in, values out.

No sockets, no clock, no environment, no files other than this package's own data (a contract in
pyproject.toml and tests/test_house.py hold that). Agent, collector and auditor all judge with this code.
"""
