"""Fetching and verifying jars, against a repository of the test's own."""

import hashlib
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pixstream.errors import ArtefactError
from pixstream.java import maven
from pixstream.java.jars import JarSet
from pixstream.lab.broker.jars import BROKER_JARS, KAFKA_VERSION


class Repository(ThreadingHTTPServer):
    """Serves `files` by path and notes what was asked; breaks off the first `broken` answers."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.files: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.broken = 0

    def lock(self, lock_file: Path, **jars: bytes) -> None:
        """Offer the jars of `org.example` by name, and write the lock file that pins them."""
        lines = ["# a comment"]
        for name, content in jars.items():
            self.files[f"/org/example/{name}/1.0/{name}-1.0.jar"] = content
            sha256 = hashlib.sha256(content).hexdigest()
            lines.append(f"org.example:{name}:1.0 {len(content)} {sha256}")
        lock_file.write_text("\n".join(lines) + "\n")


class Answer(BaseHTTPRequestHandler):
    server: Repository

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        content = self.server.files.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        if self.server.broken:
            self.server.broken -= 1
        elif content is not None:
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its parent's name
        """Keep the test's output quiet."""


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Repository]:
    with Repository() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        address = f"http://127.0.0.1:{server.server_address[1]}"
        monkeypatch.setenv("PIXSTREAM_MAVEN_REPOSITORY", address + "/")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.setattr(maven, "_PAUSE_SECONDS", 0)
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    return tmp_path / "jars.lock"


def jar_set(lock_file: Path, *roots: str, provided: frozenset[str] = frozenset()) -> JarSet:
    return JarSet(
        name="program-1",
        what="Program 1",
        roots=roots,
        lock_file=lock_file,
        module="program.jars",
        consequence="Nothing was started.",
        otherwise="use another",
        provided=lambda: provided,
    )


def ensure_jars(progress: maven.Progress | None, lock_file: Path) -> list[Path]:
    return jar_set(lock_file).ensure(progress)


def cache_directory() -> Path:
    return jar_set(Path("any")).directory()


def test_every_pinned_jar_has_a_size_and_a_checksum() -> None:
    jars = BROKER_JARS.locked()
    assert f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}" in [jar.coordinates for jar in jars]
    assert {jar.coordinates for jar in jars} >= set(BROKER_JARS.roots)
    assert len({jar.filename for jar in jars}) == len(jars)
    assert all(jar.size > 0 and re.fullmatch("[0-9a-f]{64}", jar.sha256) for jar in jars)


def test_all_of_kafka_is_of_one_version() -> None:
    kafka = [jar for jar in BROKER_JARS.locked() if jar.coordinates.startswith("org.apache.kafka:")]
    assert {jar.coordinates.split(":")[2] for jar in kafka} == {KAFKA_VERSION}


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    at_home = tmp_path / ".cache" / "pixstream" / "program-1"
    assert cache_directory() == at_home
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert cache_directory() == at_home
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    assert cache_directory() == tmp_path / "other" / "pixstream" / "program-1"


def test_jars_are_fetched_once(repository: Repository, lock_file: Path) -> None:
    repository.lock(lock_file, a=b"jar a", b=b"jar bb")
    told: list[tuple[int, int]] = []

    jars = ensure_jars(lambda done, total: told.append((done, total)), lock_file)

    assert [jar.read_bytes() for jar in jars] == [b"jar a", b"jar bb"]
    assert told[-1] == (11, 11)
    assert sorted(path.name for path in cache_directory().iterdir()) == ["a-1.0.jar", "b-1.0.jar"]
    assert ensure_jars(None, lock_file) == jars
    assert len(repository.asked) == 2


def test_an_interrupted_fetch_goes_on_where_it_stopped(
    repository: Repository, lock_file: Path
) -> None:
    repository.lock(lock_file, a=b"jar a", b=b"jar b")
    held_back = repository.files.pop("/org/example/b/1.0/b-1.0.jar")
    with pytest.raises(ArtefactError, match=r"answered HTTP 404 for org\.example:b:1\.0"):
        ensure_jars(None, lock_file)

    repository.files["/org/example/b/1.0/b-1.0.jar"] = held_back
    assert len(ensure_jars(None, lock_file)) == 2
    assert repository.asked.count("/org/example/a/1.0/a-1.0.jar") == 1


