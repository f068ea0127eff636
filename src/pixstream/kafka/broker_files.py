"""Where the embedded broker keeps what."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class BrokerFiles:
    """The files of one broker, all below `directory`."""

    directory: Path

    @property
    def state(self) -> Path:
        """Its ports, and the pid of its last start."""
        return self.directory / "broker.json"

    @property
    def lock(self) -> Path:
        """Held during a start."""
        return self.directory / "broker.lock"

    @property
    def properties(self) -> Path:
        """Kafka's settings, written anew at each start; they may hold passwords."""
        return self.directory / "server.properties"

    @property
    def topics(self) -> Path:
        """Kafka's records."""
        return self.directory / "topics"

    @property
    def metadata(self) -> Path:
        """What Kafka knows about itself."""
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
        """What the Java virtual machine itself said since the last start."""
        return self.log.with_suffix(".out")
