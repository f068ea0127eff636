"""What a status becomes in Prometheus' text, parsed again by Prometheus' own client."""

import datetime as dt
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.exposition import choose_encoder
from prometheus_client.parser import text_string_to_metric_families

from pixstream import __version__
from pixstream.consumers.console import consumer
from pixstream.dead_letters import counting
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.lake import append
from pixstream.loops import consume, process, produce, sending
from pixstream.metrics import Counter, Counts, Distribution, Gauge, Histogram, Metric, Sample
from pixstream.metrics import records as journey
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.discovery import builtin, load
from pixstream.plugins.producer import Producer
from pixstream.processes import lag_watch
from pixstream.processes.metrics import OF_COMPONENT, OF_SUPERVISOR, StatusCollector
from pixstream.processes.run_status import STATES, ComponentStatus, SupervisorStatus
from pixstream.producers.webhook import refusals

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
WORDS = {"version", "python_version", "component", "replica", "state", "stage", "outcome"} | {
    *("topic", "reason", "error_type", "table", "group", "partition", "le")
}
LATENCY = Histogram("pix_latency_seconds", "How long it took", ("topic",), buckets=(0.5, 1.0))
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def lag() -> list[Sample]:
    """What `LagWatch` measures."""
    counts = Counts()
    place = {"group": "pixstream.delta_lake", "topic": "pix.pagamentos", "partition": "0"}
    for metric in lag_watch.METRICS:
        counts.set(metric.of(**{name: place[name] for name in metric.labels}), 1)
    return counts.samples()


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


def text(seen: SupervisorStatus | None, also: Callable[[], Sequence[Sample]] = tuple) -> str:
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: seen, also))
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


def counted(numbers: Mapping[Metric, float]) -> list[Sample]:
    """The samples of these metrics, each with one value."""
    counts = Counts()
    for metric, number in numbers.items():
        if isinstance(metric, Counter):
            counts.add(metric, number)
        elif isinstance(metric, Histogram):
            counts.observe(metric, number)
        else:
            assert isinstance(metric, Gauge)
            counts.set(metric, number)
    return counts.samples()


def test_one_count_is_exactly_these_lines() -> None:
    seen = status(component(metrics=counted({journey.RETRIES: 3})))
    lines = text(seen).splitlines()
    start = lines.index("# HELP pix_retries_total Waits after a transient failure")
    assert lines[start + 1 : start + 3] == [
        "# TYPE pix_retries_total counter",
        'pix_retries_total{component="webhook",replica="0"} 3.0',
    ]


def test_a_histogram_is_exactly_these_lines() -> None:
    counts = Counts()
    series = LATENCY.of(topic="pix.pagamentos")
    for seconds in (0.25, 0.75, 0.75, 9.0):
        counts.observe(series, seconds)
    lines = text(status(component(metrics=counts.samples()))).splitlines()
    start = lines.index("# HELP pix_latency_seconds How long it took")
    ours, theirs = 'component="webhook"', 'replica="0",topic="pix.pagamentos"'
    assert lines[start + 1 : start + 7] == [
        "# TYPE pix_latency_seconds histogram",
        f'pix_latency_seconds_bucket{{{ours},le="0.5",{theirs}}} 1.0',
        f'pix_latency_seconds_bucket{{{ours},le="1.0",{theirs}}} 3.0',
        f'pix_latency_seconds_bucket{{{ours},le="+Inf",{theirs}}} 4.0',
        f"pix_latency_seconds_count{{{ours},{theirs}}} 4.0",
        f"pix_latency_seconds_sum{{{ours},{theirs}}} 10.75",
    ]


def test_what_a_producer_counts_keeps_its_names_and_labels() -> None:
    numbers: dict[Metric, float] = {m: n for n, m in enumerate(produce.METRICS, 1)}
    found = samples(status(component(metrics=counted(numbers))))
    assert found[place("pix_records_total", stage="read", outcome="accepted", topic="")] == 1
    for category, series in sending.PRODUCED.items():
        topic = EVENT_TOPICS[category.plural]
        produced = place("pix_records_total", stage="produce", outcome="produced", topic=topic)
        assert found[produced] == numbers[series]
    for series in counting.FROM_SOURCES:
        reason, topic = series.values
        letters = place("pix_dlq_records_total", reason=reason, topic=topic)
        assert found[letters] == numbers[series]
    assert found[place("pix_committed_readings_total")] == numbers[journey.COMMITTED]
    assert found[place("pix_retries_total")] == numbers[journey.RETRIES]


