"""A child process that cannot be left behind: started under a supervisor, stopped, killed, paused, resumed."""

import asyncio
import fcntl
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

SUPERVISOR = Path(__file__).with_name("supervisor.py")
GRACE_SECONDS = 15.0


class Child:
    """A program under a supervisor. `pid` is the program's own, not the supervisor's."""

    def __init__(self, name: str, supervisor: asyncio.subprocess.Process, pipe: int) -> None:
        self.name = name
        self._supervisor, self._pipe = supervisor, pipe

    @classmethod
    async def start(
        cls, name: str, command: Sequence[str], *, log: Path, env: Mapping[str, str] | None = None, cwd: Path | None = None,
        user: str = "-", stop_signal: int = signal.SIGTERM, grace_seconds: float = GRACE_SECONDS, given: Path | None = None,
    ) -> "Child":  # fmt: skip
        """Start `command`; its output goes to the end of `log`. `user` is `-`, or as `supervisor.py` says.

        `given` is a file to be its standard input.
        """
        read_end, write_end = os.pipe()
        with log.open("ab") as output, (given or Path(os.devnull)).open("rb") as source:
            # Inherited with the file: it is released when the last process that may write this log has ended.
            fcntl.flock(output, fcntl.LOCK_SH)
            supervisor = await asyncio.create_subprocess_exec(
                sys.executable, "-I", "-S", str(SUPERVISOR), str(read_end), str(grace_seconds), str(int(stop_signal)), user, "--",
                *command, pass_fds=[read_end], stdin=source,
                stdout=output, stderr=output, env=env, cwd=cwd, start_new_session=True,
            )  # fmt: skip
        os.close(read_end)
        child = cls(name, supervisor, write_end)
        while child.running and child.program() is None:
            await asyncio.sleep(0.005)  # the supervisor forks within milliseconds
        return child

    def program(self) -> int | None:
        """The program's process id, if it runs."""
        try:
            return next(
                (int(found.pid) for found in psutil.Process(self._supervisor.pid).children()), None
            )
        except psutil.NoSuchProcess:
            return None

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._supervisor.returncode is None

    @property
    def pid(self) -> int:
        """The program's process id. Raises `ProcessLookupError` when it is gone."""
        found = self.program()
        if found is None:
            raise ProcessLookupError(self.name)
        return found

    async def wait(self) -> int:
        """Wait for its end; returns the exit code."""
        code = await self._supervisor.wait()
        self._let_go()
        return code

    async def stop(self) -> None:
        """Ask it to stop, and wait; after the grace period it is killed."""
        if self.running:
            self._supervisor.send_signal(signal.SIGTERM)
        await self.wait()

    async def kill(self) -> None:
        """SIGKILL to its whole group, as a crash would, and wait."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        await self.wait()

    def signal(self, number: int) -> None:
        """Send a signal to the program itself."""
        os.kill(self.pid, number)

    def pause(self) -> None:
        """SIGSTOP to its group: it stands still, its connections stay open."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT to its group."""
        os.killpg(self.pid, signal.SIGCONT)

    def _let_go(self) -> None:
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1


async def run_to_end(
    name: str,
    command: Sequence[str],
    *,
    log: Path,
    user: str = "-",
    cwd: Path | None = None,
    given: Path | None = None,
) -> None:
    """Run a program to its end, as `Child.start` does. Raises `RuntimeError` with the end of its log when it fails."""
    child = await Child.start(name, command, log=log, user=user, cwd=cwd, given=given)
    if (code := await child.wait()) != 0:
        raise RuntimeError(f"{name} failed with exit code {code}:\n{tail(log)}")


def has_writers(log: Path) -> bool:
    """Whether a child that was started on this log still lives, or its supervisor: also one of an owner that was killed."""
    with log.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file."""
    if not log.exists():
        return "(no log)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
