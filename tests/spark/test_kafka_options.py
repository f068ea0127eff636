"""The configuration in the words of the Java client."""

from pathlib import Path

import pytest

from pixstream.errors import ConfigError
from pixstream.kafka.settings import KafkaSettings, Sasl, Tls
from pixstream.spark.kafka_options import kafka_options


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)


def test_aborted_records_are_never_read() -> None:
    options = kafka_options(KafkaSettings(bootstrap_servers="a:1,b:2"))
    assert options["kafka.isolation.level"] == "read_committed"
    assert options["kafka.bootstrap.servers"] == "a:1,b:2"
    assert not [name for name in options if "sasl" in name or "ssl" in name]


@pytest.mark.parametrize(
    ("mechanism", "module"),
    [
        ("PLAIN", "org.apache.kafka.common.security.plain.PlainLoginModule"),
        ("SCRAM-SHA-512", "org.apache.kafka.common.security.scram.ScramLoginModule"),
    ],
)
def test_a_login_becomes_a_jaas_line(mechanism: str, module: str) -> None:
    sasl = Sasl(mechanism=mechanism, username="user", password='a "quoted\\" word')  # type: ignore[arg-type]
    options = kafka_options(
        KafkaSettings(bootstrap_servers="a:1", security_protocol="SASL_SSL", sasl=sasl)
    )
    assert options["kafka.sasl.mechanism"] == mechanism
    assert options["kafka.sasl.jaas.config"] == (
        f'{module} required username="user" password="a \\"quoted\\\\\\" word";'
    )


def test_on_databricks_the_login_module_has_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "19.0")
    options = kafka_options(
        KafkaSettings(
            bootstrap_servers="a:1",
            security_protocol="SASL_PLAINTEXT",
            sasl=Sasl(username="u", password="p"),
        )
    )
    assert options["kafka.sasl.jaas.config"].startswith("kafkashaded.org.apache.kafka.common.")


def test_pem_files_become_texts_which_executors_need_not_find(tmp_path: Path) -> None:
    for name in ("ca", "chain", "key"):
        (tmp_path / name).write_text(f"PEM of {name}")
    tls = Tls(
        ca_file=str(tmp_path / "ca"),
        certificate_file=str(tmp_path / "chain"),
        key_file=str(tmp_path / "key"),
        verify_hostname=False,
    )
    options = kafka_options(
        KafkaSettings(bootstrap_servers="a:1", security_protocol="SSL", tls=tls)
    )
    assert options["kafka.ssl.truststore.certificates"] == "PEM of ca"
    assert options["kafka.ssl.keystore.certificate.chain"] == "PEM of chain"
    assert options["kafka.ssl.keystore.key"] == "PEM of key"
    assert options["kafka.ssl.endpoint.identification.algorithm"] == ""


def test_a_file_that_cannot_be_read_is_named_by_its_setting(tmp_path: Path) -> None:
    tls = Tls(ca_file=str(tmp_path / "gone"))
    with pytest.raises(ConfigError, match=r"kafka\.tls\.ca_file: cannot read"):
        kafka_options(KafkaSettings(bootstrap_servers="a:1", security_protocol="SSL", tls=tls))
