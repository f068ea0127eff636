"""The endpoint beside slow clients, taken ports and supervisors with real children."""

import datetime as dt
import http.client
import json
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pixstream.backoff import BackoffSettings
from pixstream.config.settings import MetricsSettings, SupervisorSettings
from pixstream.errors import ConfigError, PortTakenError
from pixstream.http_serving.limits import ConnectionLimits
from pixstream.lab.demo.place import free_port
from pixstream.plugins.producer import Producer
from pixstream.processes import endpoint, run_status
from pixstream.processes.component import ChildSpec
from pixstream.processes.endpoint import Endpoint, opener
from pixstream.processes.run_status import ComponentStatus, SupervisorStatus
from pixstream.processes.supervisor import Supervisor
from pixstream.testing.waiting import HANG_SECONDS, wait_for

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
ANY = MetricsSettings(port=0)
ORDER = ChildSpec(config_path="", environment=None, overrides=[], name="", replica=0)
SETTINGS = SupervisorSettings(
    restart=BackoffSettings(min_seconds=0.01, max_seconds=0.02), stop_timeout_seconds=HANG_SECONDS
)
CHILD = """
import json, os, signal, sys, threading
order = json.loads(sys.argv[1])
stop = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
metrics = [
    {"name": f"pix_{name}_total", "kind": "counter", "value": value}
    for name, value in {"dlq_records": 1, "retries": 0}.items()
]
while not stop.wait(0.05):
    line = {"state": "ready", "metrics": metrics}
    os.write(order["report_fd"], json.dumps(line).encode() + b"\\n")
"""


