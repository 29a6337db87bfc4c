"""Free ports on loopback; a stack keeps the ones it had, as long as nobody else has taken them.

They lie below those that the kernel gives to outgoing connections (from 32768 on Linux, 49152 elsewhere). One of
those could take a port between the moment it is found free and the moment a server listens on it. So could another
process that looks for one: whoever finds a port locks its byte of a file, until the process ends.
"""

import fcntl
import os
import random
import socket
import tempfile
from functools import cache
from pathlib import Path

CANDIDATES = range(15_000, 32_768)
TRIES_MAX = 100

_GIVEN: set[int] = set()
"""The ports this process was given: a lock on a file does not bind the process that holds it."""


def is_free(port: int) -> bool:
    """Whether nobody listens there now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def free_port() -> int:
    """A port that was free a moment ago, and that no other process of this user is given. Raises `OSError` when none is found."""
    for port in random.sample(CANDIDATES, TRIES_MAX):
        if port not in _GIVEN and _reserve(port) and is_free(port):
            return port
    raise OSError(f"none of {TRIES_MAX} ports on loopback is free")


def take(port: int, name: str) -> int:
    """A port that somebody asked for by the setting `name`. Raises `OSError` when it is in use."""
    if not (_reserve(port) and is_free(port)):
        raise OSError(f"{name}: port {port} is in use; name another one")
    return port


def keep_or_find(wanted: int | None) -> int:
    """The wanted port if it is free, else another."""
    kept = wanted is not None and _reserve(wanted) and is_free(wanted)
    return wanted if wanted is not None and kept else free_port()


def _reserve(port: int) -> bool:
    """Whether no other process that lives was given this port."""
    try:
        fcntl.lockf(_reservations(), fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
    except BlockingIOError:
        return False
    _GIVEN.add(port)
    return True


@cache
def _reservations() -> int:
    """The file whose bytes stand for ports. It stays open: closing it would release all of them."""
    path = Path(tempfile.gettempdir(), f"vicino-ports-{os.getuid()}")
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
