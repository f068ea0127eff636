"""`pixstream config show`: every effective value with its origin, and no secret."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner
from msgspec import structs

from pixstream.cli.config import config
from pixstream.cli.root import Root
from pixstream.config.loading import load
from pixstream.errors import ConfigError
from pixstream.kafka.topics.declared import DEFAULT_TOPICS
from pixstream.plugins import discovery
from pixstream.plugins.consumer import Consumer

if TYPE_CHECKING:
    from pathlib import Path

TEXT = """
data_dir: "no"
institution: {ispbs: [00000000]}
kafka:
  sasl: {username: someone, password: "${X}"}
  tls: {key_password: geheim}
privacy: {pseudonym_key: "file:geheim", free_text: drop}
broker:
  properties: {ssl.keystore.password: geheim, listener.name.x: "${X}", num.io.threads: 3}
topics: {pix.dlq: {config: {segment.ms: 60000}}}
consumers: {delta_lake: {uri: "weird: \\"one\\"\\n two", storage_options: {KEY: geheim}}}
environments:
  dev: {kafka: {linger_ms: 7}}
  prod: {kafka: {linger_ms: 9}}
"""


def shown(path: Path, *overrides: str, env: str | None = None) -> list[str]:
    result = CliRunner().invoke(config, ["show"], obj=Root(path, env, overrides))
    if result.exception is not None:
        raise result.exception
    return result.stdout.splitlines()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("PIXSTREAM_ENV", raising=False)
    monkeypatch.setenv("X", "geheim")
    path = tmp_path / "f.yaml"
    path.write_text(TEXT)
    return path


def test_every_value_is_shown_with_the_place_where_it_was_written(file: Path) -> None:
    lines = shown(file, "kafka.client=kafka-python", env="prod")
    assert lines[0] == "# environment: prod"
    assert f'data_dir: "no"  # {file}:2' in lines
    assert f"  ispbs: ['00000000']  # {file}:3" in lines
    assert f"  linger_ms: 9  # {file}:14" in lines
    assert "  client: kafka-python  # --set" in lines
    assert "  bootstrap_servers: null  # default" in lines
    assert f"    username: someone  # {file}:5" in lines
    assert f'      num.io.threads: "3"  # {file}:9' in [*lines, *(f"  {line}" for line in lines)]


def test_secrets_are_never_shown(file: Path) -> None:
    lines = shown(file)
    assert "geheim" not in "\n".join(lines)
    masked = [line.split(":")[0].strip() for line in lines if '"***"' in line]
    assert masked == [
        "pseudonym_key",
        "password",
        "key_password",
        "ssl.keystore.password",
        "listener.name.x",
        "KEY",
    ]
    assert '  encryption_key: ""  # default' in lines


def test_what_is_shown_loads_as_the_same_settings(file: Path, tmp_path: Path) -> None:
    text = TEXT
    for secret in ('"file:geheim"', '"${X}"', "geheim"):
        text = text.replace(secret, "''")
    file.write_text(text)
    again = tmp_path / "again.yaml"
    again.write_text("\n".join(shown(file)))
    loaded, original = load(again), load(file)
    assert loaded.declared_topics == original.declared_topics
    assert structs.replace(loaded, topics={}) == structs.replace(original, topics={})


def test_every_topic_in_force_is_shown(file: Path) -> None:
    lines = shown(file)
    start = lines.index("topics:")
    end = next(n for n, line in enumerate(lines) if n > start and not line.startswith(" "))
    topics = [line.strip() for line in lines[start + 1 : end] if line.startswith("  pix")]
    assert topics == [f"{name}:" for name in DEFAULT_TOPICS]
    assert "    retention: forever  # default" in lines
    assert f'      segment.ms: "60000"  # {file}:10' in lines
    assert '      retention.bytes: "-1"  # default' in lines


@dataclasses.dataclass(kw_only=True)
class Naive(Consumer):
    """A plugin of somebody who has not heard of the mark."""

    api_key: str = ""
    site: str = ""


def test_the_secret_of_a_plugin_that_marks_none_is_hidden_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discovery, "load", lambda *_: Naive)
    path = tmp_path / "g.yaml"
    path.write_text("consumers: {naive: {api_key: geheim, site: here}}")
    lines = shown(path)
    assert f'    api_key: "***"  # {path}:1' in lines
    assert f"    site: here  # {path}:1" in lines
    path.write_text("consumers: {naive: {api_key: [geheim]}}")
    with pytest.raises(ConfigError, match="api_key: expected text") as caught:
        shown(path)
    assert "geheim" not in str(caught.value)


def test_a_wrong_configuration_is_not_shown(file: Path) -> None:
    with pytest.raises(ConfigError, match=r"--set: kafka\.clent: unknown key"):
        shown(file, "kafka.clent=1")
