"""A free port is one that no outgoing connection is given, and that no two processes choose together."""

import socket
import subprocess
import sys

import pytest

from services.local import ports
from services.local.ports import CANDIDATES, free_port, is_free, keep_or_find

FIRST_OF_OUTGOING = 32_768
"""On Linux unless somebody changed it; other systems begin higher."""


def test_no_outgoing_connection_is_given_a_port_that_servers_choose_from() -> None:
    assert max(CANDIDATES) < FIRST_OF_OUTGOING


def test_a_port_that_is_found_is_free_and_differs_from_one_time_to_the_next() -> None:
    found = [free_port() for _ in range(20)]
    assert all(port in CANDIDATES for port in found)
    assert len(set(found)) > 10


def test_a_port_that_was_given_is_given_to_nobody_else_before_anybody_listens_on_it() -> None:
    given = free_port()
    program = f"from services.local.ports import keep_or_find; print(keep_or_find({given}))"
    elsewhere = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert int(elsewhere.stdout) != given


def test_a_wanted_port_is_kept_unless_somebody_listens_on_it() -> None:
    wanted = free_port()
    assert keep_or_find(wanted) == wanted
    with socket.socket() as other:
        other.bind(("127.0.0.1", wanted))
        other.listen()
        assert not is_free(wanted)
        assert keep_or_find(wanted) != wanted


def test_where_no_port_is_free_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "is_free", lambda port: False)
    with pytest.raises(OSError, match="none of 100 ports"):
        free_port()
