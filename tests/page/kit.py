"""What the tests of the page share: a status, a configuration, and commands that answer at once."""

import datetime as dt
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from pixstream.config.loading import build, resolve
from pixstream.metrics import Distribution, Sample
from pixstream.page.app import create_app
from pixstream.page.site import Site
from pixstream.processes.run_status import ComponentStatus, SupervisorStatus

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC)
TOKEN = "a-token-of-an-operator"
LETTER = "3f2a" + "0" * 28
HERE = "http://127.0.0.1:9490"

LETTERS = [
    {
        "letter-id": LETTER,
        "time": "2026-11-24T12:00:00.000+00:00",
        "source": "webhook",
        "stage": "read",
        "reason": "not_a_pix",
        "message": "body: <b>neither</b> a Pix nor a list",
        "state": "open",
    }
]
OFFSETS = {
    "consumer": "delta_lake",
    "topic": "pix.pagamentos",
    "partition": 0,
    "remembered": 1_234,
    "committed": None,
    "beginning": 0,
    "end": 1_240,
    "lag": 6,
    "note": "",
}
LAG = {
    "total": 6,
    "groups": {"pixstream.delta_lake": 6},
    "partitions": [
        {
            "group": "pixstream.delta_lake",
            "topic": "pix.pagamentos",
            "partition": 0,
            "committed": 1_234,
            "beginning": 0,
            "end": 1_240,
            "lag": 6,
            "alarm": None,
        }
    ],
}
TOPICS = [
    {
        "name": "pix.pagamentos",
        "declared": True,
        "state": {"partitions": 3, "replication": 1, "config": {"retention.ms": "604800000"}},
    },
    {"name": "pix.estornos", "declared": True, "state": None},
]
TRACE = {
    "asked": "E1",
    "found": True,
    "payments": [
        {
            "payment": "E1",
            "steps": [{"time": "2026-11-24T12:00:00Z", "step": "told", "text": "by <webhook>"}],
        }
    ],
    "looked": [{"where": "pix.pagamentos", "when": "2026-11-24", "note": ""}],
    "problems": ["table estornos: no such folder"],
}
ANSWERS: dict[str, object] = {
    "dead-letters list --count": {"reasons": {"not_a_pix": 2, "field_invalid": 1}, "total": 3},
    "dead-letters list": LETTERS[0],
    f"dead-letters show {LETTER}": 'reason    not_a_pix\nstate     open\n\n{"a": "x*"}',
    "dead-letters replay --dry-run": f"{LETTER[:12]}  pix.pagamentos  event E1",
    "dead-letters replay": "1  replayed, as 1 event",
    "positions": [{"producer": "webhook", "stream": "in", "position": "7"}],
    "offsets show": [OFFSETS],
    "topics list": TOPICS,
    "lag": LAG,
    "trace": TRACE,
}
"""What a command prints, by how its words begin; the longest fits."""

FAKE = """
import json, sys
words = " ".join(sys.argv[2:])
with open(sys.argv[1]) as file:
    answers = json.load(file)
with open(sys.argv[1] + ".asked", "a") as file:
    file.write(json.dumps(sys.argv[2:]) + "\\n")
fits = sorted((known for known in answers if words.startswith(known)), key=len)
if not fits:
    sys.exit("error: no broker: " + words)
answer = answers[fits[-1]]
print(answer if isinstance(answer, str) else json.dumps(answer))
"""


def sample(name: str, value: float, kind: Any = "counter", **labels: str) -> Sample:
    short = "_".join((name.removeprefix("pix_").removesuffix("_total"), *labels.values()))
    return Sample(name=name, kind=kind, value=value, labels=labels, short=short)


def records(stage: str, outcome: str, value: float, topic: str = "") -> Sample:
    return sample("pix_records_total", value, stage=stage, outcome=outcome, topic=topic)


def component(
    name: str, *metrics: Sample, state: str = "ready", replica: int = 0, **other: Any
) -> ComponentStatus:
    fields: dict[str, Any] = {
        "restarts": 0,
        "last_exit": None,
        "last_exit_at": None,
        "last_warning": None,
        "last_warning_at": None,
        "rates": {one.short: 2.0 for one in metrics},
    }
    return ComponentStatus(
        component=name,
        replica=replica,
        label=f"{name}-{replica}",
        state=state,
        since=NOW - dt.timedelta(minutes=3),
        pid=4711,
        next_start_seconds=None,
        silent_seconds=0.0,
        stalled_seconds=0.0,
        counts={},
        metrics=list(metrics),
        **(fields | other),
    )


def running(count: float = 1_500.0) -> list[ComponentStatus]:
    """A producer and a consumer at work."""
    latency = Distribution((1.0, 5.0), (90, 10, 0), 100.0)
    return [
        component(
            "webhook",
            records("read", "accepted", count),
            records("produce", "produced", count, "pix.pagamentos"),
            sample("pix_dlq_records_total", 3, reason="not_a_pix"),
        ),
        component(
            "delta_lake",
            records("consume", "accepted", count),
            sample("pix_freshness_seconds", 0.5, "gauge"),
            sample(
                "pix_consumer_lag_records",
                6,
                "gauge",
                group="pixstream.delta_lake",
                topic="pix.pagamentos",
                partition="0",
            ),
            Sample(
                name="pix_end_to_end_latency_seconds",
                kind="histogram",
                value=latency,
                labels={"stage": "delta", "topic": "pix.pagamentos"},
                short="latency",
            ),
        ),
    ]


def status(
    *components: ComponentStatus, clock: float | None = None, stopping: bool = False
) -> SupervisorStatus:
    return SupervisorStatus(
        id="1-a",
        pid=1,
        started=NOW,
        written=NOW,
        clock=time.monotonic() if clock is None else clock,
        stopping=stopping,
        components=list(components) or running(),
    )


class Pages:
    """A page in memory, with what its commands were asked."""

    def __init__(
        self,
        directory: Path,
        answers: Mapping[str, object] = ANSWERS,
        **page: Any,
    ) -> None:
        self.config = directory / "kafka_config.yaml"
        settings = {"token": TOKEN, "bundle": str(directory / "none")} | page
        self.config.write_text(
            f"data_dir: {json.dumps(str(directory))}\n"
            f"privacy: {{pseudonym_key: {'a' * 64}, encryption_key: {'b' * 64}}}\n"
            "producers:\n  webhook: {port: 0, token: very-secret-token}\n"
            "consumers:\n  delta_lake: {uri: lake}\n"
            f"page: {json.dumps(settings)}\n"
        )
        self._answers = directory / "answers.json"
        self._answers.write_text(json.dumps(dict(answers)))
        effective = resolve(self.config)
        self.latest: SupervisorStatus | None = status()
        program = [sys.executable, "-c", FAKE, str(self._answers)]
        self.site = Site(effective, build(effective), program, lambda: self.latest)
        self.app = create_app(self.site)

    def client(self, base: str = HERE, **headers: str) -> TestClient:
        return TestClient(self.app, base_url=base, headers=headers, follow_redirects=False)

    def asked(self) -> list[list[str]]:
        """The words of each command so far."""
        file = Path(f"{self._answers}.asked")
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
