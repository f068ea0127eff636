"""What the embedded broker remembers between two starts, as everybody reads it."""

from pathlib import Path

import pytest

from pixstream.kafka.embedded import BrokerState, load_state


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
