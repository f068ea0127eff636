"""Commands as a person runs them: exit codes, what is printed, and what never is."""

import datetime as dt
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

import httpx2
import pytest
import yaml

from pixstream.cli import main
from pixstream.event.identifiers import e2e, generate_cpf
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.testing.waiting import wait_for

NOW = dt.datetime(2026, 11, 24, tzinfo=dt.UTC)
CPF = generate_cpf(Random(4))


@pytest.fixture(autouse=True)
def environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PIXSTREAM_CONFIG", "PIXSTREAM_ENV"):
        monkeypatch.delenv(name, raising=False)


def configure(tmp_path: Path, **sections: object) -> None:
    settings = {
        "data_dir": "data",
        "privacy": {
            "pseudonym_key": "file:keys/pseudonym.key",
            "encryption_key": "file:keys/encryption.key",
        },
        "producers": {"system_log": {"paths": ["app.jsonl"], "poll_seconds": 0.1}},
        "consumers": {"delta_lake": {"uri": "lake", "batch": {"seconds": 0.2}}},
        **sections,
    }
    (tmp_path / "kafka_config.yaml").write_text(yaml.safe_dump(settings))


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(list(arguments))
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    "arguments", [["nonsense"], ["run", "--nonsense"], ["demo", "--events", "0"]]
)
def test_wrong_usage_is_exit_2(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    code, _, err = call(capfd, *arguments)
    assert code == 2
    assert "Usage:" in err


@pytest.mark.parametrize("command", [["run"], ["check"], ["lag"], ["dead-letters", "list"]])
def test_without_a_configuration_every_command_says_so(
    capfd: pytest.CaptureFixture[str], command: list[str]
) -> None:
    code, _, err = call(capfd, *command)
    assert code == 2
    assert "kafka_config.yaml" in err
    assert "Traceback" not in err


def test_broken_yaml_is_named_with_file_and_line(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "kafka_config.yaml").write_text("kafka:\n  client: [confluent\n")
    code, _, err = call(capfd, "run")
    assert code == 2
    assert "kafka_config.yaml:" in err


def test_run_without_keys_says_how_to_make_them(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1"})
    code, _, err = call(capfd, "run")
    assert code == 2
    assert "pixstream keys create" in err
    code, out, _ = call(capfd, "keys", "create")
    assert code == 0
    assert out.count("created") == 2
    assert call(capfd, "keys", "create")[1].count("not changed") == 2


def test_an_unknown_component_is_named(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    configure(tmp_path)
    code, _, err = call(capfd, "run", "webhok")
    assert code == 2
    assert "webhok" in err
    assert "system_log" in err


def test_a_command_without_broker_says_what_to_do(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure(tmp_path)
    code, _, err = call(capfd, "dead-letters", "list")
    assert code == 1
    assert "pixstream broker start" in err
    configure(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1", "request_timeout_ms": 2000})
    code, _, err = call(capfd, "topics", "plan")
    assert code == 1
    assert "127.0.0.1:1" in err


def test_check_tries_everything_and_exits_2_where_something_fails(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure(tmp_path, kafka={"bootstrap_servers": "127.0.0.1:1", "request_timeout_ms": 2000})
    code, out, _ = call(capfd, "check")
    assert code == 2
    lines = out.splitlines()
    found = [line.split()[0] for line in lines]
    assert found == ["ok", "FAIL", "ok", "ok", "FAIL", "--", "ok", "ok"]
    assert not (tmp_path / "lake").exists()


def test_check_warns_of_what_works_but_should_not_stay_so(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bank = {
        "url": "http://bank.invalid/pix",
        "token_url": "http://127.0.0.1:1/token",
        "enabled": True,
    }
    configure(tmp_path, producers={"bank_api": bank})
    _, out, _ = call(capfd, "check")
    (warning,) = [line for line in out.splitlines() if line.startswith("warn ")]
    assert warning.startswith("warn bank_api  url: http:// sends tokens, secrets and Pix")


def test_preview_prints_a_line_for_each_reading(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pix = {"endToEndId": e2e("99999004", NOW, Random(1)), "valor": "1.00", "horario": "?"}
    (tmp_path / "body.json").write_text(json.dumps({"pix": [pix, {"valor": CPF}]}))
    (tmp_path / "junk.bin").write_bytes(b"\xff\x00{")
    code, out, err = call(capfd, "preview", "webhook", "body.json", "junk.bin", "missing.json")
    assert code == 1
    assert "missing.json: cannot be read" in err
    lines = [json.loads(line) for line in out.splitlines()]
    assert [next(iter(line)) for line in lines] == ["event", "dead_letter", "dead_letter"]
    assert lines[0]["event"]["source_ref"] == "body.json"
    assert lines[0]["event"]["flags"] == ["time_inferred", "time_irregular"]
    assert CPF not in out


def test_preview_of_an_unknown_type_lists_the_known_ones(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, _, err = call(capfd, "preview", "webhok", "x")
    assert code == 2
    assert "bank_api, iso20022, system_log, webhook" in err


def test_a_simulation_can_be_previewed(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert call(capfd, "simulate", "world", "--events", "200")[0] == 0
    files = sorted(str(path) for path in (tmp_path / "world" / "spi").iterdir())
    code, out, _ = call(capfd, "preview", "iso20022", *files)
    assert code == 0
    assert out.count('{"event"') > 20


@pytest.mark.parametrize(
    "arguments",
    [
        ["simulate", "/proc/nowhere", "--events", "5"],
        ["demo", "--directory", "/proc/nowhere", "--events", "5"],
        ["--set", "data_dir=/proc/nowhere", "broker", "start"],
        ["--set", "privacy.pseudonym_key=file:/proc/nowhere/x.key", "keys", "create"],
    ],
)
def test_a_place_that_cannot_be_written_is_named(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, arguments: list[str]
) -> None:
    configure(tmp_path)
    code, _, err = call(capfd, *arguments)
    assert code == 1
    assert "/proc/nowhere" in err
    assert "Traceback" not in err


@pytest.mark.broker
def test_broker_start_status_stop(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    configure(tmp_path, broker={"port": port})
    try:
        code, out, _ = call(capfd, "broker", "start")
        assert code == 0
        address = out.strip().splitlines()[-1]
        assert address == f"127.0.0.1:{port}"
        _, _, err = call(capfd, "--set", "broker.port=9", "broker", "start")
        assert "applies at its next start" in err
        with socket.create_connection(tuple_of(address), 5):
            code, out, _ = call(capfd, "broker", "status")
        assert code == 0
        assert address in out
        assert call(capfd, "broker", "stop")[1] == "stopped\n"
        assert call(capfd, "broker", "status")[0] == 1
        assert call(capfd, "broker", "stop")[1] == "not running\n"
    finally:
        EmbeddedBroker(tmp_path / "data" / "kafka").stop()


def tuple_of(address: str) -> tuple[str, int]:
    host, _, port = address.partition(":")
    return host, int(port)


def test_the_embedded_broker_is_never_started_beside_a_configured_one(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    configure(tmp_path, kafka={"bootstrap_servers": "kafka.example:9092"})
    code, _, err = call(capfd, "broker", "start")
    assert code == 2
    assert "never started" in err


@pytest.fixture
def running(tmp_path: Path) -> Iterator[None]:
    """A run of one log line that is a Pix and one that is none; it brings its own broker."""
    broker = EmbeddedBroker(tmp_path / "data" / "kafka")
    configure(tmp_path)
    assert main.run(["keys", "create"]) == 0
    line = {
        "timestamp": "2026-11-24T09:00:00Z",
        "event": "pix.pagamento",
        "status": "liquidado",
        "endToEndId": e2e("99999004", NOW, Random(2)),
        "valor": "1.00",
        "pagador": {"documento": CPF},
    }
    (tmp_path / "app.jsonl").write_text(f"{json.dumps(line)}\nbroken {CPF}\n")
    with (tmp_path / "run.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "pixstream.cli", "run"], stderr=log)
    yield
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait()
    code, left = process.returncode, broker.status().running
    broker.stop()
    assert not left
    assert code == 0, (tmp_path / "run.log").read_text()
    assert CPF not in (tmp_path / "run.log").read_text()


@pytest.mark.broker
@pytest.mark.usefixtures("running")
def test_run_dead_letters_and_lag(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    capfd.readouterr()

    def letters() -> list[dict[str, str]]:
        out = call(capfd, "dead-letters", "list", "--format", "json")[1]
        return [json.loads(line) for line in out.splitlines()]

    (letter,) = wait_for(letters, (tmp_path / "run.log").read_text)
    assert letter["reason"] == "malformed_json"
    assert letter["source"] == "system_log"
    assert "1  malformed_json" in call(capfd, "dead-letters", "list")[1]
    assert call(capfd, "dead-letters", "list", "--reason", "empty", "--format", "json")[1] == ""
    code, out, _ = call(capfd, "dead-letters", "show", letter["letter-id"][:8])
    assert code == 0
    assert CPF not in out
    code, out, err = call(capfd, "dead-letters", "show", letter["letter-id"], "--reveal")
    assert code == 2
    assert "--why" in err
    assert CPF not in out
    why = ["--reveal", "--why", "ticket 1", "--who", "ana"]
    code, out, _ = call(capfd, "dead-letters", "show", letter["letter-id"], *why)
    assert code == 0
    assert f"broken {CPF}" in out
    audit = json.loads((tmp_path / "data" / "audit.log").read_text())
    assert (audit["who"], audit["why"], audit["target"]) == ("ana", "ticket 1", letter["letter-id"])
    assert call(capfd, "dead-letters", "show", "ffffffffffff")[0] == 1
    wait_for(lambda: not json.loads(call(capfd, "lag", "--format", "json")[1])["total"])
    (supervisor,) = json.loads(call(capfd, "status", "--format", "json")[1])["supervisors"]

    def written() -> str:
        text = httpx2.get(supervisor["metrics"]).text
        return text if 'stage="write",topic=""} 1.0' in text else ""

    metrics = wait_for(written)  # a child tells about once a second
    labels = 'component="system_log",reason="malformed_json",replica="0",topic=""'
    assert f"pix_dlq_records_total{{{labels}}} 1.0" in metrics
    labels = 'component="delta_lake",reason="undecodable_event",replica="0",topic="pix.estornos"'
    assert f"pix_dlq_records_total{{{labels}}} 0.0" in metrics
    assert CPF not in metrics
    code, out, _ = call(capfd, "check")
    assert (code, "FAIL" in out) == (0, False), out
