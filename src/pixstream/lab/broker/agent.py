"""The JMX exporter: an agent inside the broker's Java that serves Kafka's metrics to Prometheus.

For developers: after a change of the version, run `python -m pixstream.lab.broker.agent relock`.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from pixstream.java.jars import JarSet
from pixstream.kafka.embedded import HOST
from pixstream.monitoring import files

if TYPE_CHECKING:
    from pixstream.java.maven import Progress

AGENT_VERSION = "1.0.1"

AGENT_JARS = JarSet(
    name=f"jmx-exporter-{AGENT_VERSION}",
    what=f"the JMX exporter {AGENT_VERSION}",
    roots=(f"io.prometheus.jmx:jmx_prometheus_javaagent:{AGENT_VERSION}",),
    lock_file=Path(__file__).with_suffix(".lock"),
    module="pixstream.lab.broker.agent",
    consequence="The broker was not started.",
    otherwise="set broker.metrics_port to null",
)


@dataclass(frozen=True)
class Agent:
    """The agent's jar and its rules.

    Args:
        jar: one file without dependencies.
        rules: which of Kafka's MBeans become which metrics.
    """

    jar: Path
    rules: Path

    @classmethod
    def ensure(cls, progress: Progress | None = None) -> Self:
        """Return the agent with the rules of `monitoring/jmx/kafka.yml`; fetch its jar once.

        Raises:
            ArtefactError: the jar is missing and cannot be fetched.
        """
        (jar,) = AGENT_JARS.ensure(progress)
        return cls(jar, files.path("jmx/kafka.yml"))

    def option(self, port: int) -> str:
        """Return Java's option that loads the agent; it serves on this port of this machine."""
        return f"-javaagent:{self.jar}={HOST}:{port}:{self.rules}"


if __name__ == "__main__":
    if sys.argv[1:] != ["relock"]:
        sys.exit("usage: python -m pixstream.lab.broker.agent relock")
    AGENT_JARS.relock()
