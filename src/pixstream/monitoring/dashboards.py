"""The dashboards: which panels there are, what each asks Prometheus, and in which unit.

One definition for all tools: `docs/generate.py` makes the files of Grafana and of VictoriaMetrics'
page from it (`monitoring/grafana`, `monitoring/victoriametrics`). `$component` and `$topic` are
variables that the reader of a dashboard chooses, by default all.
"""

from __future__ import annotations

from typing import NamedTuple

COMPONENT = 'component=~"$component"'
TOPIC = 'topic=~"$topic"'
WINDOW = "[$__rate_interval]"


class Query(NamedTuple):
    """What a panel asks.

    Attributes:
        expression: PromQL.
        legend: the name of each series, with its labels as `{{label}}`.
    """

    expression: str
    legend: str


class Panel(NamedTuple):
    """A panel with lines over time, or with the last values alone.

    Attributes:
        title: its heading.
        description: how to read it, in a sentence.
        unit: Grafana's name of the unit of all its values.
        queries: what it asks.
        single: it shows the last values as numbers.
    """

    title: str
    description: str
    unit: str
    queries: tuple[Query, ...]
    single: bool = False


class Row(NamedTuple):
    """Panels under a heading."""

    title: str
    panels: tuple[Panel, ...]


class Dashboard(NamedTuple):
    """A dashboard.

    Attributes:
        uid: its address in Grafana.
        title: its name.
        description: what it is for.
        rows: its content.
    """

    uid: str
    title: str
    description: str
    rows: tuple[Row, ...]


def rate(metric: str, labels: str = COMPONENT, by: str = "component") -> str:
    """Return the growth of a counter per second, by some labels."""
    return f"sum by ({by}) (rate({metric}{{{labels}}}{WINDOW}))"


def quantile(share: float, metric: str, labels: str, by: str) -> str:
    """Return the value below which this share of a histogram's observations are."""
    buckets = f"sum by (le, {by}) (rate({metric}_bucket{{{labels}}}{WINDOW}))"
    return f"histogram_quantile({share}, {buckets})"


def _latency(stage: str) -> tuple[Query, ...]:
    labels = f'stage="{stage}", {TOPIC}'
    return tuple(
        Query(
            quantile(share, "pix_end_to_end_latency_seconds", labels, "topic"),
            f"{{{{topic}}}} p{share * 100:g}",
        )
        for share in (0.5, 0.95, 0.99)
    )


def _durations(metric: str) -> tuple[Query, ...]:
    return tuple(
        Query(
            quantile(share, metric, COMPONENT, "component"), f"{{{{component}}}} p{share * 100:g}"
        )
        for share in (0.5, 0.99)
    )


_ACCEPTED = f'stage="read", outcome="accepted", {COMPONENT}'
_WRITTEN = f'stage="write", outcome="written", {COMPONENT}'

