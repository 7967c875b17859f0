"""`python -m agent`: the same as `mrv-agent`, for where console scripts are not installed."""

from agent.cli import main

raise SystemExit(main())
