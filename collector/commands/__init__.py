"""One file per command of `mrv-collector`; each has `add(subparsers)` and a function from arguments to an exit code."""
