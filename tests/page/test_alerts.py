"""Alerts: those of an Alertmanager, and the supervisor's own view where it cannot be asked."""

import asyncio
import random
from pathlib import Path

import httpx2
import pytest

from pixstream.event.identifiers import generate_cpf
from pixstream.page import alerts
from pixstream.page.alerts import Alert
from pixstream.page.words import WORDS
from tests.page.kit import NOW, Pages, component, status

FIRING = [
    {
        "labels": {"alertname": "ConsumerStalled", "severity": "critical", "group": "g"},
        "annotations": {
            "summary": "no progress",
            "runbook_url": "https://wiki.example/stalled",
        },
        "startsAt": "2026-11-24T12:00:00Z",
        "status": {"state": "active"},
    },
    {"labels": {"alertname": "Odd"}, "annotations": {"runbook_url": "javascript:alert(1)"}},
]


def ask(answer: httpx2.Response) -> tuple[list[Alert] | None, list[httpx2.Request]]:
    seen: list[httpx2.Request] = []

    def respond(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return answer

    transport = httpx2.MockTransport(respond)
    found = asyncio.run(alerts.of_alertmanager("http://alerts:9093/am/", transport))
    return found, seen


def test_firing_alerts_are_shown_as_their_author_wrote_them() -> None:
    found, (request,) = ask(httpx2.Response(200, json=FIRING))
    first = Alert(
        "ConsumerStalled", "critical", "no progress", "group=g", NOW, "https://wiki.example/stalled"
    )
    assert found == [first, Alert("Odd", "", "", "", None)]
    assert request.url.path == "/am/api/v2/alerts"
    assert request.url.params["silenced"] == "false"


def test_a_document_in_an_alert_is_masked() -> None:
    cpf = generate_cpf(random.Random(7))
    found, _ = ask(httpx2.Response(200, json=[{"annotations": {"summary": f"key {cpf}"}}]))
    assert found is not None
    assert cpf not in found[0].text


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(503),
        httpx2.Response(200, text="no JSON"),
        httpx2.Response(200, json={"no": "list"}),
        httpx2.Response(200, content=b"[" + b" " * (3 * 2**20)),
    ],
)
def test_an_alertmanager_that_answers_nonsense_is_unknown(answer: httpx2.Response) -> None:
    assert ask(answer)[0] is None


def test_a_page_shows_both_views_and_says_when_one_is_missing(tmp_path: Path) -> None:
    pages = Pages(tmp_path, alertmanager="http://127.0.0.1:9/none")
    pages.latest = status(component("webhook", state="waiting"))
    text = pages.client().get("/alerts").text
    assert WORDS["alerts_unreachable"].en.format(address="http://127.0.0.1:9/none") in text
    assert WORDS["alert_waiting"].en in text


def test_what_is_worst_comes_first_and_their_number_is_bounded() -> None:
    many = [component("c", replica=n, state="waiting") for n in range(alerts.MOST_ALERTS)]
    found = alerts.of_states(status(*many, component("bad", state="failed")), fresh=True)
    assert len(found) == alerts.MOST_ALERTS
    assert (found[0].name, found[0].where) == ("alert_failed", "bad-0")


def test_a_warning_of_a_component_that_is_ready_is_told() -> None:
    warned = component("webhook", last_warning="slow", last_warning_at=NOW)
    found = alerts.of_states(status(warned, component("other")), fresh=True)
    assert found == [Alert("alert_warned", "info", "slow", "webhook-0", NOW)]
