"""Kafka's jars: fetched once, by a lock file of coordinates and sha256, in parallel, without Maven or a JDK.

`VICINO_KAFKA_LIBS` names a folder that has them already (the `libs` of an unpacked Kafka), for machines that reach no
Maven repository. The lock is made by `make jars-lock`.
"""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

LOCK = Path(__file__).with_name("kafka-jars.lock")
THREADS = 8


class JarsMissing(RuntimeError):
    """Kafka's jars could not be had."""


@dataclass(frozen=True, slots=True)
class Jar:
    """A line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """Its name in the libs folder."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(text: str) -> list[Jar]:
    """Lines of `group:artifact:version sha256:HEX`; blank lines and comments are passed over."""
    jars = []
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            coordinates, _, digest = line.partition(" sha256:")
            group, artifact, version = coordinates.split(":")
            jars.append(Jar(group, artifact, version, digest.strip()))
    return jars


def cache_folder(home: Path) -> Path:
    """Where jars are kept for all checkouts of a user; in the stack's own home where that cannot be written."""
    shared = Path(os.environ.get("XDG_CACHE_HOME") or Path("~/.cache").expanduser()) / "vicino"
    try:
        shared.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=shared):
            return shared
    except OSError:
        return home / "cache"


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _fetch(jar: Jar, scratch: Path, libs: Path) -> None:
    from jgo.maven import MavenContext, PythonResolver

    context = MavenContext(repo_cache=scratch, resolver=PythonResolver())
    found = context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve()
    if (digest := _sha256(found)) != jar.sha256:
        raise JarsMissing(
            f"{jar.file_name} has sha256 {digest}, but the lock says {jar.sha256}: do not use it"
        )
    draft = libs / f".{jar.file_name}.{os.getpid()}"
    shutil.copyfile(found, draft)
    draft.replace(libs / jar.file_name)


def kafka_libs(home: Path, report: Callable[[str], None]) -> Path:
    """The folder of Kafka's jars; fetches what is missing. Raises `JarsMissing`, saying what to do."""
    if given := os.environ.get("VICINO_KAFKA_LIBS"):
        libs = Path(given)
        if not any(libs.glob("kafka_2.13-*.jar")):
            raise JarsMissing(
                f"VICINO_KAFKA_LIBS={given} holds no kafka_2.13 jar: name the libs folder of an unpacked Kafka"
            )
        return libs
    jars = read_lock(LOCK.read_text(encoding="ascii"))
    libs = cache_folder(home) / f"kafka-{_sha256(LOCK)[:12]}"
    libs.mkdir(parents=True, exist_ok=True)
    missing = [jar for jar in jars if not (libs / jar.file_name).exists()]
    if missing:
        _fetch_all(missing, libs, report)
    return libs


def _fetch_all(missing: list[Jar], libs: Path, report: Callable[[str], None]) -> None:
    with (
        tempfile.TemporaryDirectory(prefix="vicino-jars-") as scratch,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        fetching = [pool.submit(_fetch, jar, Path(scratch), libs) for jar in missing]
        for n, future in enumerate(fetching, 1):
            try:
                future.result()
            except JarsMissing:
                raise
            except Exception as error:
                pool.shutdown(cancel_futures=True)
                raise JarsMissing(
                    f"cannot fetch Kafka's jars ({type(error).__name__}: {error}).\n"
                    "Either name a broker that runs already: VICINO_KAFKA_BOOTSTRAP=host:port, "
                    "or the libs folder of an unpacked Kafka 4.4: VICINO_KAFKA_LIBS=/path/to/kafka/libs"
                ) from error
            report(f"fetching Apache Kafka: {n} of {len(missing)} jars")
