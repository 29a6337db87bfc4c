"""Log files of a stack stay small: what is too large is moved aside, and what was aside before is dropped."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

LOG_BYTES_MAX = 10 * 1024 * 1024
"""Of one log. With the one before, a stack of seven parts keeps at most 140 MiB."""

CHECK_EVERY_SECONDS = 5.0


def rotate(log: Path, bytes_max: int = LOG_BYTES_MAX) -> bool:
    """Move a log that is too large to `<log>.1`, and start the same file from its beginning; says whether it did.

    The processes that write it keep it open for appending, so the file itself stays: it is copied, then emptied. What they
    write in the moment between is lost.
    """
    if log.stat().st_size <= bytes_max:
        return False
    before = log.with_name(f"{log.name}.1")
    making = log.with_name(f"{log.name}.making")
    shutil.copyfile(log, making)
    making.chmod(log.stat().st_mode & 0o777)
    making.replace(before)
    os.truncate(log, 0)
    return True


async def keep_small(
    folder: Path, report: Callable[[str], None], bytes_max: int = LOG_BYTES_MAX
) -> None:
    """Run until cancelled: rotate the logs of a folder. A full disk is reported, and tried again."""
    while True:
        for log in sorted(folder.glob("*.log")):
            try:
                await asyncio.to_thread(rotate, log, bytes_max)
            except OSError as error:
                report(f"the log {log} could not be rotated: {error}")
        await asyncio.sleep(CHECK_EVERY_SECONDS)
