"""The settings that the broker is started with."""

import codecs
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pixstream.kafka.embedded import OWN_PROPERTIES, refusal
from pixstream.lab.broker.properties import ports_needed, server_properties

PORTS = {"PLAINTEXT": 20_001, "CONTROLLER": 20_002, "SASL_SSL": 20_003}


def settings(overrides: dict[str, str]) -> dict[str, str]:
    """Read the file as Java's Properties would; every escape is of the form backslash, u, XXXX."""
    text = server_properties(Path("/topics"), Path("/metadata"), PORTS, overrides)
    assert text.isascii()
    lines = [line.split("=", 1) for line in text.splitlines()]
    return {
        name: codecs.decode(value, "unicode_escape")
        .encode("utf-16", "surrogatepass")
        .decode("utf-16")
        for name, value in lines
    }


def test_the_controller_is_for_the_node_alone() -> None:
    written = settings({})
    assert written["advertised.listeners"] == (
        "PLAINTEXT://127.0.0.1:20001,SASL_SSL://127.0.0.1:20003"
    )
    assert written["controller.quorum.voters"] == "1@127.0.0.1:20002"
    assert "CONTROLLER:PLAINTEXT" in written["listener.security.protocol.map"]


def test_every_listener_has_a_port() -> None:
    assert ports_needed(["SASL_SSL"]) == tuple(PORTS)


def test_records_and_metadata_lie_apart() -> None:
    written = settings({})
    assert (written["log.dirs"], written["metadata.log.dir"]) == ("/topics", "/metadata")


def test_the_callers_settings_win() -> None:
    assert settings({"num.io.threads": "9"})["num.io.threads"] == "9"


@given(st.text())
def test_any_value_arrives_as_it_is(value: str) -> None:
    assert settings({"any": value})["any"] == value


def test_what_may_not_be_overridden_is_known_to_the_configuration() -> None:
    tuned = settings({}).keys() - OWN_PROPERTIES
    assert settings({}).keys() >= OWN_PROPERTIES
    assert all(refusal(name) is None for name in tuned)
    assert not any("listener" in name or "dir" in name for name in tuned)
