"""The state folder of a local stack: its data, its ports, its secrets, and the lock that keeps a second stack out."""

import asyncio
import fcntl
import json
import os
import secrets
import shutil
from base64 import b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

from services.local.process import GRACE_SECONDS, has_writers

CHECKOUT = Path(__file__).resolve().parents[2]


CLOCK_FILE = "clock.json"
"""Of a stack whose clock is steered: where its services read what time it is."""


class HomeBusy(RuntimeError):
    """Another stack runs in this folder."""


def default_home() -> Path:
    """`VICINO_HOME`, or `.vicino` in the checkout; installed from a wheel, where one stands."""
    place = CHECKOUT if (CHECKOUT / "pyproject.toml").exists() else Path.cwd()
    return Path(os.environ.get("VICINO_HOME") or place / ".vicino").resolve()


def _close(folder: Path) -> None:
    """Take from everybody but the owner what an earlier version left open."""
    folder.chmod(0o700)
    for path, folders, files in os.walk(folder):
        for name in (*folders, *files):
            item = Path(path) / name
            with suppress(FileNotFoundError):  # a process that ends just now removes its own
                if not item.is_symlink() and (mode := item.stat().st_mode) & 0o077:
                    item.chmod(mode & 0o700)


class Home:
    """One stack's folder: entered by one at a time, and not before what a killed one left behind has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock: Any = None
        self._umask = 0o077

    async def __aenter__(self) -> "Home":
        """Files made from here on, also by child processes, are their owner's alone."""
        self._umask = os.umask(0o077)
        try:
            return await self._enter()
        except BaseException:
            os.umask(self._umask)
            raise

    async def _enter(self) -> "Home":
        (self.path / "logs").mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(_close, self.path)
        self._lock = (self.path / "lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            async with asyncio.timeout(2 * GRACE_SECONDS):
                while any(has_writers(log) for log in (self.path / "logs").glob("*.log")):
                    await asyncio.sleep(0.05)
        except (BlockingIOError, TimeoutError):
            self._lock.close()
            raise HomeBusy(
                f"another Vicino runs in {self.path}: stop it, or name another folder with --home (or VICINO_HOME)"
            ) from None
        except BaseException:
            self._lock.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lock.close()
        os.umask(self._umask)

    def is_running(self) -> bool:
        """Whether a stack runs here now."""
        file = self.path / "lock"
        if not file.exists():
            return False
        with file.open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def clear(self) -> None:
        """Forget everything an earlier stack kept here."""
        for item in self.path.iterdir():
            if item.is_dir():
                shutil.rmtree(item)
            elif item.name != "lock":
                item.unlink()
        (self.path / "logs").mkdir()

    def log(self, name: str) -> Path:
        """The log file of a part."""
        return self.path / "logs" / f"{name}.log"

    def recall(self, name: str) -> dict[str, Any]:
        """A small JSON file of this home; empty when there is none."""
        file = self.path / f"{name}.json"
        return dict(json.loads(file.read_text(encoding="utf-8"))) if file.exists() else {}

    def remember(self, name: str, value: dict[str, Any]) -> None:
        """Write a small JSON file in one step."""
        file = self.path / f"{name}.json"
        draft = file.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as output:
            json.dump(value, output, indent=1)
        draft.replace(file)

    def secret(self, name: str, size_bytes: int = 32) -> str:
        """A random secret in base64, made once and kept where only the owner can read it."""
        known = self.recall("secrets")
        if name not in known:
            known[name] = b64encode(secrets.token_bytes(size_bytes)).decode()
            self.remember("secrets", known)
        return str(known[name])

    def password(self, name: str) -> str:
        """A random password fit for an URL."""
        return self.secret(name).translate(str.maketrans("+/=", "-_.")).rstrip(".")
