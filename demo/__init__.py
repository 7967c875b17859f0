"""A factory, its gateway and the office on one machine: real programs as processes, watched through their --json.

Stands above everything and is not installed. It must never open a database or a key of the programs it shows.
"""
