"""Writes the `server.properties` of the embedded broker: one node, fit for development."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pixstream.kafka.embedded import HOST, MAIN_LISTENER

PROXIED = "PROXIED"
"""A plain listener for clients that reach it through a proxy, whose port they are told."""

CONTROLLER = "CONTROLLER"
"""For the node alone: where its two halves talk."""

_NODE_ID = 1
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # a dead letter carries a body of up to 12 MiB, encrypted
_SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": str(_NODE_ID),
    "controller.listener.names": CONTROLLER,
    "inter.broker.listener.name": MAIN_LISTENER,
    # Kafka's own topics: one partition, one replica. A machine for development has one disk.
    "offsets.topic.num.partitions": "1",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    # A topic is declared in the configuration; a typing error must not create one.
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(_MAX_MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(_MAX_MESSAGE_BYTES),
    # Consumers of a small group start at once, and a dead one is noticed in seconds.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    # After a crash the controller waits this long before it lets the broker back in.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    # Small buffers for a small heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def ports_needed(listeners: Sequence[str]) -> tuple[str, ...]:
    """Name every port that the broker opens; `listeners` are the ones beside the main listener."""
    return (MAIN_LISTENER, CONTROLLER, *listeners)


def server_properties(
    topics: Path,
    metadata: Path,
    ports: Mapping[str, int],
    overrides: Mapping[str, str],
    proxy_port: int | None = None,
) -> str:
    """Return the text of the file.

    Args:
        topics: the directory for the records.
        metadata: the directory for what Kafka knows about itself. It must be another one: only
            then does Kafka lock it before it writes, so that a second broker cannot damage it.
        ports: a port per name of `ports_needed`; a name is its listener's security protocol too.
        overrides: settings of Kafka that win over the ones made here.
        proxy_port: what clients of the listener PROXIED are told in place of its own port.
    """
    clients = [name for name in ports if name != CONTROLLER]
    protocols = {name: name for name in clients}
    protocols |= {name: "PLAINTEXT" for name in (CONTROLLER, PROXIED) if name in ports}
    told = {**ports, PROXIED: proxy_port or ports.get(PROXIED)}
    settings = {
        **_SINGLE_NODE,
        "log.dirs": str(topics),
        "metadata.log.dir": str(metadata),
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items()),
        "advertised.listeners": ",".join(f"{name}://{HOST}:{told[name]}" for name in clients),
        "listener.security.protocol.map": ",".join(f"{a}:{b}" for a, b in protocols.items()),
        "controller.quorum.voters": f"{_NODE_ID}@{HOST}:{ports[CONTROLLER]}",
        **overrides,
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    r"""Write `value` in the format of Java's Properties: ASCII, all else as \uXXXX."""
    units = value.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]
    return "".join(
        chr(code) if ord(" ") < code <= ord("~") and code != ord("\\") else f"\\u{code:04x}"
        for code in codes
    )