def test_a_connection_that_breaks_is_tried_again(repository: Repository, lock_file: Path) -> None:
    repository.lock(lock_file, a=b"jar a")
    repository.broken = 2
    assert ensure_jars(None, lock_file)[0].read_bytes() == b"jar a"


def test_another_file_under_the_same_name_is_refused(
    repository: Repository, lock_file: Path
) -> None:
    repository.lock(lock_file, a=b"jar a")
    repository.files["/org/example/a/1.0/a-1.0.jar"] = b"<html>log in to the proxy</html>"
    with pytest.raises(ArtefactError, match=r"org\.example:a:1\.0 is not the file") as refused:
        ensure_jars(None, lock_file)
    assert "html" not in str(refused.value)
    assert list(cache_directory().iterdir()) == []


def test_an_altered_jar_of_the_cache_is_fetched_again(
    repository: Repository, lock_file: Path
) -> None:
    repository.lock(lock_file, a=b"jar a")
    jar = ensure_jars(None, lock_file)[0]
    jar.write_bytes(b"jar x")
    assert ensure_jars(None, lock_file)[0].read_bytes() == b"jar a"


def test_without_a_network_it_says_what_to_do(
    repository: Repository, lock_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.lock(lock_file, a=b"jar a")
    with socket.create_server(("127.0.0.1", 0)) as closed_soon:
        port = closed_soon.getsockname()[1]
    monkeypatch.setenv("PIXSTREAM_MAVEN_REPOSITORY", f"http://user:secret@127.0.0.1:{port}")
    with pytest.raises(ArtefactError) as failed:
        ensure_jars(None, lock_file)
    message = str(failed.value)
    for words in (
        "Could not reach the Maven repository",
        "Connect to the network and start again",
        "PIXSTREAM_MAVEN_REPOSITORY",
        "copy the directory",
        "; or use another. Nothing was started.",
    ):
        assert words in message
    assert "secret" not in message


@pytest.mark.parametrize("address", ["no-scheme.example", "ftp://127.0.0.1", "http://[broken"])
def test_a_wrong_address_is_told_alike(
    repository: Repository, lock_file: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    repository.lock(lock_file, a=b"jar a")
    monkeypatch.setenv("PIXSTREAM_MAVEN_REPOSITORY", address)
    with pytest.raises(ArtefactError, match="Could not reach the Maven repository"):
        ensure_jars(None, lock_file)


def test_a_cache_that_cannot_be_written_is_told(
    repository: Repository, lock_file: Path, tmp_path: Path
) -> None:
    repository.lock(lock_file, a=b"jar a")
    (tmp_path / "cache").write_text("in the way")
    with pytest.raises(ArtefactError, match="cannot be kept in"):
        ensure_jars(None, lock_file)


POM = """<project><modelVersion>4.0.0</modelVersion>
<groupId>org.example</groupId><artifactId>{name}</artifactId><version>{version}</version>
{rest}</project>"""
DEPENDENCY = (
    "<dependency><groupId>org.example</groupId><artifactId>{name}</artifactId>"
    "<version>{version}</version></dependency>"
)


def test_relocking_pins_what_the_roots_need_in_their_own_versions(
    repository: Repository, lock_file: Path
) -> None:
    def offer(name: str, version: str, rest: str = "") -> None:
        stem = f"/org/example/{name}/{version}/{name}-{version}"
        repository.files[f"{stem}.pom"] = POM.format(name=name, version=version, rest=rest).encode()
        repository.files[f"{stem}.jar"] = f"{name} {version}".encode()

    needs = DEPENDENCY.format(name="lib", version="2")
    manages = DEPENDENCY.format(name="lib", version="1")
    offer("lib", "1")
    offer("lib", "2")
    offer("server", "4", f"<dependencies>{needs}</dependencies>")
    offer(
        "logging",
        "3",
        f"<dependencyManagement><dependencies>{manages}</dependencies></dependencyManagement>",
    )
    offer("given", "1")
    jars = jar_set(
        lock_file,
        *("org.example:server:4", "org.example:logging:3", "org.example:given:1"),
        provided=frozenset({"given"}),
    )

    jars.relock()

    assert [jar.coordinates for jar in jars.locked()] == [
        "org.example:lib:2",
        "org.example:logging:3",
        "org.example:server:4",
    ]
    fetched = jars.ensure()
    assert [jar.read_bytes() for jar in fetched] == [b"lib 2", b"logging 3", b"server 4"]
