"""Makes `kafka-jars.lock`: Kafka's runtime dependencies as Maven resolves them, each with its sha256.

Run by `make jars-lock` on a machine with Maven, only when Kafka's version changes.
"""

import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path

from services.local.jars import LOCK

KAFKA = "4.4.0"
LOG4J_SLF4J = "2.25.5"
"""Without this bridge Kafka logs nothing."""

POM = f"""<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>vicino</groupId><artifactId>kafka-jars</artifactId><version>1</version><dependencies>
<dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>{KAFKA}</version></dependency>
<dependency><groupId>org.apache.logging.log4j</groupId><artifactId>log4j-slf4j-impl</artifactId><version>{LOG4J_SLF4J}</version></dependency>
</dependencies></project>"""


def resolve(folder: Path) -> list[tuple[str, Path]]:
    """Coordinates and files of all runtime dependencies. Raises `CalledProcessError` when Maven fails."""
    (folder / "pom.xml").write_text(POM, encoding="ascii")
    listing = folder / "list.txt"
    subprocess.run(
        ["mvn", "-q", "-B", "dependency:list", "-DincludeScope=runtime", "-DoutputAbsoluteArtifactFilename=true",
         f"-DoutputFile={listing}"], cwd=folder, check=True,
    )  # fmt: skip
    found = []
    for line in listing.read_text(encoding="utf-8").splitlines():
        parts = line.strip().split(" -- ")[0].split(":", 5)
        if len(parts) == 6 and parts[2] == "jar":
            found.append((f"{parts[0]}:{parts[1]}:{parts[3]}", Path(parts[5])))
    return sorted(found)


def main() -> int:
    """Write the lock."""
    with tempfile.TemporaryDirectory() as folder:
        lines = [
            f"{name} sha256:{hashlib.sha256(file.read_bytes()).hexdigest()}"
            for name, file in resolve(Path(folder))
        ]
    LOCK.write_text("\n".join(lines) + "\n", encoding="ascii")
    sys.stdout.write(f"{len(lines)} jars in {LOCK}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
