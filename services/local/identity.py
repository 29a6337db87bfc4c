"""Whom the embedded PostgreSQL runs as when root starts it: a user that nothing else on the machine runs as.

It has a number and no name, as systemd's dynamic users have: nothing is added to the machine's users. The owner of the
data folder is the memory of which number it is.
"""

import os
import pwd
import secrets
import shutil
import stat
from pathlib import Path

import psutil

NUMBERS = range(61184, 65519)
"""What systemd sets aside for users without a name."""

SHARED = Path("/var/cache/vicino")
"""Where PostgreSQL's programs are copied when the checkout lies in a folder that only root may enter."""


def chosen(data: Path) -> tuple[int, int]:
    """The user and group of a data folder: its owner, if that is one of ours, or a number that nobody has."""
    if data.exists() and data.stat().st_uid in NUMBERS:
        return data.stat().st_uid, data.stat().st_gid
    taken = {entry.pw_uid for entry in pwd.getpwall()}
    for process in psutil.process_iter(["uids"]):
        taken.update(process.info["uids"] or ())
    number = secrets.choice([number for number in NUMBERS if number not in taken])
    return number, number


def give(folder: Path, user: int, group: int) -> None:
    """Make a folder and all in it the user's, and its alone. Links are not followed."""
    if folder.stat().st_uid == user:
        return
    for path, folders, files in os.walk(folder, topdown=False):
        for name in (*folders, *files):
            os.chown(Path(path) / name, user, group, follow_symlinks=False)
    # The folder itself comes last: as long as it is another's, the work is not done.
    os.chown(folder, user, group)


def is_open(path: Path) -> bool:
    """Whether anybody may pass all folders down to `path`."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in [*path.resolve().parents])


def open_programs(programs: Path) -> Path:
    """PostgreSQL's programs where its user may read them: as installed, or a copy of root's. Raises `OSError`."""
    if is_open(programs / "bin"):
        return programs
    change = f"{(programs / 'bin/postgres').stat().st_mtime_ns:x}"
    copy = SHARED / f"postgres-{change}"
    if not copy.exists():
        SHARED.mkdir(parents=True, exist_ok=True, mode=0o755)
        SHARED.chmod(0o755)
        draft = SHARED / f"draft-{secrets.token_hex(8)}"
        shutil.copytree(programs, draft, symlinks=True)
        for path, folders, files in os.walk(draft):
            for name in (*folders, *files):
                file = Path(path) / name
                if not file.is_symlink():
                    file.chmod(0o755 if file.is_dir() or os.access(file, os.X_OK) else 0o644)
        draft.chmod(0o755)
        try:
            draft.rename(copy)
        except OSError:  # another was faster with the same
            shutil.rmtree(draft)
    return copy
