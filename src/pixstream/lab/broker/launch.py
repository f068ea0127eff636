"""Starts the embedded broker and waits until Kafka answers."""

import shutil
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import psutil
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from pixstream.errors import BrokerError
from pixstream.kafka.embedded import (
    HOST,
    MAIN_LISTENER,
    METRICS_PORT,
    BrokerFiles,
    is_alive,
    load_state,
)
from pixstream.lab.broker.ports import choose_ports
from pixstream.lab.broker.process import Jvm, kill
from pixstream.lab.broker.properties import server_properties
from pixstream.patience import Patience

_STARTS = 3
_PORT_TAKEN = "Address already in use"
_CAUSES = {
    "Failed to acquire lock": ": another broker uses its data directory",
    "No space left on device": ": the disk is full",
    "OutOfMemoryError": ": its heap is too small",
    "Could not reserve enough space": ": the machine has too little free memory",
    "ConfigException": ": Kafka refuses one of its settings",
}
_PROBE_SECONDS = 1.0
_PAUSE_SECONDS = 0.1


def launch(
    jvm: Jvm,
    port_names: Sequence[str],
    properties: Mapping[str, str],
    timeout: float,
    proxy_port: int | None = None,
    fixed: Mapping[str, int] | None = None,
) -> psutil.Process:
    """Start the broker and return its process when it answers.

    Args:
        jvm: the Java and the files of the broker.
        port_names: what needs a port; a port lost at the last moment is replaced.
        properties: Kafka's settings, which override the ones set here.
        timeout: seconds that Kafka may idle without an answer.
        proxy_port: port of the proxy in front of the listener PROXIED; None: no proxy.
        fixed: the ports that the configuration demands, by name; the others are the former ones,
            or free ones.

    Raises:
        BrokerError: it exited or did not answer; no process is left behind.
        OSError: its directory cannot be written.
    """
    files = jvm.files
    shutil.rmtree(files.temporary, ignore_errors=True)
    for directory in (files.temporary, files.log.parent):
        directory.mkdir(exist_ok=True)
    for _ in range(_STARTS):
        began = time.time()
        process = _run(jvm, port_names, properties, proxy_port, fixed or {})
        try:
            answered = answers(process, files, timeout)
        except BaseException:  # interrupted: leave no half-started process behind
            kill(process)
            raise
        if answered:
            return process
        if is_alive(process):
            kill(process)
            raise BrokerError(
                f"The broker did not answer within {timeout:g} s and was stopped. See {files.log}; "
                "on a slow machine, just start it again."
            )
        words = jvm.last_words(began)
        if _PORT_TAKEN not in words:
            break
    cause = next((cause for sign, cause in _CAUSES.items() if sign in words), "")
    raise BrokerError(
        f"The broker exited during its start{cause}. Its data is untouched. See {files.log} and "
        f"{files.output}."
    )


def _run(
    jvm: Jvm,
    port_names: Sequence[str],
    properties: Mapping[str, str],
    proxy_port: int | None,
    fixed: Mapping[str, int],
) -> psutil.Process:
    """Write the settings with free ports, prepare the data directories once, start Java."""
    files, state = jvm.files, load_state(jvm.files.state)
    state = replace(state, ports=choose_ports(port_names, state.ports, fixed), pid=None)
    state.save(files.state)
    files.properties.touch(mode=0o600)
    files.properties.write_text(
        server_properties(files.topics, files.metadata, state.listeners, properties, proxy_port),
        "ascii",
    )
    if not all((data / "meta.properties").exists() for data in (files.topics, files.metadata)):
        jvm.format(state.cluster_id)
    pid = jvm.run(state.ports.get(METRICS_PORT))
    replace(state, pid=pid).save(files.state)
    return psutil.Process(pid)


def answers(process: psutil.Process, files: BrokerFiles, timeout: float) -> bool:
    """Wait until Kafka lists itself as a live broker; False if it exited or did not answer."""
    port = load_state(files.state).ports[MAIN_LISTENER]
    client: AdminClient | None = None
    patience = Patience(timeout)
    while not patience.exhausted and is_alive(process):
        try:
            if client is None:  # the client's own retries are slower than a probe of the port
                socket.create_connection((HOST, port), _PROBE_SECONDS).close()
                client = AdminClient({"bootstrap.servers": f"{HOST}:{port}", "log_level": 0})
            if client.list_topics(timeout=_PROBE_SECONDS).brokers:
                return True
        except (OSError, KafkaException):
            time.sleep(_PAUSE_SECONDS)
    return False
