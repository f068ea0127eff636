"""Honest senders beside thousands of connections that only hold on."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2
from benchmarks import hostile_clients

from pixstream import logs
from pixstream.testing.waiting import wait_for
from tests.producers.webhook.test_overload import WAIT, Running, body

HONEST, AT_ONCE = 600, 8
MEGABYTE = 2**20
NONE_KEPT = httpx2.Limits(max_keepalive_connections=0)


@contextmanager
def hostile(port: int, connections: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, hostile_clients.__file__, "--port", str(port)]
    # benchmarks/bench_hostile.py has more of them, which come again sooner: how long a request then
    # takes depends on the machine, and a busy one would spend all its time on them.
    command += ["--connections", str(connections), "--address", "127.0.0.2", "--again", "30"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as crowd:
        try:
            yield crowd
        finally:
            crowd.kill()


@contextmanager
def logged(file: Path) -> Iterator[None]:
    """Write what a process of pixstream would log to a file."""
    handler = logging.FileHandler(file)
    handler.setFormatter(logs.EcsFormatter("webhook-0"))
    handler.addFilter(logs.Limit())
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


def test_honest_requests_are_all_answered_200_beside_hostile_ones(tmp_path: Path) -> None:
    connections = hostile_clients.affordable(2000)
    log = tmp_path / "log"
    with logged(log), Running(tmp_path) as hook:
        port = hook.hook.port
        most = hook.hook.connections.per_address
        counts = hook.hook.counts
        with hostile(port, connections) as crowd:
            # More than there is room for have come, so that each one more takes another's place.
            wait_for(lambda: counts["closed_address"] > most, lambda: dict(counts))

            with (
                httpx2.Client(timeout=WAIT, trust_env=False) as kept,
                httpx2.Client(timeout=WAIT, trust_env=False, limits=NONE_KEPT) as own,
                ThreadPoolExecutor(AT_ONCE) as senders,
            ):

                def send(number: int) -> int:
                    client = kept if number % 2 else own
                    return client.post(hook.url, content=body()).status_code

                statuses = list(senders.map(send, range(HONEST)))
            assert crowd.poll() is None
            told, _ = crowd.communicate(timeout=WAIT)
        assert counts["connections"] <= hook.hook.connections.most
    assert set(statuses) == {200}
    assert len(hook.events()) == HONEST
    assert json.loads(told)["made"] > most
    assert log.stat().st_size < MEGABYTE
