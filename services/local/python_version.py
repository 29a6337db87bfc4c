"""Says what to do when Python is too old. Runs before anything is installed: plain Python, any version."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it runs on whatever is there
    found = sys.version.split()[0]
    sys.exit(
        "Vicino needs Python 3.11 or newer; this is " + found + ". Try: make PYTHON=python3.12 demo"
    )
