"""One file per command of `mrv-agent`."""
