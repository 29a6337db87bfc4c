"""A stack's logs stay small, whoever writes them goes on writing, and the end of a log is there."""

import asyncio
from pathlib import Path

from services.local.log_files import keep_small, rotate

BYTES_MAX = 10_000


def test_a_small_log_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "billing.log"
    log.write_bytes(b"x" * BYTES_MAX)
    assert not rotate(log, BYTES_MAX)
    assert [item.name for item in tmp_path.iterdir()] == ["billing.log"]


def test_a_writer_that_keeps_its_file_open_goes_on_and_two_files_hold_the_end(
    tmp_path: Path,
) -> None:
    log = tmp_path / "billing.log"
    written: list[bytes] = []
    with log.open("ab", buffering=0) as writer:
        log.chmod(0o600)
        for n in range(5_000):
            line = f"line {n}\n".encode()
            writer.write(line)
            written.append(line)
            rotate(log, BYTES_MAX)
            assert sum(item.stat().st_size for item in tmp_path.iterdir()) <= 2 * (
                BYTES_MAX + len(line)
            )
    kept = (tmp_path / "billing.log.1").read_bytes() + log.read_bytes()
    assert len(kept) > BYTES_MAX
    assert b"".join(written).endswith(kept)
    assert (tmp_path / "billing.log.1").stat().st_mode & 0o777 == 0o600


async def test_a_log_that_cannot_be_rotated_is_reported_and_the_others_are_rotated(
    tmp_path: Path,
) -> None:
    (tmp_path / "a.log").mkdir()  # copying it fails, also for root
    (tmp_path / "b.log").write_bytes(b"x" * (BYTES_MAX + 1))
    said: list[str] = []
    keeping = asyncio.create_task(keep_small(tmp_path, said.append, bytes_max=100))
    async with asyncio.timeout(10):
        while not (tmp_path / "b.log.1").exists():
            await asyncio.sleep(0.01)
    keeping.cancel()
    assert [line for line in said if "a.log could not be rotated" in line]
