"""Free ports on loopback; a stack keeps the ones it had, as long as nobody else has taken them."""

import socket


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
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def keep_or_find(wanted: int | None) -> int:
    """The wanted port if it is free, else another."""
    return wanted if wanted is not None and is_free(wanted) else free_port()
