"""The supervisor: runs a program and never lets it outlive its owner, however the owner dies.

Started as `python supervisor.py FD GRACE_SECONDS SIGNAL USER -- PROGRAM ARG …`. The owner keeps the write end of a pipe whose
read end is FD; when the owner is gone, also by `kill -9`, the pipe ends, and the program's whole process group gets
SIGNAL, then SIGKILL. It imports nothing of ours, so that it starts in milliseconds.

USER is `-`, or `UID:GID` to become, by number: PostgreSQL refuses to run as root. Nothing of root's rights stays: no
group, no capability, and no program that is executed gives one back.
"""

import ctypes
import os
import select
import signal
import sys
import time

(
    _PR_SET_PDEATHSIG,
    _PR_CAPBSET_DROP,
    _PR_SET_NO_NEW_PRIVS,
    _PR_CAP_AMBIENT,
    _PR_CAP_AMBIENT_CLEAR_ALL,
) = 1, 24, 38, 47, 4
_CAPABILITIES_MAX = 64
_CAP_VERSION_3 = 0x20080522


def _libc() -> "ctypes.CDLL | None":
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what} failed")


def _become(user: int, group: int) -> None:
    """Drop root for good."""
    libc = _libc()
    if libc is not None:
        for number in range(_CAPABILITIES_MAX):  # a kernel that knows fewer refuses the others
            libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
        # Older kernels have no such set.
        libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0)
    os.setgroups([])
    os.setgid(group)
    os.setuid(user)
    if libc is not None:
        header, none = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0), (ctypes.c_uint32 * 6)()
        _check(libc.capset(header, none), "capset")
        _check(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def _start(user: str, command: "list[str]") -> int:
    """Fork and execute, in a process group of its own; dies with the supervisor on Linux, should that be killed."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        if user != "-":
            uid, gid = user.split(":")
            _become(int(uid), int(gid))
        libc = _libc()
        if libc is not None:
            _check(libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0), "PR_SET_PDEATHSIG")
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        os.execvp(command[0], command)
    except BaseException as error:  # noqa: BLE001 - between fork and exec nothing may escape
        sys.stderr.write(f"cannot start {command[0]}: {error}\n")
        os._exit(127)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def _ended(pid: int) -> "int | None":
    found, status = os.waitpid(pid, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def _end(pid: int, stop_signal: int, grace_seconds: float) -> int:
    """Ask the program to stop, wait, and make sure of its whole group."""
    os.kill(pid, stop_signal)
    deadline = time.monotonic() + grace_seconds
    while (code := _ended(pid)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    _signal_group(pid, signal.SIGKILL)
    return code if code is not None else os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def main(arguments: "list[str]") -> int:
    """Hold the program until it ends or its owner is gone."""
    owner, grace, stop_signal, user = (
        int(arguments[0]),
        float(arguments[1]),
        int(arguments[2]),
        arguments[3],
    )
    wake_read, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write)
    asked: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda caught, _: asked.append(caught))
    signal.signal(signal.SIGCHLD, lambda *_: None)
    pid = _start(user, arguments[5:])
    while True:
        ready, _, _ = select.select([owner, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 1024)
        if (code := _ended(pid)) is not None:
            return code if code >= 0 else 128 - code
        if owner in ready or asked:
            _end(pid, stop_signal, grace)
            return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
