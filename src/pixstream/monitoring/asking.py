"""Questions to a running Prometheus and to OpenSearch: what do they hold?"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Self

import httpx2

from pixstream.errors import MonitoringError
from pixstream.monitoring.index import DATA_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

_SECONDS = 60.0
_PAGE = 2000


class NotReadyError(MonitoringError):
    """It cannot answer yet (HTTP 503)."""


class _Asked:
    """A server that answers JSON.

    Args:
        address: its URL.
    """

    def __init__(self, address: str) -> None:
        self._address = address
        self._client = httpx2.Client(base_url=address, timeout=_SECONDS, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def _ask(self, method: str, path: str, **arguments: Any) -> Any:
        """Return the answer's JSON.

        Raises:
            MonitoringError: it does not answer, or refuses the question.
        """
        try:
            answer = self._client.request(method, path, **arguments)
        except httpx2.TransportError as error:
            raise MonitoringError(f"{self._address}{path}: {type(error).__name__}") from None
        if answer.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
            raise NotReadyError(f"{self._address}{path}: not ready")
        if answer.is_error:
            raise MonitoringError(f"{self._address}{path}: HTTP {answer.status_code}")
        return answer.json()


class Prometheus(_Asked):
    """A Prometheus, or what answers like one."""

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression now, each with `metric` and `value`."""
        found = self._ask("POST", "/api/v1/query", data={"query": expression})
        result: list[dict[str, Any]] = found["data"]["result"]
        return result

    def has_data(self, expression: str, start: float, end: float) -> bool:
        """Return whether an expression had a value at some moment between two times (s)."""
        span = {"query": expression, "start": start, "end": end, "step": 5}
        return bool(self._ask("POST", "/api/v1/query_range", data=span)["data"]["result"])

    def families(self) -> set[str]:
        """Return the metrics of pixstream, as declared, of which it holds a series."""
        declared = self._ask("GET", "/api/v1/targets/metadata")["data"]
        series = set(self._ask("GET", "/api/v1/label/__name__/values")["data"])
        names = {one["metric"] for one in declared if one["metric"].startswith("pix_")}
        return {name for name in names if series & {name, f"{name}_count", f"{name}_total"}}

    def firing(self) -> list[str]:
        """Return the names of the alerts that fire now, one for each series."""
        alerts = self._ask("GET", "/api/v1/alerts")["data"]["alerts"]
        return [one["labels"]["alertname"] for one in alerts if one["state"] == "firing"]


class LogStore(_Asked):
    """An OpenSearch or Elasticsearch with pixstream's log lines."""

    def count(self) -> int:
        """Return how many lines it holds, those of the last moment included.

        0 while it creates their index, which it answers with 503.
        """
        anyhow = {"ignore_unavailable": "true"}
        try:
            self._ask("POST", f"/{DATA_STREAM}/_refresh", params=anyhow)
            return int(self._ask("GET", f"/{DATA_STREAM}/_count", params=anyhow)["count"])
        except NotReadyError:
            return 0

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield every line as it was shipped, by time."""
        question: dict[str, Any] = {
            "size": _PAGE,
            "sort": [{"@timestamp": "asc"}, {"event.id": {"order": "asc", "missing": "_first"}}],
        }
        while True:
            found = self._ask("POST", f"/{DATA_STREAM}/_search", json=question)["hits"]["hits"]
            yield from (hit["_source"] for hit in found)
            if len(found) < _PAGE:
                return
            question["search_after"] = found[-1]["sort"]