def test_what_a_consumer_counts_keeps_its_names_and_labels() -> None:
    declared = dict.fromkeys((*consume.METRICS, *append.METRICS, consumer.LINES))
    numbers: dict[Metric, float] = {m: n for n, m in enumerate(declared, 1)}
    found = samples(status(component("delta_lake", 2, metrics=counted(numbers))))
    names = {metric.short: metric for metric in numbers}

    def of(name: str, **labels: str) -> str:
        number = found[place(name, "delta_lake", 2, **labels)]
        return next(short for short, metric in names.items() if numbers[metric] == number)

    assert of("pix_records_total", stage="consume", outcome="accepted", topic="") == "consumed"
    for outcome in ("written", "replayed", "not_for_us"):
        assert of("pix_records_total", stage="write", outcome=outcome, topic="") == outcome
    assert of("pix_duplicates_total") == "deduplicated"
    assert of("pix_revisions_total") == "revisions"
    assert of("pix_batches_total") == "batches"
    assert of("pix_destination_failures") == "destination_failures"
    assert of("pix_breaker_opened_total") == "breaker_opened"
    assert of("pix_freshness_seconds") == "freshness_seconds"
    rejected = {"reason": "destination_rejected", "topic": "pix.estornos"}
    assert of("pix_dlq_records_total", **rejected) == "letters"
    assert of("pix_console_lines_total") == "shown"


def test_refused_bodies_are_told_apart_by_their_reason() -> None:
    found = samples(status(component(metrics=Counts(*refusals.METRICS).samples())))
    reasons = {dict(labels)["reason"] for name, labels in found if name.startswith("pix_refused")}
    assert reasons == {"busy", "away", "path", "token", "too_large", "encoding"}


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
    def one(number: int, name: str = "webhook", replica: int = 0) -> ComponentStatus:
        return component(name, replica, metrics=counted({journey.READ: number}))

    found = samples(status(one(1), one(2, replica=1), one(3, "iso20022")))

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


def test_one_name_declared_as_two_kinds_is_exported_as_the_first_and_that_is_logged_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = counted({Gauge("size", "Ours"): 1})
    theirs = Counts()
    theirs.observe(Histogram("size", "Theirs"), 1)
    seen = status(component(metrics=ours), component("theirs", metrics=theirs.samples()))
    registry = CollectorRegistry()
    registry.register(StatusCollector(lambda: seen))
    for _ in range(2):
        assert b"# TYPE size gauge" in generate_latest(registry)
    (logged,) = caplog.messages
    assert logged.startswith("size of theirs is a histogram, but a gauge elsewhere")


def declared() -> list[Metric]:
    """Everything that our loops and plugins count."""
    found: dict[Metric, None] = dict.fromkeys(
        (*produce.METRICS, *consume.METRICS, *process.METRICS)
    )
    for name in builtin(Producer):
        found |= dict.fromkeys(load(Producer, name).metrics)
    for name in builtin(Consumer):
        found |= dict.fromkeys(load(Consumer, name).metrics)
    return [*found]


def test_one_name_in_status_is_one_metric() -> None:
    names = {(metric.short, metric.name) for metric in declared()}
    assert len({short for short, _ in names}) == len(names)


def everything() -> SupervisorStatus:
    latency = Sample(
        name=LATENCY.name,
        kind="histogram",
        value=Distribution((0.5, 1.0), (1, 2, 3), 4.5),
        help=LATENCY.help,
        labels={"topic": "pix.pagamentos"},
    )
    metrics = [*counted(dict.fromkeys(declared(), 1)), latency]
    return status(component(metrics=metrics), component("delta_lake", metrics=metrics))


def test_every_metric_keeps_the_rules_of_names_types_and_labels() -> None:
    described: dict[str, Metric] = {
        metric.name: metric for metric in (*OF_SUPERVISOR, *OF_COMPONENT, *declared(), LATENCY)
    }
    for family in text_string_to_metric_families(text(everything(), lag)):
        suffix = "_total" if family.type == "counter" else ""
        metric = described.pop(family.name + suffix)
        assert metric.name.startswith("pix_")
        assert (family.type, family.documentation) == (metric.kind, metric.help)
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
        input=text(everything(), lag),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
