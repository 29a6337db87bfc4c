"""The leash: runs a program and never lets it outlive its owner, however the owner dies.

Started as `python leash.py FD GRACE_SECONDS SIGNAL USER -- PROGRAM ARG …`. The owner keeps the write end of a pipe whose
read end is FD; when the owner is gone, also by `kill -9`, the pipe ends, and the program's whole process group gets
SIGNAL, then SIGKILL. It imports nothing of ours, so that it starts in milliseconds.

USER is `-` or a user to become. PostgreSQL refuses to run as root, but the checkout may lie in a folder that only root
may enter: then the program keeps the one capability that lets it in (CAP_DAC_OVERRIDE, as an ambient capability).
"""

import ctypes
import os
import select
import signal
import sys
import time

_PR_SET_PDEATHSIG, _PR_SET_SECUREBITS, _PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
_NO_SETUID_FIXUP = 1 << 2
"""Capabilities outlive the change of user, and access(2), with which PostgreSQL looks for its programs, honours them."""

_CAP_DAC_OVERRIDE = 1
_CAP_VERSION_3 = 0x20080522


def _libc() -> "ctypes.CDLL | None":
    return ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def _check(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what} failed")


def _become(user: str, keep_access: bool) -> None:
    """Drop root; with `keep_access`, keep the right to pass closed folders."""
    import pwd

    entry, libc = pwd.getpwnam(user), _libc()
    if keep_access and libc is not None:
        _check(libc.prctl(_PR_SET_SECUREBITS, _NO_SETUID_FIXUP, 0, 0, 0), "PR_SET_SECUREBITS")
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)
    if keep_access and libc is not None:
        bit = 1 << _CAP_DAC_OVERRIDE
        header = (ctypes.c_uint32 * 2)(_CAP_VERSION_3, 0)
        data = (ctypes.c_uint32 * 6)(bit, bit, bit, 0, 0, 0)
        _check(libc.capset(header, data), "capset")
        _check(libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, _CAP_DAC_OVERRIDE, 0, 0), "PR_CAP_AMBIENT_RAISE")


def _start(user: str, command: "list[str]") -> int:
    """Fork and execute, in a process group of its own; dies with the leash on Linux, should that be killed."""
    pid = os.fork()
    if pid:
        return pid
    try:
        os.setsid()
        name, _, access = user.partition("+")
        if name != "-":
            _become(name, bool(access))
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
    owner, grace, stop_signal, user = int(arguments[0]), float(arguments[1]), int(arguments[2]), arguments[3]
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
