"""A metric that a plugin from elsewhere declares in its one module, all the way to `/metrics`."""

import datetime as dt
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from pixstream import config, kafka
from pixstream.backoff import BackoffSettings
from pixstream.kafka.memory import MemoryKafka
from pixstream.kafka.topics.declared import declared
from pixstream.privacy import create_key_file
from pixstream.processes import component
from pixstream.processes.child import Child
from pixstream.processes.component import ChildSpec
from pixstream.processes.lifeline import Stop
from pixstream.processes.metrics import StatusCollector
from pixstream.processes.report import Reporter
from pixstream.processes.run_status import SupervisorStatus

PLUGIN = '''
import dataclasses
from pixstream.metrics import Counter, Histogram
from pixstream.plugins.producer import Producer

CALLS = Counter("bank_calls_total", "Calls to the bank", ("answer",))
OK = CALLS.of(answer="ok")
REFUSED = CALLS.of(answer="refused")
SECONDS = Histogram("bank_call_seconds", "How long the bank took to answer", buckets=(0.1, 1.0))

@dataclasses.dataclass(kw_only=True)
class OtherBank(Producer):
    """A bank that pixstream does not know."""

    metrics = (OK, REFUSED, SECONDS)

    def read(self, since):
        self.counts.add(OK)
        self.counts.observe(SECONDS, 0.5)
        while True:
            yield None
'''
CONFIGURATION = """
data_dir: {directory}
privacy:
  pseudonym_key: file:{directory}/pseudonym.key
  encryption_key: file:{directory}/encryption.key
kafka: {{bootstrap_servers: "nowhere:1"}}
producers:
  other_bank: {{}}
"""
ORDER = ChildSpec(config_path="", environment=None, overrides=[], name="other_bank", replica=0)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of installed distributions with the plugin and its entry point."""
    site = tmp_path / "site"
    information = site / "other_bank-1.0.dist-info"
    information.mkdir(parents=True)
    (site / "other_bank.py").write_text(PLUGIN)
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other-bank\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[pixstream.producers]\nother_bank = other_bank:OtherBank\n"
    )
    monkeypatch.syspath_prepend(str(site))
    return site


@pytest.fixture
def report() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def exported(child: Child) -> str:
    """What `/metrics` of its supervisor would answer now."""
    now = dt.datetime.now(dt.UTC)
    status = SupervisorStatus(
        id="1-a",
        pid=1,
        started=now,
        written=now,
        clock=time.monotonic(),
        stopping=False,
        components=[child.status(0)],
    )
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: status))
    return generate_latest(registry).decode()


@pytest.mark.usefixtures("installed")
def test_a_metric_declared_in_one_module_is_exported(
    tmp_path: Path, report: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pseudonym", "encryption"):
        create_key_file(tmp_path / f"{name}.key")
    file = tmp_path / "kafka_config.yaml"
    file.write_text(CONFIGURATION.format(directory=tmp_path))
    settings = config.load(file)
    memory = MemoryKafka()
    for spec in declared(settings.topics):
        memory.client().admin().create(spec)
    monkeypatch.setattr(kafka, "connect", lambda _: memory.client())
    child = Child(ORDER, BackoffSettings(), None, ("true",))
    child.report = report[0]
    stop = Stop()
    reporter = Reporter(report[1], stop)
    arguments = (settings, "other_bank", 0, stop, reporter)
    running = threading.Thread(target=component.run, args=arguments)
    running.start()
    try:
        while child.counts.get("bank_calls_ok") != 1:
            assert running.is_alive()
            reporter.report()
            child.read_report()
    finally:
        stop.set()
        running.join(20)
    assert not running.is_alive()
    lines = exported(child).splitlines()
    labels = 'component="other_bank",replica="0"'
    assert "# HELP bank_calls_total Calls to the bank" in lines
    assert f'bank_calls_total{{answer="ok",{labels}}} 1.0' in lines
    assert f'bank_calls_total{{answer="refused",{labels}}} 0.0' in lines
    assert "# TYPE bank_call_seconds histogram" in lines
    assert 'bank_call_seconds_bucket{component="other_bank",le="1.0",replica="0"} 1.0' in lines
    assert f"bank_call_seconds_count{{{labels}}} 1.0" in lines
    assert f"bank_call_seconds_sum{{{labels}}} 0.5" in lines
