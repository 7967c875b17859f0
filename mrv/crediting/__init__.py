"""Crediting: sealed usages, plan versions, certificates and office records -> what a report may claim, and why.

`result` is what comes out (the report only renders it), `sealed` is what goes in, `engine` turns one into the other.
"""
