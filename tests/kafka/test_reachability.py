import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from pixstream.errors import KafkaError, Transient
from pixstream.kafka.reachability import no_kafka, reach, tls_context
from pixstream.kafka.settings import KafkaSettings, Sasl, Tls


@pytest.fixture
def listening() -> Iterator[int]:
    """A server that accepts connections and says nothing sensible."""

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection:
                    connection.sendall(b"HTTP/1.0 400 Bad Request\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def refusing() -> Iterator[int]:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def test_one_server_that_accepts_is_enough(listening: int, refusing: int) -> None:
    servers = f"127.0.0.1:{refusing}, 127.0.0.1:{listening}"
    reach(KafkaSettings(bootstrap_servers=servers))


def test_every_server_that_does_not_answer_is_named(refusing: int) -> None:
    servers = f"127.0.0.1:{refusing},localhost:{refusing}"
    with pytest.raises(Transient, match=rf"127\.0\.0\.1:{refusing} .*localhost:{refusing} "):
        reach(KafkaSettings(bootstrap_servers=servers))


@pytest.mark.parametrize("servers", ["broker", "broker:", ":9092", "broker:kafka", ""])
def test_what_is_no_address_is_said_to_be_none(servers: str) -> None:
    with pytest.raises(KafkaError, match="host:port"):
        reach(KafkaSettings(bootstrap_servers=servers))


def test_a_server_without_tls_is_named(listening: int) -> None:
    settings = KafkaSettings(bootstrap_servers=f"127.0.0.1:{listening}", security_protocol="SSL")
    with pytest.raises(KafkaError, match=f"TLS with 127.0.0.1:{listening} fails"):
        reach(settings)


def test_pem_files_that_cannot_be_used_are_named() -> None:
    tls = Tls(certificate_file="no-certificate.pem", key_file="no-key.pem", key_password="secret")
    settings = KafkaSettings(security_protocol="SSL", tls=tls)
    with pytest.raises(KafkaError, match=r"no-certificate\.pem.*no-key\.pem") as raised:
        tls_context(settings)
    assert "secret" not in str(raised.value)


def test_without_tls_there_is_no_context_and_host_names_may_be_left_unchecked() -> None:
    assert tls_context(KafkaSettings(security_protocol="SASL_PLAINTEXT")) is None
    lenient = tls_context(KafkaSettings(security_protocol="SSL", tls=Tls(verify_hostname=False)))
    assert lenient is not None
    assert not lenient.check_hostname
    assert lenient.verify_mode.name == "CERT_REQUIRED"


def test_a_refused_login_and_no_kafka_are_told_apart() -> None:
    sasl = Sasl(mechanism="PLAIN", username="u", password="hidden")
    refused = no_kafka(KafkaSettings(security_protocol="SASL_SSL", sasl=sasl))
    assert "rejects the user name or password" in str(refused)
    assert "hidden" not in str(refused)
    assert "does not answer like a Kafka broker" in str(no_kafka(KafkaSettings()))
