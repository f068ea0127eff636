"""What the broker remembers between two starts."""

import socket
from pathlib import Path

import pytest

from pixstream.kafka.broker_state import BrokerState, choose_ports, load_state


def test_what_is_saved_is_read_again(tmp_path: Path) -> None:
    state = BrokerState("id", {"PLAINTEXT": 20_001}, 7)
    state.save(tmp_path / "broker.json")
    assert load_state(tmp_path / "broker.json") == state


def test_without_a_file_there_is_a_new_cluster(tmp_path: Path) -> None:
    first, second = load_state(tmp_path / "none"), load_state(tmp_path / "none")
    assert first.ports == {}
    assert first.pid is None
    assert len(first.cluster_id) == 22
    assert first.cluster_id != second.cluster_id


@pytest.mark.parametrize(
    "content", [b"", b"\xff", b"[]", b"{}", b'{"ports": 1, "pid": 2}', b'{"ports": {"a": "b"}}']
)
def test_a_damaged_file_is_told_and_replaced(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    file = tmp_path / "broker.json"
    file.write_bytes(content)
    assert load_state(file).ports == {}
    assert "is damaged" in caplog.text


def test_new_ports_are_distinct_and_below_those_lent_to_clients() -> None:
    ports = choose_ports(["PLAINTEXT", "CONTROLLER", "SSL"], {})
    assert len(set(ports.values())) == 3
    assert all(20_000 <= port < 30_000 for port in ports.values())


def test_a_free_port_is_kept_and_a_taken_one_is_not(caplog: pytest.LogCaptureFixture) -> None:
    kept = choose_ports(["PLAINTEXT", "CONTROLLER"], {})
    assert choose_ports(["PLAINTEXT", "CONTROLLER"], kept) == kept
    with socket.create_server(("127.0.0.1", kept["PLAINTEXT"])):
        changed = choose_ports(["PLAINTEXT", "CONTROLLER"], kept)
    assert changed["PLAINTEXT"] != kept["PLAINTEXT"]
    assert changed["CONTROLLER"] == kept["CONTROLLER"]
    assert f"port {kept['PLAINTEXT']} of the broker's listener PLAINTEXT is taken" in caplog.text
