"""`pixstream trace` on a real broker, with both libraries, after real components did their work."""

import dataclasses
import datetime as dt
import json
import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from pixstream import runtime
from pixstream.cli import main
from pixstream.config.loading import build, resolve
from pixstream.event.identifiers import e2e, rtr
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.kafka.ports import Client
from pixstream.privacy import create_key_file
from pixstream.processes import component
from pixstream.testing.waiting import wait_for

pytestmark = pytest.mark.broker

OURS, THEIRS = "99999010", "99999004"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
Life = dict[str, Any]


def line(identifier: str, **fields: Any) -> str:
    """A line of a bank's own log."""
    return json.dumps(
        {
            "event": "pix.pagamento",
            "status": "liquidado",
            "endToEndId": identifier,
            "valor": "12.34",
            "horario": NOW.isoformat(),
            "pagador": {"ispb": OURS},
            "recebedor": {"ispb": THEIRS},
            **fields,
        }
    )


@dataclasses.dataclass
class Bank:
    """A configuration, its components running in threads, and the command line."""

    directory: Path
    capfd: pytest.CaptureFixture[str]

    @property
    def file(self) -> str:
        return str(self.directory / "kafka_config.yaml")

    @property
    def client(self) -> Client:
        return runtime.client(build(resolve(Path(self.file))))

    def write(self, *lines: str) -> None:
        with (self.directory / "app.jsonl").open("a") as log:
            log.writelines(f"{one}\n" for one in lines)

    def __call__(self, *arguments: str) -> tuple[int, str]:
        self.capfd.readouterr()
        code = main.run(["--config", self.file, *arguments])
        return code, self.capfd.readouterr().out

    @contextmanager
    def running(self) -> Iterator[Callable[[], bool]]:
        """Run every component until the end of the block; says whether all still run."""
        settings, stop = build(resolve(Path(self.file))), threading.Event()
        with ThreadPoolExecutor() as pool:
            runs: list[Future[None]] = [
                pool.submit(component.run, settings, name, 0, stop) for name in settings.components
            ]
            try:
                yield lambda: not any(run.done() for run in runs)
            finally:
                stop.set()
            for run in runs:
                run.result()

    def life(self, identifier: str) -> Life:
        """What happened to a payment; empty while nothing is found."""
        code, out = self("trace", identifier, "--format", "json")
        assert code in {0, 3}, out
        payments = json.loads(out)["payments"]
        return payments[0] if payments else {"payment": None, "steps": []}

    def until(self, identifier: str, alive: Callable[[], bool], *kinds: str) -> list[Life]:
        """Wait until a payment's life has these kinds of steps, in any order; return them all."""

        def there() -> list[Life] | None:
            steps: list[Life] = self.life(identifier)["steps"]
            found = [step["step"] for step in steps if "why" not in step or step["step"] == "mark"]
            return steps if sorted(found) == sorted(kinds) else None

        return wait_for(there, lambda: self.life(identifier), alive=alive, every=0.2)


@pytest.fixture(params=["confluent", "kafka-python"])
def bank(
    request: pytest.FixtureRequest,
    broker: str,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Bank:
    for name in ("PIXSTREAM_CONFIG", "PIXSTREAM_ENV"):
        monkeypatch.delenv(name, raising=False)
    for name in ("pseudonym", "encryption"):
        create_key_file(tmp_path / f"{name}.key")
    configuration = {
        "data_dir": str(tmp_path / "data"),
        "institution": {"ispbs": [OURS]},
        "privacy": {
            "pseudonym_key": f"file:{tmp_path / 'pseudonym.key'}",
            "encryption_key": f"file:{tmp_path / 'encryption.key'}",
        },
        "kafka": {
            "bootstrap_servers": broker,
            "client": request.param,
            "topic_prefix": f"t{secrets.token_hex(4)}.",
        },
        "producers": {"system_log": {"paths": [str(tmp_path / "app.jsonl")], "poll_seconds": 0.1}},
        "consumers": {
            "delta_lake": {
                "uri": str(tmp_path / "lake"),
                "batch": {"rows": 1000, "seconds": 0.2},
            }
        },
    }
    (tmp_path / "kafka_config.yaml").write_text(yaml.safe_dump(configuration))
    (tmp_path / "app.jsonl").touch()
    bank = Bank(tmp_path, capfd)
    assert bank("topics", "apply")[0] == 0
    return bank


def test_the_lives_of_five_payments(bank: Bank) -> None:
    rng = Random(43)
    normal, revised, returned, broken, replayed = (e2e(OURS, NOW, rng) for _ in range(5))
    back = rtr(THEIRS, NOW, rng)
    with bank.running() as alive:
        bank.write(line(normal), line(revised), line(returned))
        bank.write(f"half a line {line(broken)}", f"half a line {line(replayed)}")
        bank.write(line(returned, event="pix.estorno", rtrId=back, motivo="MD06"))
        key = broken.encode()
        with closing(bank.client.outbox("stranger")) as outbox:
            outbox.begin()
            outbox.send(EVENT_TOPICS["pagamentos"], key, b"{}", [])
            outbox.commit()

        once = ("happened", "told", "kafka", "delta")
        steps = bank.until(normal, alive, *once)
        by_kind = {step["step"]: step for step in steps}
        assert by_kind["told"]["source_ref"] == "app.jsonl:0"
        assert by_kind["kafka"]["record"] == "held"
        assert by_kind["delta"]["version"] is not None
        assert (bank.directory / "lake" / "pagamentos" / by_kind["delta"]["file"]).exists()

        bank.until(revised, alive, *once)
        bank.write(line(revised, valor="99.00"))
        steps = bank.until(revised, alive, "happened", *once[1:], *once[1:])
        assert [s["revision"] for s in steps if s["step"] == "delta"] == [0, 1]

        steps = bank.until(returned, alive, *once, *once)
        assert [s["category"] for s in steps if s["step"] == "happened"] == [
            "pagamento",
            "estorno",
        ]
        assert bank.life(back) == bank.life(returned)

        steps = bank.until(broken, alive, "kafka", "letter", "letter")
        letters = [step for step in steps if step["step"] == "letter"]
        assert sorted(step["reason"] for step in letters) == [
            "malformed_json",
            "undecodable_event",
        ]
        assert [step["why"] for step in steps if step["step"] == "delta"] == ["dead_letter"]

        (letter,) = bank.until(replayed, alive, "letter")
        repair = bank.directory / "repair.py"
        repair.write_text(
            "def repair(raw, headers):\n    return raw.removeprefix(b'half a line ')\n"
        )
        code, out = bank(
            *("dead-letters", "replay", letter["letter_id"]),
            *("--with", str(repair), "--why", "ticket 1", "--who", "ana"),
        )
        assert code == 0, out
        steps = bank.until(replayed, alive, "letter", "mark", *once)
        assert bank.life(letter["letter_id"])["steps"] == steps
        place = next(step for step in steps if step["step"] == "kafka")
        where = f"{place['topic']}/{place['partition']}/{place['offset']}"
        assert bank.life(where)["payment"] == replayed
        event_id = next(step for step in steps if step["step"] == "told")["event_id"]
        assert bank.life(event_id)["payment"] == replayed

    code, out = bank("trace", e2e(OURS, NOW, rng))
    assert (code, out.startswith("nothing found")) == (3, True)