def get(address: str, path: str = "/metrics") -> tuple[int, str]:
    where = address.removeprefix("http://").removesuffix("/metrics")
    with closing(http.client.HTTPConnection(where, timeout=10)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def value(text: str, name: str, **labels: str) -> float:
    (found,) = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return found


class Told:
    """What a supervisor would have published."""

    def __init__(self) -> None:
        self.status: SupervisorStatus | None = None

    def tell(self, *states: str, clock: float | None = None, stopping: bool = False) -> None:
        now = time.monotonic() if clock is None else clock
        self.status = SupervisorStatus(
            id="1-a",
            pid=1,
            started=NOW,
            written=NOW,
            clock=now,
            stopping=stopping,
            components=[self.component(state, n) for n, state in enumerate(states)],
        )

    def component(self, state: str, replica: int) -> ComponentStatus:
        return ComponentStatus(
            component="webhook",
            replica=replica,
            label=f"webhook-{replica}",
            state=state,
            since=NOW,
            pid=1,
            restarts=0,
            last_exit=None,
            last_exit_at=None,
            next_start_seconds=None,
            last_warning=None,
            last_warning_at=None,
            silent_seconds=0.0,
            stalled_seconds=0.0,
            counts={},
            rates={},
        )


@pytest.fixture
def told() -> Told:
    return Told()


@pytest.fixture
def served(told: Told) -> Iterator[str]:
    with closing(Endpoint(ANY, lambda: told.status)) as one:
        yield one.address


def test_probes_tell_who_is_not_ready_and_when_the_supervisor_hangs(
    told: Told, served: str
) -> None:
    assert get(served, "/healthy") == get(served, "/ready") == (503, "the supervisor hangs\n")
    told.tell("ready", "waiting", "stuck")
    assert get(served, "/healthy") == (200, "ok\n")
    assert get(served, "/ready") == (503, "webhook-1 waiting\nwebhook-2 stuck\n")
    told.tell("ready", "ready")
    assert get(served, "/ready?verbose=1") == (200, "ok\n")
    told.tell("ready", stopping=True)
    assert get(served, "/healthy")[0] == 200
    assert get(served, "/ready") == (503, "stopping\n")
    told.tell("ready", clock=time.monotonic() - 60)
    assert get(served, "/healthy") == get(served, "/ready") == (503, "the supervisor hangs\n")


def test_other_paths_are_not_there(served: str) -> None:
    assert get(served, "/") == (404, "/metrics, /healthy, /ready\n")


def test_prometheus_chooses_the_format_and_that_it_is_compressed(told: Told, served: str) -> None:
    told.tell("ready")
    openmetrics = "application/openmetrics-text; version=1.0.0"
    plain = httpx2.get(served, headers={"Accept-Encoding": "identity"}, trust_env=False)
    packed = httpx2.get(served, headers={"Accept": openmetrics}, trust_env=False)
    assert plain.headers["content-type"].startswith("text/plain; version=")
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-type"].startswith(openmetrics)
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text.endswith("# EOF\n")
    assert httpx2.head(served, trust_env=False).status_code == 200
    assert httpx2.post(served, trust_env=False).status_code == 405


def test_a_taken_port_is_stepped_aside_for_and_that_is_said(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    with closing(Endpoint(ANY, lambda: told.status)) as first:
        port = int(first.address.removesuffix("/metrics").rpartition(":")[2])
        settings = MetricsSettings(port=port, port_tries=1000)
        with closing(Endpoint(settings, lambda: told.status)) as second:
            assert first.address != second.address
            assert (get(first.address)[0], get(second.address)[0]) == (200, 200)
    (warning,) = caplog.messages
    assert f"metrics.port {port} is taken" in warning
    assert second.address in warning


def test_a_taken_port_ends_the_start_where_no_other_may_be_tried(told: Told) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"127.0.0.1 has no free port from {port} to {port}"):
            Endpoint(MetricsSettings(port=port, port_tries=1), lambda: told.status)


def test_an_address_that_is_not_ours_is_a_wrong_setting(told: Told) -> None:
    with pytest.raises(
        ConfigError, match=r"metrics: cannot listen on port 0 of 192\.0\.2\.1: Cannot"
    ):
        Endpoint(MetricsSettings(host="192.0.2.1", port=0), lambda: told.status)


def test_no_port_beyond_the_last_is_tried(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def taken(host: str, port: int) -> None:
        tried.append(port)
        raise PortTakenError(host)

    monkeypatch.setattr(endpoint, "listen", taken)
    with pytest.raises(ConfigError, match="no free port"):
        Endpoint(MetricsSettings(port=65534), lambda: told.status)
    assert tried == [65534, 65535]


def test_a_client_that_says_nothing_is_cut_off_and_hinders_nobody(told: Told) -> None:
    told.tell("ready")
    settings = MetricsSettings(port=0, connections=ConnectionLimits(most=8, head_seconds=0.3))
    with closing(Endpoint(settings, lambda: told.status)) as one:
        host, port = one.address.removeprefix("http://").removesuffix("/metrics").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as silent:
            silent.sendall(b"GET /met")
            assert get(one.address)[0] == 200
            assert silent.recv(1) == b""
        _, text = get(one.address)
        assert value(text, "pix_closed_connections_total", reason="head") == 1
        assert value(text, "pix_connections") == 1


def test_only_the_addresses_of_the_configuration_are_answered(told: Told) -> None:
    told.tell("ready")
    settings = MetricsSettings(port=0, allow_from=["10.0.0.0/8"])
    with (
        closing(Endpoint(settings, lambda: told.status)) as one,
        pytest.raises(OSError),  # noqa: PT011  closed before or after the request is sent
    ):
        get(one.address)


def test_closing_waits_for_no_client_and_gives_the_port_back(told: Told) -> None:
    told.tell("ready")
    one = Endpoint(ANY, lambda: told.status)
    host, port = one.address.removeprefix("http://").removesuffix("/metrics").split(":")
    with socket.create_connection((host, int(port)), timeout=10):
        began = time.monotonic()
        one.close()
        assert time.monotonic() - began < 3
        again = Endpoint(MetricsSettings(port=int(port), port_tries=1), lambda: told.status)
        assert get(again.address)[0] == 200
        again.close()
    assert "metrics" not in {thread.name for thread in threading.enumerate()}


def test_a_status_that_cannot_be_told_is_logged_and_the_next_one_is(
    told: Told, served: str, caplog: pytest.LogCaptureFixture
) -> None:
    told.tell("ready")
    assert told.status is not None
    broken: Any = msgspec.structs.replace(told.status, clock=None)
    told.status = broken
    assert get(served) == (500, "failed; see the log of `pixstream run`\n")
    assert "a request for /metrics failed; the components continue" in caplog.text
    told.tell("ready")
    assert get(served)[0] == 200


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python knows no IPv6")
def test_an_address_with_colons_is_served(told: Told) -> None:
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6 loopback address")
    with closing(Endpoint(MetricsSettings(host="::1", port=0), lambda: told.status)) as one:
        assert one.address.startswith("http://[::1]:")
        assert get(one.address)[0] == 200


# --- beside a supervisor with real children ------------------------------------------------------

Supervise = Callable[[MetricsSettings], Supervisor]


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Supervise]:
    made: list[Supervisor] = []

    def make(metrics: MetricsSettings) -> Supervisor:
        script = tmp_path / "child.py"
        script.write_text(CHILD)
        made.append(
            Supervisor(
                ORDER,
                [Producer(type=f"fake{len(made)}")],
                SETTINGS,
                command=(sys.executable, str(script)),
                directory=tmp_path / "run",
                serve=opener(metrics),
            )
        )
        return made[-1]

    yield make
    for supervisor in made:
        supervisor.stop(lambda: True)


def address(supervisor: Supervisor, directory: Path) -> str:
    mine = {child.order.name for child in supervisor.children}
    (found,) = [
        seen.status.metrics
        for seen in run_status.read(directory)
        if {c.component for c in seen.status.components} == mine
    ]
    assert found is not None
    return found


def step_until(supervisor: Supervisor, done: Callable[[], bool]) -> None:
    def stepped() -> bool:
        if done():
            return True
        supervisor.step(0.05)
        return False

    wait_for(stepped, lambda: [c.state for c in supervisor.children], every=0)


def test_a_killed_child_s_counts_stay_in_the_sums_that_are_scraped(
    supervise: Supervise, tmp_path: Path
) -> None:
    supervisor = supervise(ANY)
    (child,) = supervisor.children
    supervisor.start()
    where = address(supervisor, tmp_path / "run")

    def letters() -> float:
        found = text_string_to_metric_families(get(where)[1])
        family = [one for one in found if one.name == "pix_dlq_records"]
        return family[0].samples[0].value if family else 0.0

    seen = []

    def told(expected: float) -> bool:
        seen.append(letters())
        return seen[-1] == expected

    for expected in (1.0, 2.0, 3.0):
        step_until(supervisor, lambda expected=expected: told(expected))  # type: ignore[misc]
        assert child.process is not None
        os.kill(child.process.pid, signal.SIGKILL)
    step_until(supervisor, lambda: told(4.0))
    assert seen == sorted(seen)
    text = get(where)[1]
    assert value(text, "pix_component_restarts_total", component="fake0", replica="0") == 3
    assert value(text, "pix_retries_total", component="fake0") == 0
    assert value(text, "pix_component_state", component="fake0", state="ready") == 1


def test_the_endpoint_ends_with_its_supervisor(supervise: Supervise, tmp_path: Path) -> None:
    supervisor = supervise(ANY)
    assert supervisor.run(lambda: 1 if supervisor.ready() else 0) == 0
    assert run_status.read(tmp_path / "run") == []
    assert "metrics" not in {thread.name for thread in threading.enumerate()}


def test_two_supervisors_of_one_configuration_are_both_scraped(
    supervise: Supervise, tmp_path: Path
) -> None:
    settings = MetricsSettings(port=free_port(), port_tries=1000)
    both = [supervise(settings), supervise(settings)]
    for supervisor in both:
        supervisor.start()
        step_until(supervisor, supervisor.ready)
    places = [address(supervisor, tmp_path / "run") for supervisor in both]
    assert len(set(places)) == 2
    for number, where in enumerate(places):
        state = {"component": f"fake{number}", "state": "starting"}
        assert value(get(where)[1], "pix_component_state", **state) in (0, 1)


def test_where_nothing_can_be_served_nothing_is_started(
    supervise: Supervise, tmp_path: Path
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = MetricsSettings(port=taken.getsockname()[1], port_tries=1)
        supervisor = supervise(settings)
        with pytest.raises(ConfigError, match="Nothing was started"):
            supervisor.run(lambda: 0)
    assert [child.process for child in supervisor.children] == [None]
    assert run_status.read(tmp_path / "run") == []


def test_metrics_that_are_not_wanted_are_not_served(supervise: Supervise, tmp_path: Path) -> None:
    supervisor = supervise(MetricsSettings(enabled=False))
    supervisor.start()
    step_until(supervisor, supervisor.ready)
    (seen,) = run_status.read(tmp_path / "run")
    assert seen.status.metrics is None
    told = json.loads(msgspec.json.encode(seen.status))
    assert told["metrics"] is None
