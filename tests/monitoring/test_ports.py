"""Ports that stay the same from start to start."""

import socket
from pathlib import Path

import pytest

from pixstream.monitoring.ports import HOST, Ports, is_free


def test_a_port_is_kept_while_it_is_free(tmp_path: Path) -> None:
    file = tmp_path / "ports.json"
    first = Ports(file).of("prometheus", in_use=False)
    assert Ports(file).of("prometheus", in_use=False) == first
    assert Ports(file).of("alertmanager", in_use=False) != first


def test_a_port_that_another_program_took_is_replaced_unless_its_server_runs(
    tmp_path: Path,
) -> None:
    ports = Ports(tmp_path / "ports.json")
    first = ports.of("prometheus", in_use=False)
    with socket.create_server((HOST, first)):
        assert not is_free(first)
        assert ports.of("prometheus", in_use=True) == first
        assert ports.of("prometheus", in_use=False) != first


@pytest.mark.parametrize("damaged", ["", "[1]", '{"prometheus": "x"}', '{"prometheus": null}'])
def test_a_damaged_file_is_replaced(tmp_path: Path, damaged: str) -> None:
    file = tmp_path / "ports.json"
    file.write_text(damaged, "utf-8")
    port = Ports(file).of("prometheus", in_use=False)
    assert Ports(file).of("prometheus", in_use=False) == port
