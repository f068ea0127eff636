"""The jars of the embedded Kafka broker.

For developers: after a change of the roots, run `python -m pixstream.lab.broker.jars relock`.
"""

import sys
from pathlib import Path

from pixstream.java.jars import JarSet

KAFKA_VERSION = "4.2.2"
"""Version of Apache Kafka that the embedded broker runs."""

BROKER_JARS = JarSet(
    name=f"kafka-{KAFKA_VERSION}",
    what=f"Kafka {KAFKA_VERSION}",
    roots=(
        f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}",
        # Kafka logs through slf4j 1.7 and ships log4j 2.25, but not the bridge between them.
        "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5",
    ),
    lock_file=Path(__file__).with_suffix(".lock"),
    module="pixstream.lab.broker.jars",
    consequence="The broker was not started.",
    otherwise="point kafka.bootstrap_servers to a Kafka that is already running",
)

if __name__ == "__main__":
    if sys.argv[1:] != ["relock"]:
        sys.exit("usage: python -m pixstream.lab.broker.jars relock")
    BROKER_JARS.relock()
