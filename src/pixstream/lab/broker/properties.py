"""The `server.properties` of the embedded broker: one node, for development."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pixstream.kafka.embedded import HOST, MAIN_LISTENER

PROXIED = "PROXIED"
"""A plain listener for clients behind a proxy; it advertises the port of the proxy."""

CONTROLLER = "CONTROLLER"
"""The internal listener between the node's broker and controller."""

_NODE_ID = 1
_MAX_MESSAGE_BYTES = 16 * 1024 * 1024  # a dead letter contains a body of up to 12 MiB, encrypted
_SINGLE_NODE = {
    "process.roles": "broker,controller",
    "node.id": str(_NODE_ID),
    "controller.listener.names": CONTROLLER,
    "inter.broker.listener.name": MAIN_LISTENER,
    # Kafka's own topics: one partition, one replica. A development machine has one disk.
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
    # Topics are declared in the configuration; a typing error must not create one.
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(_MAX_MESSAGE_BYTES),
    "replica.fetch.max.bytes": str(_MAX_MESSAGE_BYTES),
    # Consumers of a small group start without delay, and a dead one is noticed within seconds.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "group.consumer.min.session.timeout.ms": "1000",
    "group.consumer.min.heartbeat.interval.ms": "300",
    # After a crash the controller waits this long before it readmits the broker.
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "500",
    # Small buffers for a small heap.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def ports_needed(listeners: Sequence[str]) -> tuple[str, ...]:
    """Return the name of every port; `listeners` are those in addition to the main listener."""
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
        topics: directory of the records.
        metadata: directory of Kafka's metadata. It must be a different one: only then does Kafka
            lock it before it writes, so that a second broker cannot damage it.
        ports: port per name of `ports_needed`; a name is also its listener's security protocol.
        overrides: Kafka's settings, which override the ones set here.
        proxy_port: port that the listener PROXIED advertises in place of its own.
    """
    clients = [name for name in ports if name != CONTROLLER]
    protocols = {name: name for name in clients}
    protocols |= {name: "PLAINTEXT" for name in (CONTROLLER, PROXIED) if name in ports}
    advertised = {**ports, PROXIED: proxy_port or ports.get(PROXIED)}
    settings = {
        **_SINGLE_NODE,
        "log.dirs": str(topics),
        "metadata.log.dir": str(metadata),
        "listeners": ",".join(f"{name}://{HOST}:{port}" for name, port in ports.items()),
        "advertised.listeners": ",".join(f"{name}://{HOST}:{advertised[name]}" for name in clients),
        "listener.security.protocol.map": ",".join(f"{a}:{b}" for a, b in protocols.items()),
        "controller.quorum.voters": f"{_NODE_ID}@{HOST}:{ports[CONTROLLER]}",
        **overrides,
    }
    return "".join(f"{name}={_escaped(value)}\n" for name, value in settings.items())


def _escaped(value: str) -> str:
    r"""Return `value` in the format of Java's Properties: ASCII, all else as \uXXXX."""
    units = value.encode("utf-16-be")
    codes = [int.from_bytes(units[i : i + 2]) for i in range(0, len(units), 2)]
    return "".join(
        chr(code) if ord(" ") < code <= ord("~") and code != ord("\\") else f"\\u{code:04x}"
        for code in codes
    )
