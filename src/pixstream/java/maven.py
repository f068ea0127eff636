"""Fetches jars from a Maven repository and verifies them; a jar is stored whole or not at all.

The address of the repository comes from the environment variable PIXSTREAM_MAVEN_REPOSITORY, else
from jgo (Maven's default).
"""

import hashlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixstream.errors import ArtefactError

if TYPE_CHECKING:
    import httpx2

REPOSITORY_VARIABLE = "PIXSTREAM_MAVEN_REPOSITORY"

Progress = Callable[[int, int], None]
"""Called after each jar with the bytes fetched so far and the bytes to fetch in all."""

THREADS = 4
TIMEOUT_SECONDS = 30.0
_TRIES = 3
_PAUSE_SECONDS = 0.5
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Jar:
    """One line of the lock file: `group:artifact:version size sha256`, the size in bytes.

    An artifact that is not a jar names its type last, as Maven does: `group:artifact:version:zip`.
    """

    coordinates: str
    size: int
    sha256: str

    @property
    def filename(self) -> str:
        """The name of the file, both in the repository and in the cache."""
        _, artifact, version, *kind = self.coordinates.split(":")
        return f"{artifact}-{version}.{kind[0] if kind else 'jar'}"

    @property
    def path(self) -> str:
        """The path in any repository of Maven's layout."""
        group, artifact, version, *_ = self.coordinates.split(":")
        return f"{group.replace('.', '/')}/{artifact}/{version}/{self.filename}"


def fetch(jars: Sequence[Jar], directory: Path, progress: Progress | None) -> None:
    """Fetch all `jars` into `directory`, with a few threads.

    The first failure cancels the fetches that have not begun; the fetched jars stay.

    Raises:
        ArtefactError: the repository cannot be reached, lacks a jar, or serves another file.
        OSError: the directory cannot be written.
    """
    import httpx2

    repository = repository_address()
    total, done = sum(jar.size for jar in jars), 0
    _log.info("fetching %d jars, %d MB, into %s", len(jars), total // 10**6, directory)
    with (
        httpx2.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as client,
        ThreadPoolExecutor(THREADS) as pool,
    ):
        fetches = [pool.submit(_fetch_one, client, repository, jar, directory) for jar in jars]
        try:
            for one in as_completed(fetches):
                done += one.result().size
                if progress:
                    progress(done, total)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(client: "httpx2.Client", repository: str, jar: Jar, directory: Path) -> Jar:
    """Fetch one jar into the cache, with a few attempts."""
    import httpx2

    for attempt in range(1, _TRIES + 1):
        try:
            with client.stream("GET", f"{repository}/{jar.path}") as response:
                response.raise_for_status()
                _keep(response.iter_bytes(), jar, directory)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            if attempt == _TRIES:
                raise ArtefactError(
                    f"{_what_failed(error, jar)} Connect to the network and start again (the "
                    f"fetched jars are kept); or set {REPOSITORY_VARIABLE} to a reachable mirror; "
                    f"or copy the directory {directory} from a machine that has it"
                ) from error
            time.sleep(attempt * _PAUSE_SECONDS)
        else:
            break
    return jar


def _what_failed(error: Exception, jar: Jar) -> str:
    """Describe the failure without the address, which may contain a password."""
    import httpx2

    if isinstance(error, httpx2.HTTPStatusError):
        code = error.response.status_code
        return f"The Maven repository answered HTTP {code} for {jar.coordinates}."
    return f"Could not reach the Maven repository ({type(error).__name__})."


def _keep(chunks: Iterator[bytes], jar: Jar, directory: Path) -> None:
    """Write to a temporary file; rename it once the checksum matches."""
    digest = hashlib.sha256()
    with tempfile.NamedTemporaryFile(dir=directory, suffix=".part", delete=False) as part:
        try:
            for chunk in chunks:
                digest.update(chunk)
                part.write(chunk)
            part.flush()
            _check(jar, digest.hexdigest())
            Path(part.name).replace(directory / jar.filename)
        except BaseException:
            Path(part.name).unlink(missing_ok=True)
            raise


def _check(jar: Jar, sha256: str) -> None:
    if sha256 != jar.sha256:
        raise ArtefactError(
            f"{jar.coordinates} is not the file that the lock file pins: its SHA-256 is {sha256}, "
            f"not {jar.sha256}. It was deleted. Something between here and the repository "
            "alters files (a proxy's page, a bad mirror): check "
            f"{REPOSITORY_VARIABLE} and the proxy settings, then start again"
        )


def repository_address() -> str:
    """Return the address from the environment variable, else jgo's default."""
    configured = os.environ.get(REPOSITORY_VARIABLE)
    if configured:
        return configured.rstrip("/")
    from jgo.constants import MAVEN_CENTRAL_URL

    return str(MAVEN_CENTRAL_URL)
