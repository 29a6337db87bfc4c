"""Makes the checkout importable in its own environment, and puts `vicino` beside the interpreter.

An installation in place needs a build back-end from the network; a path file and a four-line script do not.
"""

import sys
import sysconfig
from pathlib import Path

SCRIPT = """#!{python}
import sys
from services.cli import main
sys.exit(main())
"""


def link(root: Path) -> None:
    """Write the path file and the script into the running environment."""
    Path(sysconfig.get_path("purelib"), "vicino.pth").write_text(f"{root}\n", encoding="utf-8")
    script = Path(sysconfig.get_path("scripts"), "vicino")
    script.write_text(SCRIPT.format(python=sys.executable), encoding="utf-8")
    script.chmod(0o755)


if __name__ == "__main__":
    link(Path(sys.argv[1]).resolve())
