"""The ports of the embedded broker."""

import socket

import pytest

from pixstream.errors import BrokerError
from pixstream.lab.broker.ports import choose_ports


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
    assert f"port {kept['PLAINTEXT']} of the broker's listener PLAINTEXT is used" in caplog.text


def test_a_port_of_the_configuration_is_taken_or_refused_by_name() -> None:
    kept = choose_ports(["PLAINTEXT", "CONTROLLER"], {})
    wanted = choose_ports(["PLAINTEXT"], {})
    ports = choose_ports(["PLAINTEXT", "CONTROLLER"], kept, wanted)
    assert ports == {**kept, **wanted}
    with (
        socket.create_server(("127.0.0.1", wanted["PLAINTEXT"])),
        pytest.raises(BrokerError, match=rf"port {wanted['PLAINTEXT']} \(broker.port\)"),
    ):
        choose_ports(["PLAINTEXT", "CONTROLLER"], kept, wanted)
