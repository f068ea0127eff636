"""Broker properties that would keep the embedded broker from answering are refused."""

from pathlib import Path

import pytest

from pixstream.config import load
from pixstream.errors import ConfigError
from pixstream.kafka.embedded import OWN_PROPERTIES


@pytest.mark.parametrize("name", sorted({*OWN_PROPERTIES, "broker.id", "log.dir"}))
def test_what_pixstream_sets_itself_cannot_be_set(tmp_path: Path, name: str) -> None:
    file = tmp_path / "f.yaml"
    file.write_text(f"broker:\n  properties:\n    {name}: x\n")
    with pytest.raises(ConfigError, match=f"f.yaml:3: broker.properties.{name}: pixstream sets"):
        load(file)


def test_the_advice_for_a_listener_is_the_setting_of_the_port(tmp_path: Path) -> None:
    file = tmp_path / "f.yaml"
    file.write_text("broker: {properties: {listeners: 'PLAINTEXT://:9092'}}\n")
    with pytest.raises(ConfigError, match=r"broker\.port chooses the port"):
        load(file)
    file.write_text("broker: {port: 9092, properties: {num.io.threads: 2}}\n")
    assert load(file).broker.port == 9092
