"""`pixstream run` while it has nothing in hand yet."""

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.privacy import create_key_file
from pixstream.testing.waiting import wait_for


@contextmanager
def running(directory: Path) -> Iterator[subprocess.Popen[bytes]]:
    for name in ("pseudonym", "encryption"):
        create_key_file(directory / f"{name}.key")
    settings = {
        "data_dir": str(directory / "data"),
        "privacy": {
            "pseudonym_key": f"file:{directory / 'pseudonym.key'}",
            "encryption_key": f"file:{directory / 'encryption.key'}",
        },
        "consumers": {"console": {}},
    }
    file = directory / "kafka_config.yaml"
    file.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "pixstream.cli", "-c", str(file), "run"]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.broker
@pytest.mark.usefixtures("hang_up")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_stop_while_the_embedded_broker_starts_leaves_none_behind(
    tmp_path: Path, number: signal.Signals
) -> None:
    broker = EmbeddedBroker(tmp_path / "data" / "kafka")
    with running(tmp_path) as process:
        wait_for(lambda: broker.status().running, alive=lambda: process.poll() is None)
        process.send_signal(number)
        assert process.wait() == 0
    assert not broker.status().running
