"""What needs attention now: the alerts of an Alertmanager, or what the supervisor itself sees."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx2
import msgspec

from pixstream.event.identifiers import mask_documents
from pixstream.processes.run_status import READY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.processes.run_status import ComponentStatus, SupervisorStatus

log = logging.getLogger("pixstream.page")

MOST_ALERTS = 200
_TIMEOUT_SECONDS = 3.0
_MOST_BYTES = 2 * 2**20
_BAD = frozenset({"failed", "stuck", "silent", "restarting", "stopped"})


class Alert(NamedTuple):
    """One alert.

    Attributes:
        name: the name of the rule; of our own: a key of `words`.
        severity: critical, warning, info, or another word of the rule's author.
        text: what is wrong, in the language of its author.
        where: what it is about.
        since: when it began.
        runbook: the address of a page that says what to do; empty: none.
    """

    name: str
    severity: str
    text: str
    where: str
    since: dt.datetime | None
    runbook: str = ""


class _Remote(msgspec.Struct):
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    startsAt: str = ""  # noqa: N815  Alertmanager's own name


def of_states(status: SupervisorStatus | None, *, fresh: bool) -> list[Alert]:
    """Return what the states of the components say, what is worst first."""
    if status is None or not fresh:
        return [Alert("alert_stale", "critical", "", "pixstream run", None)]
    found = [alert for component in status.components for alert in _of_component(component)]
    return sorted(found, key=lambda alert: alert.severity != "critical")[:MOST_ALERTS]


def _of_component(component: ComponentStatus) -> Iterator[Alert]:
    c = component
    if c.state != READY:
        severity = "critical" if c.state in _BAD else "warning"
        why = c.last_exit if c.state == "restarting" else c.last_warning
        yield Alert(f"alert_{c.state}", severity, why or "", c.label, c.since)
    elif c.last_warning is not None:
        yield Alert("alert_warned", "info", c.last_warning, c.label, c.last_warning_at)


async def of_alertmanager(
    address: str, transport: httpx2.AsyncBaseTransport | None = None
) -> list[Alert] | None:
    """Return the alerts that fire and are not silenced; None: it cannot be asked now.

    Args:
        address: of the Alertmanager, with the prefix of its path if it has one.
        transport: for tests.
    """
    url = f"{address.rstrip('/')}/api/v2/alerts"
    wanted = {"active": "true", "silenced": "false", "inhibited": "false"}
    try:
        async with (
            httpx2.AsyncClient(timeout=_TIMEOUT_SECONDS, transport=transport) as client,
            client.stream("GET", url, params=wanted) as answer,
        ):
            answer.raise_for_status()
            body = bytearray()
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _MOST_BYTES:
                    raise httpx2.TransportError("the answer is too large")
        remote = msgspec.json.decode(body, type=list[_Remote])
    except (httpx2.HTTPError, httpx2.InvalidURL, msgspec.MsgspecError) as error:
        log.warning(
            "page.alertmanager: %s cannot be asked (%s); the page shows the supervisor's own view",
            address,
            type(error).__name__,
        )
        return None
    return [_alert(one) for one in remote[:MOST_ALERTS]]


def _alert(remote: _Remote) -> Alert:
    labels, notes = dict(remote.labels), remote.annotations
    name = labels.pop("alertname", "?")
    severity = labels.pop("severity", "")
    where = ", ".join(f"{key}={value}" for key, value in sorted(labels.items()))
    runbook = notes.get("runbook_url", "")
    text = notes.get("summary") or notes.get("description") or ""
    return Alert(
        name,
        severity,
        mask_documents(text),
        mask_documents(where),
        _time(remote.startsAt),
        runbook if runbook.startswith(("http://", "https://")) else "",
    )


def _time(text: Any) -> dt.datetime | None:
    try:
        return dt.datetime.fromisoformat(text)
    except ValueError:
        return None
