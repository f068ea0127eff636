"""What a status becomes in Prometheus' text, parsed again by Prometheus' own client."""

import datetime as dt
import platform
import shutil
import subprocess
import time
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from pixstream import __version__
from pixstream.loops import consume, process, produce
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.discovery import builtin, load
from pixstream.plugins.producer import Producer
from pixstream.processes.metrics import COUNTS, OF_COMPONENT, OF_SUPERVISOR, StatusCollector
from pixstream.processes.run_status import STATES, ComponentStatus, SupervisorStatus

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
WORDS = {"version", "python_version", "component", "replica", "state", "stage", "outcome"} | {
    *("topic", "count", "reason")
}
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def component(name: str = "webhook", replica: int = 0, **changes: Any) -> ComponentStatus:
    made = ComponentStatus(
        component=name,
        replica=replica,
        label=f"{name}-{replica}",
        state="ready",
        since=NOW,
        pid=1,
        restarts=0,
        last_exit=None,
        last_exit_at=None,
        next_start_seconds=None,
        last_warning="a line of the log",
        last_warning_at=NOW,
        silent_seconds=0.4,
        stalled_seconds=1.5,
        counts={},
        rates={},
    )
    return msgspec.structs.replace(made, **changes)


def status(*components: ComponentStatus, clock: float | None = None) -> SupervisorStatus:
    return SupervisorStatus(
        id="1-a",
        pid=1,
        started=NOW,
        written=NOW,
        clock=time.monotonic() if clock is None else clock,
        stopping=False,
        components=list(components),
    )


def text(seen: SupervisorStatus | None) -> str:
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: seen))
    return generate_latest(registry).decode()


def samples(seen: SupervisorStatus | None) -> Samples:
    """Each by its name and labels."""
    found: Samples = {}
    for family in text_string_to_metric_families(text(seen)):
        for sample in family.samples:
            place = sample.name, tuple(sorted(sample.labels.items()))
            assert place not in found
            found[place] = sample.value
    return found


def place(name: str, component: str = "webhook", replica: int = 0, **labels: str) -> Any:
    labels |= {"component": component, "replica": str(replica)}
    return name, tuple(sorted(labels.items()))


def test_one_count_is_exactly_these_lines() -> None:
    lines = text(status(component(counts={"letters": 3}))).splitlines()
    start = lines.index("# HELP pix_dlq_records_total Dead letters sent")
    assert lines[start : start + 3] == [
        "# HELP pix_dlq_records_total Dead letters sent",
        "# TYPE pix_dlq_records_total counter",
        'pix_dlq_records_total{component="webhook",replica="0"} 3.0',
    ]


def test_a_producer_s_counts_find_their_metrics() -> None:
    counts = {"read": 10, "pagamentos": 4, "recebimentos": 3, "estornos": 1, "letters": 2}
    found = samples(status(component(counts=counts | {"committed": 11, "retries": 5})))
    records = "pix_records_total"
    assert found[place(records, stage="read", outcome="accepted", topic="")] == 10
    produced = {
        topic: found[place(records, stage="produce", outcome="produced", topic=topic)]
        for topic in ("pix.pagamentos", "pix.recebimentos", "pix.estornos")
    }
    assert list(produced.values()) == [4, 3, 1]
    assert found[place("pix_dlq_records_total")] == 2
    assert found[place("pix_committed_readings_total")] == 11
    assert found[place("pix_retries_total")] == 5


def test_a_consumer_s_counts_find_their_metrics() -> None:
    counts = dict.fromkeys(consume.COUNTS, 0) | {
        "consumed": 20,
        "written": 9,
        "replayed": 4,
        "not_for_us": 3,
        "deduplicated": 2,
        "revisions": 1,
        "batches": 6,
        "destination_failures": 7,
        "breaker_opened": 8,
        "freshness_ms": 1234,
    }
    found = samples(status(component("delta_lake", 2, counts=counts)))

    def of(name: str, **labels: str) -> float:
        return found[place(name, "delta_lake", 2, **labels)]

    assert of("pix_records_total", stage="consume", outcome="accepted", topic="") == 20
    written = {
        outcome: of("pix_records_total", stage="write", outcome=outcome, topic="")
        for outcome in ("written", "replayed", "not_for_us")
    }
    assert written == {"written": 9, "replayed": 4, "not_for_us": 3}
    assert of("pix_duplicates_total") == 2
    assert of("pix_revisions_total") == 1
    assert of("pix_batches_total") == 6
    assert of("pix_destination_failures") == 7
    assert of("pix_breaker_opened_total") == 8
    assert of("pix_freshness_seconds") == pytest.approx(1.234)
    assert of("pix_dlq_records_total") == 0


