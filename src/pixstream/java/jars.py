"""The jars of one program: pinned by a lock file, fetched once, kept in the user's cache."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from pixstream.errors import ArtefactError
from pixstream.java.maven import THREADS, TIMEOUT_SECONDS, Jar, Progress, fetch, repository_address


@dataclass(frozen=True, kw_only=True)
class JarSet:
    """The jars of one program.

    Attributes:
        name: the name of their directory in the cache, with the version.
        what: the program's name in messages: "Kafka 4.2.2".
        roots: the top-level artifacts, `group:artifact:version`; the others are their dependencies.
        lock_file: lists every jar with its Maven coordinates, size and SHA-256.
        module: the module whose `python -m MODULE relock` writes the lock file.
        consequence: the last sentence of an error: what did not happen for lack of the jars.
        otherwise: another remedy, for the same error; empty: none.
        provided: returns the artifacts that the program already has; `relock` leaves them out.
    """

    name: str
    what: str
    roots: Sequence[str]
    lock_file: Path
    module: str
    consequence: str
    otherwise: str = ""
    provided: Callable[[], Collection[str]] = frozenset

    def locked(self) -> list[Jar]:
        """Read the lock file: every jar, in the order of the class path."""
        lines = self.lock_file.read_text("utf-8").splitlines()
        fields = [line.split() for line in lines if line and not line.startswith("#")]
        return [Jar(coordinates, int(size), sha256) for coordinates, size, sha256 in fields]

    def directory(self) -> Path:
        """Return the directory of the jars: `pixstream/NAME` in the user's cache directory."""
        configured = Path(os.environ.get("XDG_CACHE_HOME", ""))
        cache = configured if configured.is_absolute() else Path.home() / ".cache"
        return cache / "pixstream" / self.name

    def ensure(self, progress: Progress | None = None) -> list[Path]:
        """Return the jars, each verified against the lock file; fetch the missing ones.

        After an interruption only the missing jars are fetched. A cached jar that was altered is
        fetched again.

        Raises:
            ArtefactError: the network is down, a jar does not match the lock file, or the cache is
                full or read-only. The message says what to do.
        """
        jars, directory = self.locked(), self.directory()
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with ThreadPoolExecutor(THREADS) as pool:
                present = pool.map(lambda jar: _is_intact(jar, directory / jar.filename), jars)
            missing = [jar for jar, intact in zip(jars, present, strict=True) if not intact]
            if missing:
                fetch(missing, directory, progress)
        except ArtefactError as error:
            more = f"; or {self.otherwise}" if self.otherwise else ""
            raise ArtefactError(
                f"The jars of {self.what} are not complete: {error}{more}. {self.consequence}"
            ) from error
        except OSError as error:
            raise ArtefactError(
                f"The jars of {self.what} cannot be kept in {directory}: {error.strerror}. "
                f"{self.consequence} Make this directory writable, or set XDG_CACHE_HOME to "
                "a directory with 100 MB free."
            ) from error
        return [directory / jar.filename for jar in jars]

    def relock(self) -> None:
        """Resolve `roots` with jgo, download every jar, and rewrite the lock file.

        For developers. The checksums are those of the files that the repository serves now: review
        the diff before you commit it.
        """
        from jgo.maven import MavenContext

        provided = self.provided()
        with tempfile.TemporaryDirectory() as directory:
            context = MavenContext(
                repo_cache=Path(directory),
                remote_repos={"repository": repository_address()},
                timeout=round(TIMEOUT_SECONDS),
            )
            # "!" keeps one root from managing the versions of another root's dependencies, as in
            # Maven.
            roots = [context.create_dependency(f"{root}!") for root in self.roots]
            inputs, transitive = context.resolver.resolve(roots)
            lines = []
            for dependency in [*inputs, *transitive]:
                if dependency.artifactId in provided:
                    continue
                content = dependency.artifact.resolve().read_bytes()
                coordinates = f"{dependency.groupId}:{dependency.artifactId}:{dependency.version}"
                digest = hashlib.sha256(content).hexdigest()
                lines.append(f"{coordinates} {len(content)} {digest}\n")
        header = f"# group:artifact:version size sha256; `python -m {self.module} relock`\n"
        self.lock_file.write_text(header + "".join(sorted(lines)), "utf-8")


def _is_intact(jar: Jar, file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest() == jar.sha256
