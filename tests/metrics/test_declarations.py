from typing import Any

import pytest

from pixstream.metrics import Counter, Gauge, Histogram


def test_a_metric_without_labels_is_its_own_series() -> None:
    lines = Counter("pix_console_lines_total", "Events shown as lines")
    assert (lines.is_series, lines.short) == (True, "console_lines")


def test_a_series_is_named_by_its_labels_values_unless_it_has_a_name_of_its_own() -> None:
    refused = Counter("pix_refused_bodies_total", "…", ("reason", "path"), short="refused")
    assert not refused.is_series
    busy = refused.of(path="pix", reason="busy")
    assert (busy.is_series, busy.values, busy.short) == (True, ("busy", "pix"), "refused_busy_pix")
    assert refused.of("turned_away", reason="busy", path="pix").short == "turned_away"


@pytest.mark.parametrize(
    ("kind", "name", "labels", "wrong"),
    [
        (Counter, "pix_lines", (), "counters, and only counters, end in _total"),
        (Gauge, "pix_lines_total", (), "counters, and only counters, end in _total"),
        (Histogram, "pix_lines_total", (), "counters, and only counters, end in _total"),
        (Counter, "pix-lines_total", (), "snake_case"),
        (Counter, "Lines_total", (), "snake_case"),
        (Counter, "pix_lines_total", ("the topic",), "snake_case"),
        (Counter, "pix_lines_total", ("component",), "reserved"),
        (Histogram, "pix_lines", ("le",), "reserved"),
    ],
)
def test_a_declaration_that_prometheus_would_refuse_fails_on_import(
    kind: Any, name: str, labels: tuple[str, ...], wrong: str
) -> None:
    with pytest.raises(ValueError, match=wrong):
        kind(name, "help", labels)


@pytest.mark.parametrize("buckets", [(), (2.0, 1.0), (1.0, 1.0)])
def test_buckets_ascend(buckets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="buckets must be ascending"):
        Histogram("pix_seconds", "help", buckets=buckets)


@pytest.mark.parametrize("values", [{}, {"topic": "a", "more": "b"}, {"other": "a"}])
def test_a_series_has_a_value_for_each_label(values: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="its labels are"):
        Counter("pix_lines_total", "help", ("topic",)).of(**values)
