"""The jars of the embedded Kafka broker: pinned, and kept once per user.

`artefacts.lock`, beside this module, names every jar by its Maven coordinates, its size and its
SHA-256. `ensure_jars` returns them from the user's cache and fetches what is missing.

For developers: after changing `ROOTS`, run `python -m pixstream.kafka.artefacts relock`.
"""

import hashlib
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from pixstream.errors import ArtefactError
from pixstream.kafka.maven import (
    THREADS,
    TIMEOUT_SECONDS,
    Jar,
    Progress,
    fetch,
    repository_address,
)

KAFKA_VERSION = "4.2.2"
"""The Apache Kafka that the embedded broker runs."""

ROOTS = (
    f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
    # Kafka logs through slf4j 1.7 and carries log4j 2.25, but not the bridge between the two.
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",
)
"""What is asked for; everything else in the lock file follows from these."""

LOCK_FILE = Path(__file__).with_name("artefacts.lock")


def locked_jars(lock_file: Path = LOCK_FILE) -> list[Jar]:
    """Read the lock file: every jar of the broker, in the order of its class path."""
    lines = lock_file.read_text("utf-8").splitlines()
    fields = [line.split() for line in lines if line and not line.startswith("#")]
    return [Jar(coordinates, int(size), sha256) for coordinates, size, sha256 in fields]


def cache_directory() -> Path:
    """Return where the jars are kept: `pixstream/kafka-VERSION` in the user's cache directory."""
    configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
    cache = configured if configured.is_absolute() else Path.home() / ".cache"
    return cache / "pixstream" / f"kafka-{KAFKA_VERSION}"


def ensure_jars(progress: Progress | None = None, lock_file: Path = LOCK_FILE) -> list[Path]:
    """Return the broker's jars, each verified against the lock file; fetch the missing ones.

    An interrupted fetch goes on with the jars that it lacks. A jar of the cache that was altered
    is fetched again.

    Raises:
        ArtefactError: no network, a jar that is not what the lock file says, a full or read-only
            cache. The message says what to do.
    """
    jars, directory = locked_jars(lock_file), cache_directory()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with ThreadPoolExecutor(THREADS) as pool:
            present = pool.map(lambda jar: _is_intact(jar, directory / jar.filename), jars)
        missing = [jar for jar, intact in zip(jars, present, strict=True) if not intact]
        if missing:
            fetch(missing, directory, progress)
    except OSError as error:
        raise ArtefactError(
            f"The jars of Kafka {KAFKA_VERSION} cannot be kept in {directory}: {error.strerror}. "
            "The broker was not started. Make this directory writable, or let XDG_CACHE_HOME name "
            "a directory with 100 MB free."
        ) from error
    return [directory / jar.filename for jar in jars]


def _is_intact(jar: Jar, file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == jar.sha256


def relock(lock_file: Path = LOCK_FILE) -> None:
    """Resolve `ROOTS` with jgo, download every jar, and write the lock file anew.

    The checksums are those of what the repository gives now: read the difference before you
    commit it.
    """
    from jgo.maven import MavenContext

    with tempfile.TemporaryDirectory() as directory:
        context = MavenContext(
            repo_cache=Path(directory),
            remote_repos={"repository": repository_address()},
            timeout=round(TIMEOUT_SECONDS),
        )
        # "!" keeps one root from managing the versions of what the other one needs, as in Maven.
        roots = [context.create_dependency(f"{root}!") for root in ROOTS]
        inputs, transitive = context.resolver.resolve(roots)
        lines = []
        for dependency in [*inputs, *transitive]:
            content = dependency.artifact.resolve().read_bytes()
            coordinates = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
            lines.append(f"{coordinates} {len(content)} {hashlib.sha256(content).hexdigest()}\n")
    header = "# group:artifact:version size sha256; `python -m pixstream.kafka.artefacts relock`\n"
    lock_file.write_text(header + "".join(sorted(lines)), "utf-8")


if __name__ == "__main__":
    if sys.argv[1:] != ["relock"]:
        sys.exit("usage: python -m pixstream.kafka.artefacts relock")
    relock()
