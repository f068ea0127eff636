"""`pixstream run` with a webhook while there is no Kafka: somebody answers, whoever is killed."""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import psutil
import pytest
import yaml

from pixstream.lab.demo.place import free_port
from pixstream.privacy import create_key_file
from pixstream.testing.waiting import wait_for

WAIT = 600.0


class Run:
    """One `pixstream run` of a webhook whose brokers do not exist."""

    def __init__(self, directory: Path) -> None:
        self.port, self._metrics = free_port(), free_port()
        for name in ("pseudonym", "encryption"):
            create_key_file(directory / f"{name}.key")
        settings = {
            "data_dir": str(directory / "data"),
            "privacy": {
                "pseudonym_key": f"file:{directory / 'pseudonym.key'}",
                "encryption_key": f"file:{directory / 'encryption.key'}",
            },
            "kafka": {"bootstrap_servers": f"127.0.0.1:{free_port()}"},
            "metrics": {"port": self._metrics},
            "producers": {"webhook": {"port": self.port}},
        }
        file = directory / "kafka_config.yaml"
        file.write_text(yaml.safe_dump(settings))
        command = [sys.executable, "-m", "pixstream.cli", "-c", str(file), "run"]
        self.process = subprocess.Popen(command, stderr=subprocess.DEVNULL)

    def post(self) -> httpx2.Response | None:
        """The answer to a body; None if nobody listens."""
        with contextlib.suppress(httpx2.ConnectError):
            url = f"http://127.0.0.1:{self.port}/pix"
            return httpx2.post(url, content=b"{}", timeout=WAIT, trust_env=False)
        return None

    def ready(self) -> httpx2.Response:
        address = f"http://127.0.0.1:{self._metrics}/ready"
        return httpx2.get(address, timeout=WAIT, trust_env=False)

    def webhook(self) -> psutil.Process:
        (child,) = wait_for(lambda: psutil.Process(self.process.pid).children())
        return child


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    started = Run(tmp_path)
    yield started
    if started.process.poll() is None:
        started.process.kill()
    started.process.wait()


def test_a_webhook_without_kafka_answers_503_also_to_those_who_came_while_it_was_killed(
    run: Run,
) -> None:
    first = wait_for(run.post, alive=lambda: run.process.poll() is None)
    assert first.status_code == 503
    assert int(first.headers["retry-after"]) > 0
    assert run.ready().status_code == 503
    former = run.webhook()
    former.kill()
    wait_for(lambda: not former.is_running())
    answer = run.post()  # by the next process: the supervisor holds the socket
    assert answer is not None
    assert answer.status_code == 503
    assert run.webhook().pid != former.pid
    run.process.send_signal(signal.SIGTERM)
    assert run.process.wait(WAIT) == 0
    assert run.post() is None
