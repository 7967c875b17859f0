"""A plant that does not exist, behind real sockets: what the demo, the benchmarks and the drivers' tests talk to.

Floats are allowed here and in `mrv.codec` only. Nothing of it may be imported by the agent or the office.
"""