@pytest.mark.parametrize("state", STATES)
def test_of_all_states_only_the_present_one_is_1(state: str) -> None:
    found = samples(status(component(state=state, restarts=3)))
    states = {s: found[place("pix_component_state", state=s)] for s in STATES}
    assert [s for s, value in states.items() if value] == [state]
    assert found[place("pix_component_restarts_total")] == 3
    assert found[place("pix_component_silent_seconds")] == 0.4
    assert found[place("pix_component_stalled_seconds")] == 1.5


def test_a_state_that_is_in_no_list_is_told_all_the_same() -> None:
    found = samples(status(component(state="dreaming")))
    assert found[place("pix_component_state", state="dreaming")] == 1
    assert found[place("pix_component_state", state="ready")] == 0


def test_components_and_replicas_are_told_apart() -> None:
    parts = [component(counts={"read": 1}), component(replica=1, counts={"read": 2})]
    found = samples(status(*parts, component("iso20022", counts={"read": 3})))

    def read(name: str, replica: int) -> float:
        labels = {"stage": "read", "outcome": "accepted", "topic": ""}
        return found[place("pix_records_total", name, replica, **labels)]

    assert (read("webhook", 0), read("webhook", 1), read("iso20022", 0)) == (1, 2, 3)


def test_before_anything_is_known_the_release_is() -> None:
    labels = (("python_version", platform.python_version()), ("version", __version__))
    assert samples(None) == {("pix_build_info", labels): 1}


def test_a_supervisor_that_hangs_is_seen_in_the_age_of_its_status() -> None:
    now = time.monotonic()
    old, future = status(clock=now - 60), status(clock=now + 60)
    assert 60 <= samples(old)["pix_supervisor_status_age_seconds", ()] < 90
    assert samples(future)["pix_supervisor_status_age_seconds", ()] == 0


def test_every_count_of_ours_has_a_metric_of_its_own() -> None:
    ours = {*consume.COUNTS, *process.COUNTS, *produce.COUNTS, "freshness_ms"}
    for name in builtin(Consumer):
        ours |= load(Consumer, name)(type=name).stats().keys()
    for name in builtin(Producer):
        ours |= load(Producer, name)(type=name).stats().keys()
    assert ours == COUNTS.keys()


def test_a_count_of_a_plugin_from_elsewhere_is_not_lost() -> None:
    counts = {'upserts "of" theirs': 3, "latency_ms": 20}
    found = samples(status(component("postgres", counts=counts)))
    assert found[place("pix_plugin_counts_total", "postgres", count='upserts "of" theirs')] == 3
    assert found[place("pix_plugin_values", "postgres", count="latency_ms")] == 20


def everything() -> SupervisorStatus:
    counts = dict.fromkeys(COUNTS, 1) | {"theirs": 1, "theirs_ms": 1}
    return status(component(counts=counts), component("delta_lake", counts=counts))


def test_every_metric_keeps_the_rules_of_names_types_and_labels() -> None:
    described = {metric.name: metric for metric in (*OF_SUPERVISOR, *OF_COMPONENT)}
    assert len(described) == len(OF_SUPERVISOR) + len(OF_COMPONENT)
    for family in text_string_to_metric_families(text(everything())):
        (name,) = {sample.name for sample in family.samples}
        metric = described.pop(name)
        assert name.startswith("pix_")
        assert name.endswith("_total") == (metric.kind == "counter")
        assert (family.type, family.documentation) == (metric.kind, metric.meaning)
        assert {label for sample in family.samples for label in sample.labels} <= WORDS
    assert described == {}


def test_no_format_tells_when_a_series_was_created_or_what_was_logged() -> None:
    registry = CollectorRegistry()
    registry.register(StatusCollector(everything))
    for accepted in ("text/plain", "application/openmetrics-text;version=1.0.0"):
        made = choose_encoder(accepted)[0](registry).decode()
        assert made.endswith("# EOF\n") == ("openmetrics" in accepted)
        assert "_created" not in made
        assert "a line of the log" not in made


def test_prometheus_own_check_finds_nothing_wrong() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    checked = subprocess.run(
        [promtool, "check", "metrics"],
        input=text(everything()),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
