"""The embedded broker as its clients see it: its files, its saved state, whether it runs.

The broker itself is in `lab.broker` and needs the extra `lab`.
"""

import base64
import json
import logging
import os
import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import psutil

HOST = "127.0.0.1"
MAIN_LISTENER = "PLAINTEXT"
"""The listener that always exists: local clients, the broker and its controller use it."""

METRICS_PORT = "METRICS"
"""The name of the port of the broker's own metrics among the ports; it is no listener of Kafka."""

OWN_PROPERTIES = frozenset(
    {
        *("process.roles", "node.id", "controller.listener.names", "inter.broker.listener.name"),
        *("log.dirs", "metadata.log.dir", "listeners", "advertised.listeners"),
        *("listener.security.protocol.map", "controller.quorum.voters"),
    }
)
"""What is always set here, since clients, locks and restarts rely on it."""

_OWN_TOO = frozenset(
    {
        *("broker.id", "log.dir", "controller.quorum.bootstrap.servers", "zookeeper.connect"),
        *("early.start.listeners", "security.inter.broker.protocol", "control.plane.listener.name"),
    }
)
"""Other names for the same, older ones among them."""

MAIN_CLASS = "kafka.Kafka"

_log = logging.getLogger(__name__)


def refusal(name: str) -> str | None:
    """Return why a broker property may not be set; None: it may be."""
    if name not in OWN_PROPERTIES | _OWN_TOO:
        return None
    if "listener" in name:
        return "pixstream sets the listeners itself; broker.port chooses the port"
    if name.startswith(("log.dir", "metadata.log.dir")):
        return "pixstream sets the directories itself, below data_dir"
    return "pixstream sets it itself: the embedded broker is one node"


def address(data_dir: Path) -> str | None:
    """Return `host:port` of the broker in this data directory; None if it does not run."""
    files = BrokerFiles((data_dir / "kafka").resolve())
    state = load_state(files.state)
    if state.pid is None or find(state.pid, files) is None:
        return None
    return f"{HOST}:{state.ports[MAIN_LISTENER]}"


def metrics_address(data_dir: Path) -> str | None:
    """Return `host:port` of the JMX exporter of this broker; None: it has never had one."""
    port = load_state(BrokerFiles((data_dir / "kafka").resolve()).state).ports.get(METRICS_PORT)
    return None if port is None else f"{HOST}:{port}"


@dataclass(frozen=True)
class BrokerFiles:
    """The files of one broker, all below `directory`."""

    directory: Path

    @property
    def state(self) -> Path:
        """The broker's ports, and the pid of its last start."""
        return self.directory / "broker.json"

    @property
    def lock(self) -> Path:
        """The lock that a start holds."""
        return self.directory / "broker.lock"

    @property
    def properties(self) -> Path:
        """Kafka's settings, rewritten at each start; they may contain passwords."""
        return self.directory / "server.properties"

    @property
    def topics(self) -> Path:
        """Kafka's records."""
        return self.directory / "topics"

    @property
    def metadata(self) -> Path:
        """Kafka's cluster metadata."""
        return self.directory / "metadata"

    @property
    def temporary(self) -> Path:
        """Where Kafka unpacks its native libraries; emptied at each start."""
        return self.directory / "tmp"

    @property
    def log(self) -> Path:
        """Kafka's log."""
        return self.directory / "logs" / "broker.log"

    @property
    def output(self) -> Path:
        """What the Java virtual machine has printed since the last start."""
        return self.log.with_suffix(".out")


@dataclass(frozen=True)
class BrokerState:
    """The content of `broker.json`.

    Args:
        cluster_id: the id that the data directories were formatted with.
        ports: one per listener, and that of the metrics if the broker exports them.
        pid: the process of the last start.
    """

    cluster_id: str
    ports: Mapping[str, int] = field(default_factory=dict)
    pid: int | None = None

    @property
    def listeners(self) -> dict[str, int]:
        """The ports that are Kafka's own."""
        return {name: port for name, port in self.ports.items() if name != METRICS_PORT}

    def save(self, file: Path) -> None:
        """Replace the file atomically: a reader never sees half of it."""
        part = file.with_suffix(".part")
        part.write_text(json.dumps(asdict(self)), "utf-8")
        part.replace(file)


def load_state(file: Path) -> BrokerState:
    """Read the file; if it is missing or damaged, return a state with only a new cluster id."""
    try:
        content = json.loads(file.read_bytes())
        ports = {str(name): int(port) for name, port in content["ports"].items()}
        pid = content["pid"]
        return BrokerState(str(content["cluster_id"]), ports, None if pid is None else int(pid))
    except FileNotFoundError:
        return BrokerState(_new_cluster_id())
    except (ValueError, TypeError, KeyError, AttributeError):
        _log.warning("%s is damaged: the broker gets new ports", file)
        return BrokerState(_new_cluster_id())


def _new_cluster_id() -> str:
    """Return 16 bytes as Kafka writes them; the prefix keeps the id from starting with a hyphen."""
    return base64.urlsafe_b64encode(b"pix" + secrets.token_bytes(13)).decode("ascii").rstrip("=")


def find(pid: int, files: BrokerFiles) -> psutil.Process | None:
    """Return the process if it is alive and is the broker of these `files`.

    A pid alone proves nothing: after a crash or a reboot it may belong to another program.
    """
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if is_alive(process) and process.cmdline()[-2:] == [MAIN_CLASS, str(files.properties)]:
            return process
    return None


def is_alive(process: psutil.Process) -> bool:
    """Return whether the process still runs; a child that has ended is reaped."""
    with suppress(psutil.Error):
        if process.status() != psutil.STATUS_ZOMBIE:
            return process.is_running()
        with suppress(ChildProcessError):
            os.waitpid(process.pid, os.WNOHANG)
    return False
