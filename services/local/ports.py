"""Free ports on loopback; a stack keeps the ones it had, as long as nobody else has taken them.

They lie below those that the kernel gives to outgoing connections (from 32768 on Linux, 49152 elsewhere). One of
those could take a port between the moment it is found free and the moment a server listens on it.
"""

import random
import socket

CANDIDATES = range(15_000, 32_768)
TRIES_MAX = 100


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
    """A port that was free a moment ago. Raises `OSError` when none is found."""
    # At random, so that two processes that look at the same moment do not find the same one.
    for port in random.sample(CANDIDATES, TRIES_MAX):
        if is_free(port):
            return port
    raise OSError(f"none of {TRIES_MAX} ports on loopback is free")


def keep_or_find(wanted: int | None) -> int:
    """The wanted port if it is free, else another."""
    return wanted if wanted is not None and is_free(wanted) else free_port()