OVERVIEW = Dashboard(
    "pixstream-overview",
    "pixstream: overview",
    "Whether all is well, and where it is not.",
    (
        Row(
            "Now",
            (
                Panel(
                    "Components that are not ready",
                    "0 when every process works.",
                    "none",
                    (
                        Query(
                            'count(pix_component_state{state="ready"} == 0) or vector(0)',
                            "not ready",
                        ),
                    ),
                    single=True,
                ),
                Panel(
                    "Records without an outcome",
                    "Accepted, and neither written, refused nor in hand: 0, or something is lost.",
                    "none",
                    (Query("sum(pix:records:unaccounted)", "records"),),
                    single=True,
                ),
                Panel(
                    "Largest lag",
                    "How long the oldest record that a group has to read has been waiting.",
                    "s",
                    (Query("max(pix_consumer_lag_seconds)", "lag"),),
                    single=True,
                ),
                Panel(
                    "Dead letters in the last hour",
                    "Each is a record that a person has to look at.",
                    "none",
                    (Query("sum(increase(pix_dlq_records_total[1h]))", "letters"),),
                    single=True,
                ),
            ),
        ),
        Row(
            "Flow",
            (
                Panel(
                    "Read from sources",
                    "Records that producers have committed to Kafka.",
                    "cps",
                    (Query(rate("pix_records_total", _ACCEPTED), "{{component}}"),),
                ),
                Panel(
                    "Written to tables",
                    "Rows that have become visible.",
                    "cps",
                    (Query(rate("pix_records_total", _WRITTEN), "{{component}}"),),
                ),
                Panel(
                    "Age of events in the table",
                    "From the time of the source until the row is visible.",
                    "s",
                    _latency("write"),
                ),
                Panel(
                    "Lag",
                    "How far each group is behind, in time.",
                    "s",
                    (Query("max by (group) (pix_consumer_lag_seconds)", "{{group}}"),),
                ),
                Panel(
                    "In hand",
                    "Records that are read from Kafka and not yet written.",
                    "short",
                    (
                        Query(
                            f"sum by (component) (pix_in_hand_records{{{COMPONENT}}})",
                            "{{component}}",
                        ),
                    ),
                ),
                Panel(
                    "Failures",
                    "By the stage at which they happened.",
                    "cps",
                    (
                        Query(
                            rate("pix_errors_total", COMPONENT, "component, stage"),
                            "{{component}} {{stage}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

SOURCES = Dashboard(
    "pixstream-sources",
    "pixstream: sources",
    "What each source brings, how old it is, and what holds it up.",
    (
        Row(
            "What comes",
            (
                Panel(
                    "By topic",
                    "Events that were sent to each topic.",
                    "cps",
                    (
                        Query(
                            rate(
                                "pix_records_total",
                                f'stage="produce", outcome="produced", {COMPONENT}, {TOPIC}',
                                "component, topic",
                            ),
                            "{{component}} {{topic}}",
                        ),
                    ),
                ),
                Panel(
                    "Bytes",
                    "Keys and values, before compression.",
                    "Bps",
                    (
                        Query(
                            rate("pix_bytes_total", f'stage="produce", {COMPONENT}'),
                            "{{component}}",
                        ),
                    ),
                ),
                Panel(
                    "Age of events in Kafka",
                    "From the time of the source until the transaction is committed.",
                    "s",
                    _latency("produce"),
                ),
                Panel(
                    "Newest event",
                    "How long ago the newest event of each source happened.",
                    "s",
                    (
                        Query(
                            "time() - max by (component) "
                            f"(pix_last_event_timestamp_seconds{{{COMPONENT}}})",
                            "{{component}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "What holds it up",
            (
                Panel(
                    "Time spent waiting",
                    "Share of each process's time, for its source or for Kafka.",
                    "percentunit",
                    (
                        Query(
                            rate("pix_backpressure_seconds_total", COMPONENT),
                            "{{component}}",
                        ),
                    ),
                ),
                Panel(
                    "Bodies that the webhook refused",
                    "By reason; their senders try again after busy and away.",
                    "cps",
                    (
                        Query(
                            rate("pix_refused_bodies_total", COMPONENT, "component, reason"),
                            "{{component}} {{reason}}",
                        ),
                    ),
                ),
                Panel(
                    "Connections that the webhook cut off",
                    "By reason; tls are refused handshakes.",
                    "cps",
                    (
                        Query(
                            rate("pix_closed_connections_total", COMPONENT, "component, reason"),
                            "{{component}} {{reason}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

KAFKA = Dashboard(
    "pixstream-kafka",
    "pixstream: Kafka",
    "Transactions, lag, and the brokers themselves.",
    (
        Row(
            "Groups",
            (
                Panel(
                    "Lag in records",
                    "Offsets that each group has yet to read.",
                    "short",
                    (
                        Query(
                            f"sum by (group, topic) (pix_consumer_lag_records{{{TOPIC}}})",
                            "{{group}} {{topic}}",
                        ),
                    ),
                ),
                Panel(
                    "Lag in time",
                    "How long the next record of each group has been waiting.",
                    "s",
                    (
                        Query(
                            f"max by (group, topic) (pix_consumer_lag_seconds{{{TOPIC}}})",
                            "{{group}} {{topic}}",
                        ),
                    ),
                ),
                Panel(
                    "Growth of topics",
                    "Offsets per second, control records among them.",
                    "cps",
                    (
                        Query(
                            f"sum by (topic) (deriv(pix_topic_end_offset{{{TOPIC}}}[5m]))",
                            "{{topic}}",
                        ),
                    ),
                ),
                Panel(
                    "Rebalances",
                    "Assignments of partitions; a group at rest has none.",
                    "none",
                    (
                        Query(
                            "sum by (component) "
                            f"(increase(pix_rebalances_total{{{COMPONENT}}}[15m]))",
                            "{{component}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Transactions of producers",
            (
                Panel(
                    "Duration",
                    "From the begin of a transaction to its commit, the source's time included.",
                    "s",
                    _durations("pix_transaction_duration_seconds"),
                ),
                Panel(
                    "Records of a transaction",
                    "On average.",
                    "short",
                    (
                        Query(
                            "sum by (component) (rate(pix_batch_records_sum"
                            f'{{stage="produce", {COMPONENT}}}{WINDOW}))'
                            " / sum by (component) (rate(pix_batch_records_count"
                            f'{{stage="produce", {COMPONENT}}}{WINDOW}))',
                            "{{component}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Brokers",
            (
                Panel(
                    "Partitions in trouble",
                    "Under-replicated, or below the least number of replicas: 0.",
                    "none",
                    (
                        Query(
                            "sum(kafka_server_replicamanager_underreplicatedpartitions)",
                            "under-replicated",
                        ),
                        Query(
                            "sum(kafka_server_replicamanager_underminisrpartitioncount)",
                            "below min.insync.replicas",
                        ),
                    ),
                ),
                Panel(
                    "Requests",
                    "By kind.",
                    "reqps",
                    (
                        Query(
                            f"sum by (request) (rate(kafka_network_requests_total{WINDOW}))",
                            "{{request}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

DELTA = Dashboard(
    "pixstream-delta",
    "pixstream: Delta Lake",
    "Commits, files and versions of the tables.",
    (
        Row(
            "Commits",
            (
                Panel(
                    "Duration",
                    "What the destination took to accept a batch, disk and log included.",
                    "s",
                    _durations("pix_commit_duration_seconds"),
                ),
                Panel(
                    "Records of a batch",
                    "On average.",
                    "short",
                    (
                        Query(
                            "sum by (component) (rate(pix_batch_records_sum"
                            f'{{stage="consume", {COMPONENT}}}{WINDOW}))'
                            " / sum by (component) (rate(pix_batch_records_count"
                            f'{{stage="consume", {COMPONENT}}}{WINDOW}))',
                            "{{component}}",
                        ),
                    ),
                ),
                Panel(
                    "Outcomes",
                    "What became of what was read from Kafka.",
                    "cps",
                    (
                        Query(
                            rate("pix_records_total", f'stage="write", {COMPONENT}', "outcome"),
                            "{{outcome}}",
                        ),
                        Query(
                            rate("pix_duplicates_total", COMPONENT, "component"), "added nothing"
                        ),
                    ),
                ),
                Panel(
                    "Conflicts",
                    "Commits that another writer preceded.",
                    "cps",
                    (
                        Query(
                            rate("pix_delta_commit_conflicts_total", COMPONENT, "table"),
                            "{{table}}",
                        ),
                    ),
                ),
            ),
        ),
        Row(
            "Tables",
            (
                Panel(
                    "Files",
                    "Data files of each table; maintenance merges small ones.",
                    "short",
                    (
                        Query(
                            f"max by (table) (pix_delta_files{{{COMPONENT}}})",
                            "{{table}}",
                        ),
                    ),
                ),
                Panel(
                    "Version",
                    "Of each table after the last commit.",
                    "none",
                    (
                        Query(
                            f"max by (table) (pix_delta_table_version{{{COMPONENT}}})",
                            "{{table}}",
                        ),
                    ),
                ),
                Panel(
                    "Size of new files",
                    "Median; small ones make every query slow.",
                    "bytes",
                    (
                        Query(
                            quantile(0.5, "pix_delta_file_bytes", COMPONENT, "table"),
                            "{{table}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

LETTERS = Dashboard(
    "pixstream-letters",
    "pixstream: dead letters",
    "What could not be read or written, and why.",
    (
        Row(
            "Dead letters",
            (
                Panel(
                    "By reason",
                    "In the last hour.",
                    "none",
                    (
                        Query(
                            "sum by (reason) "
                            f"(increase(pix_dlq_records_total{{{COMPONENT}}}[1h])) > 0",
                            "{{reason}}",
                        ),
                    ),
                ),
                Panel(
                    "By component",
                    "In the last hour.",
                    "none",
                    (
                        Query(
                            "sum by (component) "
                            f"(increase(pix_dlq_records_total{{{COMPONENT}}}[1h]))",
                            "{{component}}",
                        ),
                    ),
                ),
                Panel(
                    "Share of what was read",
                    "Letters of each producer among the records it has accepted.",
                    "percentunit",
                    (
                        Query(
                            rate("pix_dlq_records_total", f'topic="", {COMPONENT}')
                            + " / "
                            + rate("pix_records_total", _ACCEPTED),
                            "{{component}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

SLO = Dashboard(
    "pixstream-slo",
    "pixstream: objectives",
    "Whether events are fresh and none is lost, and how fast the budget is used up.",
    (
        Row(
            "Freshness",
            (
                Panel(
                    "Late events",
                    "Share of events that were visible more than 60 s after their time.",
                    "percentunit",
                    (
                        Query(f"pix:freshness:bad_ratio5m{{{TOPIC}}}", "{{topic}} 5 min"),
                        Query(f"pix:freshness:bad_ratio1h{{{TOPIC}}}", "{{topic}} 1 h"),
                    ),
                ),
                Panel(
                    "Burn rate",
                    "1: the month's budget of 0.1 % lasts exactly a month; above 14.4 somebody is "
                    "called.",
                    "none",
                    (
                        Query(f"pix:freshness:bad_ratio1h{{{TOPIC}}} / 0.001", "{{topic}} 1 h"),
                        Query(f"pix:freshness:bad_ratio6h{{{TOPIC}}} / 0.001", "{{topic}} 6 h"),
                    ),
                ),
            ),
        ),
        Row(
            "Nothing is lost",
            (
                Panel(
                    "Records without an outcome",
                    "By component; 0 at every moment.",
                    "none",
                    (Query("pix:records:unaccounted", "{{component}}"),),
                ),
                Panel(
                    "Interrupted",
                    "In hand when a process ended; the next one reads them again.",
                    "none",
                    (
                        Query(
                            "sum by (component) "
                            f"(increase(pix_interrupted_records_total{{{COMPONENT}}}[1h]))",
                            "{{component}}",
                        ),
                    ),
                ),
            ),
        ),
    ),
)

DASHBOARDS = (OVERVIEW, SOURCES, KAFKA, DELTA, LETTERS, SLO)
