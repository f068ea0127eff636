"""From an empty directory to a configuration that `check` accepts, by what the commands say."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pixstream.cli import main
from pixstream.config import load
from pixstream.privacy import keys
from pixstream.testing.waiting import wait_for


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("PIXSTREAM_CONFIG", "PIXSTREAM_ENV"):
        monkeypatch.delenv(name, raising=False)
    for name in ("PIXSTREAM_PSEUDONYM_KEY", "PIXSTREAM_ENCRYPTION_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(list(arguments))
    out, err = capfd.readouterr()
    return code, out, err


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_each_step_names_the_next_one(capfd: pytest.CaptureFixture[str]) -> None:
    for command in (["keys", "create"], ["check"], ["run"]):
        code, _, err = call(capfd, *command)
        assert code == 2
        assert "pixstream config create" in err
    code, out, _ = call(capfd, "config", "create")
    assert code == 0
    assert "pixstream keys create" in out
    port = ("--set", f"producers.webhook.port={free_port()}")
    code, out, _ = call(capfd, *port, "check")
    assert code == 2
    assert "pixstream keys create" in out
    assert call(capfd, "keys", "create")[0] == 0
    code, out, _ = call(capfd, *port, "check")
    assert (code, "FAIL" in out, "warn" in out) == (0, False, False)


def test_a_configuration_is_never_overwritten(
    capfd: pytest.CaptureFixture[str], empty: Path
) -> None:
    (empty / "kafka_config.yaml").write_text("mine")
    code, _, err = call(capfd, "config", "create")
    assert code == 2
    assert "exists and was not changed" in err
    assert (empty / "kafka_config.yaml").read_text() == "mine"
    assert call(capfd, "-c", "other.yaml", "config", "create")[0] == 0


def test_a_configuration_without_keys_is_told_the_lines_to_add(
    capfd: pytest.CaptureFixture[str], empty: Path
) -> None:
    file = empty / "kafka_config.yaml"
    file.write_text('data_dir: "my data"\nproducers: {webhook: {}}\n')
    code, out, _ = call(capfd, "check")
    assert code == 2
    assert "pixstream keys create" in out
    code, out, _ = call(capfd, "keys", "create")
    assert code == 0
    assert (empty / "my data" / "keys" / "pseudonym.key").stat().st_mode & 0o777 == 0o600
    lines = out.partition("kafka_config.yaml:\n\n")[2]
    assert set(yaml.safe_load(lines)["privacy"]) == {"pseudonym_key", "encryption_key"}
    file.write_text(file.read_text() + lines)
    keys(load(file).privacy)


def test_keys_from_the_environment_are_not_files_to_create(
    capfd: pytest.CaptureFixture[str], empty: Path
) -> None:
    (empty / "kafka_config.yaml").write_text(f"privacy: {{pseudonym_key: {'a' * 64}}}\n")
    code, _, err = call(capfd, "keys", "create")
    assert code == 2
    assert "name files: file:PATH" in err
    assert "aaaa" not in err


def test_a_key_that_others_may_read_is_a_warning_with_its_remedy(
    capfd: pytest.CaptureFixture[str],
) -> None:
    call(capfd, "config", "create")
    call(capfd, "keys", "create")
    key = Path("data/keys/encryption.key")
    key.chmod(0o644)
    code, out, _ = call(capfd, "--set", "producers.webhook.port=0", "check")
    (line,) = [line for line in out.splitlines() if line.startswith("warn")]
    assert line == (
        "warn keys  data/keys/encryption.key has mode 0644: other users may read the key; "
        "chmod 600 data/keys/encryption.key"
    )
    assert code == 0
    subprocess.run(["/bin/sh", "-c", line.rpartition("; ")[2]], check=True)
    assert "warn" not in call(capfd, "--set", "producers.webhook.port=0", "check")[1]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port on which a process of its own listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_check_fails_on_a_port_that_another_program_has(
    capfd: pytest.CaptureFixture[str], taken: int
) -> None:
    call(capfd, "config", "create")
    call(capfd, "keys", "create")
    code, out, _ = call(capfd, "--set", f"producers.webhook.port={taken}", "check")
    assert code == 2
    assert f"FAIL producer webhook  port {taken}" in out


@pytest.mark.broker
def test_check_beside_its_own_run_does_not_fail_on_the_port(
    capfd: pytest.CaptureFixture[str], empty: Path
) -> None:
    port, config = free_port(), ["--set", "metrics.port=0"]
    call(capfd, "config", "create")
    call(capfd, "keys", "create")
    file = empty / "kafka_config.yaml"
    file.write_text(file.read_text().replace("port: 8080", f"port: {port}"))
    command = [sys.executable, "-m", "pixstream.cli", *config, "run"]
    with (empty / "run.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, env={**os.environ})
    try:
        wait_for(lambda: call(capfd, "status")[0] == 0, (empty / "run.log").read_text)
        code, out, _ = call(capfd, "check")
        assert f"ok   producer webhook  port {port} is in use by the running webhook itself" in out
        assert (code, "FAIL" in out) == (0, False)
    finally:
        process.terminate()
        process.wait()
        call(capfd, "broker", "stop")
