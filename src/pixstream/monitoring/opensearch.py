"""OpenSearch: the store of log lines, one node, from its smallest distribution.

That distribution is the server and its transport: data streams, templates, rollover, bulk and
aggregations are there; index state management, scripts and a page are not. It refuses to run as
root. So for root it runs as nobody, in a directory that nobody can reach.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from pixstream.java.jars import JarSet
from pixstream.java.runtime import find_java
from pixstream.monitoring.missing import Missing
from pixstream.monitoring.ports import HOST
from pixstream.monitoring.process import Server

if TYPE_CHECKING:
    from pixstream.java.maven import Progress

NAME = "opensearch"
VERSION = "2.19.6"
NOBODY = 65534
"""Uid and gid of the user without rights, on every Linux."""

FOR_ROOT = Path("/var/lib/pixstream")
"""Where its files are if root's own data_dir is closed to nobody; only root may write there."""

NEWEST_JAVA = 23
"""Its security manager is not in a newer one."""

_LOGGING = """\
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%-5p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""

_MISSING = Missing(
    NAME,
    f"Java 17 to {NEWEST_JAVA} for OpenSearch {VERSION}",
    "apt-get install openjdk-17-jre-headless",
    "no log lines are kept",
)

DISTRIBUTION = JarSet(
    name=f"opensearch-{VERSION}",
    what=f"OpenSearch {VERSION}",
    roots=(f"org.opensearch.distribution.integ-test-zip:opensearch:{VERSION}:zip",),
    lock_file=Path(__file__).with_suffix(".lock"),
    module="pixstream.monitoring.opensearch",
    consequence="OpenSearch was not started.",
)


def server(
    directory: Path, port: int, transport: int, heap: str, progress: Progress | None = None
) -> Server | Missing:
    """Prepare the files of OpenSearch and return how it is run.

    Args:
        directory: of its files, unless root's directory is closed to others; created.
        port: where it answers HTTP.
        transport: where it would talk to other nodes.
        heap: of Java: "512m".
        progress: called while it is downloaded, once a user.

    Raises:
        ArtefactError: it cannot be fetched.
    """
    user = NOBODY if os.geteuid() == 0 else None
    java = find_java(newest=NEWEST_JAVA)
    if java is None or (user is not None and not _is_open(java.resolve())):
        return _MISSING
    place = home_of(directory, user)
    home = place / f"opensearch-{VERSION}"
    _unpack(home, progress)
    _configure(place, port, transport)
    if user is not None:
        _give(place, user)
    return Server(
        name=NAME,
        what=f"OpenSearch {VERSION}: log lines",
        command=_command(java, home, place, heap),
        directory=place,
        address=f"http://{HOST}:{port}",
        ready="/_cluster/health?wait_for_status=yellow&timeout=1s",
        user=user,
    )


def home_of(directory: Path, user: int | None) -> Path:
    """Return and create the directory of its files, which this user reaches.

    Args:
        directory: where they belong.
        user: None: ourselves, who reach it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    if user is None or _is_open(directory.resolve()):
        return directory
    name = hashlib.sha256(os.fsencode(directory.resolve())).hexdigest()[:12]
    place = FOR_ROOT / f"opensearch-{name}"
    place.mkdir(parents=True, exist_ok=True)
    return place


def _is_open(path: Path) -> bool:
    """Return whether every folder above this path lets others pass."""
    return all(folder.stat().st_mode & 0o001 for folder in path.parents)


def _unpack(home: Path, progress: Progress | None) -> None:
    """Unpack the distribution once; an interrupted unpacking starts again."""
    if home.is_dir():
        return
    (archive,) = DISTRIBUTION.ensure(progress)
    part = home.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    with zipfile.ZipFile(archive) as content:
        content.extractall(part)
    (part / home.name).rename(home)
    shutil.rmtree(part)


def _configure(place: Path, port: int, transport: int) -> None:
    configuration = place / "config"
    configuration.mkdir(exist_ok=True)
    settings = {
        "cluster.name": "pixstream-monitoring",
        "node.name": "pixstream",
        "discovery.type": "single-node",
        "network.host": HOST,
        "http.port": port,
        "transport.port": transport,
        "path.data": str(place / "data"),
        "path.logs": str(place / "logs"),
        # Otherwise a disk that is 90 % full, as on many a laptop, takes no log line.
        "cluster.routing.allocation.disk.threshold_enabled": False,
        "action.auto_create_index": True,
    }
    (configuration / "opensearch.yml").write_text(yaml.safe_dump(settings), "utf-8")
    (configuration / "log4j2.properties").write_text(_LOGGING, "ascii")
    for name in ("data", "logs", "tmp"):
        (place / name).mkdir(exist_ok=True)


def _give(place: Path, user: int) -> None:
    """Give the files that it writes to its user, and let it read the others."""
    place.chmod(0o755)
    for folder in ("config", "data", "logs", "tmp"):
        for path in (place / folder, *(place / folder).rglob("*")):
            os.chown(path, user, user, follow_symlinks=False)


def _command(java: Path, home: Path, place: Path, heap: str) -> list[str | Path]:
    """Return the command of OpenSearch itself: its script would start two more Java machines."""
    factory = "org.opensearch.secure_sm.SecuredForkJoinWorkerThreadFactory"
    return [
        java.absolute(),
        f"-Xms{heap}",
        f"-Xmx{heap}",
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        "-XX:+ExitOnOutOfMemoryError",
        "-XX:TieredStopAtLevel=1",
        "-Djava.security.manager=allow",
        f"-Djava.util.concurrent.ForkJoinPool.common.threadFactory={factory}",
        f"-Djava.io.tmpdir={place / 'tmp'}",
        "-Dlog4j2.disable.jmx=true",
        # As its script sets them; without these five it waits 30 s before it ends.
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dio.netty.noUnsafe=true",
        "-Dio.netty.noKeySetOptimization=true",
        "-Dio.netty.recycler.maxCapacityPerThread=0",
        "-Dio.netty.allocator.numDirectArenas=0",
        f"-Dopensearch.path.home={home}",
        f"-Dopensearch.path.conf={place / 'config'}",
        "-Dopensearch.distribution.type=tar",
        "-cp",
        f"{home / 'lib'}/*",
        "org.opensearch.bootstrap.OpenSearch",
    ]
