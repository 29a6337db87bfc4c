"""Says what to do when Python is too old. Runs before anything is installed: plain Python, any version."""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - it runs on whatever is there
    sys.exit("Vicino needs Python 3.11 or newer; this is %s. Try: make PYTHON=python3.12 demo" % sys.version.split()[0])  # noqa: UP031
