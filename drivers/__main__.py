"""`python -m drivers` is `mrv-meter`, for places where no script is installed."""

from drivers.cli import main

raise SystemExit(main())
