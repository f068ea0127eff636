"""The JMX exporter on the embedded broker: what Kafka itself tells Prometheus."""

import json
import re
import socket
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from prometheus_client.parser import text_string_to_metric_families

from pixstream.errors import BrokerError
from pixstream.java.maven import Jar
from pixstream.kafka.embedded import HOST, METRICS_PORT, BrokerState, metrics_address
from pixstream.lab.broker.agent import AGENT_JARS, AGENT_VERSION, Agent
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.lab.broker.ports import choose_ports
from pixstream.lab.demo.place import free_port
from pixstream.monitoring import files
from pixstream.testing.waiting import wait_for

Page = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(address: str) -> tuple[Page, dict[str, str]]:
    """The samples by name and labels, and the type of each family."""
    families = list(text_string_to_metric_families(httpx2.get(address, timeout=60).text))
    samples = {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }
    return samples, {family.name: family.type for family in families}


def test_the_agent_is_pinned() -> None:
    (jar,) = AGENT_JARS.locked()
    assert jar.coordinates == f"io.prometheus.jmx:jmx_prometheus_javaagent:{AGENT_VERSION}"


def test_an_artifact_that_is_no_jar_names_its_type() -> None:
    archive = Jar("org.example:program:1.0:zip", 1, "")
    assert archive.filename == "program-1.0.zip"
    assert archive.path == "org/example/program/1.0/program-1.0.zip"


def test_its_option_names_the_jar_the_port_and_the_rules() -> None:
    agent = Agent(Path("/jars/agent.jar"), Path("/files/kafka.yml"))
    assert agent.option(9404) == "-javaagent:/jars/agent.jar=127.0.0.1:9404:/files/kafka.yml"


def test_its_port_is_no_listener_of_kafka() -> None:
    state = BrokerState("id", {"PLAINTEXT": 1, METRICS_PORT: 2})
    assert state.listeners == {"PLAINTEXT": 1}


def test_a_port_that_another_program_uses_is_refused_by_the_name_of_its_setting() -> None:
    with socket.create_server((HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BrokerError, match=r"broker\.metrics_port"):
            choose_ports([METRICS_PORT], {}, {METRICS_PORT: port})


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A broker with the agent, through which one record has gone."""
    control = EmbeddedBroker(tmp_path_factory.mktemp("measured"), metrics_port=0)
    bootstrap = control.start()
    topic = f"measured-{uuid.uuid4()}"
    try:
        use(bootstrap, topic)
        yield control
    finally:
        control.kill()


def use(bootstrap: str, topic: str) -> None:
    """Create a topic, write a record and read it."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    admin.create_topics([NewTopic(topic, 1, 1)])[topic].result(60)
    producer = Producer({"bootstrap.servers": bootstrap})
    producer.produce(topic, b"a record")
    assert producer.flush(60) == 0
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    wait_for(lambda: consumer.poll(1), "the record")
    consumer.close()


@pytest.mark.broker
def test_the_page_says_what_alerts_and_dashboards_ask_a_broker(measured: EmbeddedBroker) -> None:
    address = measured.status().metrics
    assert address is not None

    def complete() -> tuple[Page, dict[str, str]] | None:
        samples, types = read(address)
        read_too = samples.get(("kafka_server_brokertopicmetrics_bytesout_total", frozenset()))
        return (samples, types) if read_too else None

    samples, types = wait_for(complete, "bytes that were read")
    plain = {name: value for (name, labels), value in samples.items() if not labels}
    assert plain["kafka_server_replicamanager_underreplicatedpartitions"] == 0
    assert plain["kafka_server_replicamanager_underminisrpartitioncount"] == 0
    assert plain["kafka_controller_kafkacontroller_activecontrollercount"] == 1
    assert plain["kafka_controller_kafkacontroller_offlinepartitionscount"] == 0
    assert plain["kafka_log_logmanager_offlinelogdirectorycount"] == 0
    assert plain["kafka_server_kafkaserver_brokerstate"] == 3
    assert plain["kafka_server_brokertopicmetrics_bytesin_total"] > 0
    assert 0 <= plain["kafka_server_kafkarequesthandlerpool_requesthandleravgidle_ratio"] <= 1
    assert 0 <= plain["kafka_network_socketserver_networkprocessoravgidle_ratio"] <= 1
    by_request = {
        dict(labels)["request"]: value
        for (name, labels), value in samples.items()
        if name == "kafka_network_requests_total"
    }
    assert by_request["Produce"] >= 1
    assert by_request["FetchConsumer"] >= 1
    times = {
        (dict(labels)["request"], dict(labels)["quantile"]): value
        for (name, labels), value in samples.items()
        if name == "kafka_network_request_time_seconds"
    }
    assert 0 <= times["Produce", "0.50"] <= times["Produce", "0.99"] < 600
    topics = [dict(labels) for name, labels in samples if name == "kafka_topic_messagesin_total"]
    assert any(labels["topic"].startswith("measured-") for labels in topics)
    assert any(name == "kafka_log_size_bytes" for name, _ in samples)
    assert any(name == "jvm_memory_used_bytes" for name, _ in samples)
    assert {kind for name, kind in types.items() if name.startswith("kafka_")} == {
        "gauge",
        "counter",
    }
    assert types["kafka_server_brokertopicmetrics_bytesin"] == "counter"
    rules = files.path("prometheus/rules/kafka.yml").read_text("utf-8")
    asked = set(re.findall(r"\bkafka_\w+", rules))
    assert len(asked) > 5
    assert asked <= {name for name, _ in samples}


@pytest.mark.broker
def test_its_port_stays_and_other_commands_find_it(measured: EmbeddedBroker) -> None:
    status = measured.status()
    assert METRICS_PORT not in status.listeners
    state = status.data_dir / "broker.json"
    assert metrics_address(status.data_dir.parent) is None  # this broker's folder is not `kafka`
    assert status.metrics == f"http://{HOST}:{_port(state)}/metrics"
    assert status.pid is not None
    agents = [o for o in psutil.Process(status.pid).cmdline() if o.startswith("-javaagent:")]
    assert len(agents) == 1


def _port(state: Path) -> int:
    return int(json.loads(state.read_text("utf-8"))["ports"][METRICS_PORT])


@pytest.mark.broker
def test_a_demanded_port_is_used_and_without_the_setting_there_is_no_agent(tmp_path: Path) -> None:
    port = free_port()
    directory = tmp_path / "kafka"
    broker = EmbeddedBroker(directory, metrics_port=port)
    try:
        broker.start()
        assert broker.status().metrics == f"http://{HOST}:{port}/metrics"
        assert metrics_address(tmp_path) == f"{HOST}:{port}"
        assert read(f"http://{HOST}:{port}/metrics")[0]
        broker.stop()

        plain = EmbeddedBroker(directory)
        plain.start()
        status = plain.status()
        assert status.metrics is None
        assert metrics_address(tmp_path) is None
        assert status.pid is not None
        assert not [o for o in psutil.Process(status.pid).cmdline() if "javaagent" in o]
    finally:
        EmbeddedBroker(directory).kill()
