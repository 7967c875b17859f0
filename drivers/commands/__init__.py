"""One file per command of `mrv-meter`."""
