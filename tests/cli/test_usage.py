"""What people type: options after the command, typing errors, odd names, closed streams, pipes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pixstream.cli import main

PROGRAM = [sys.executable, "-m", "pixstream.cli"]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("PIXSTREAM_CONFIG", "PIXSTREAM_ENV"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "kafka_config.yaml").write_text("data_dir: here\n")
    return tmp_path


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(list(arguments))
    out, err = capfd.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["statu"], "No such command 'statu'. Did you mean 'status'?"),
        (["topics", "aply"], "No such command 'aply'. Did you mean 'apply'?"),
        (
            ["run", "--evn", "prod"],
            "No such option '--evn'. (Did you mean one of: '--env', '--set'?)",
        ),
        (["status", "--fromat", "json"], "Did you mean '--format'?"),
        (["xyzzy"], "No such command 'xyzzy'.\n"),
    ],
)
def test_a_typing_error_is_answered_with_what_was_meant(
    capfd: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    code, _, err = call(capfd, *arguments)
    assert code == 2
    assert said in err


def test_shared_options_may_stand_after_the_command(
    capfd: pytest.CaptureFixture[str], place: Path
) -> None:
    (place / "other.yaml").write_text(
        "data_dir: there\nenvironments: {dev: {}, prod: {data_dir: prod}}\n"
    )
    for arguments, data_dir in (
        (["config", "show", "-c", "other.yaml"], "there"),
        (["-c", "kafka_config.yaml", "config", "show", "--config", "other.yaml"], "there"),
        (["config", "show", "--env", "prod", "--config", "other.yaml"], "prod"),
        (["--env", "dev", "config", "show", "--env", "prod", "-c", "other.yaml"], "prod"),
        (["--set", "data_dir=a", "config", "show", "--set", "data_dir=b"], "b"),
        (["--set", "data_dir=a", "config", "show", "--set", "kafka.linger_ms=3"], "a"),
    ):
        code, out, _ = call(capfd, *arguments)
        assert code == 0
        assert f"data_dir: {data_dir} " in out


def test_preview_reads_a_file_whose_name_is_not_utf_8(place: Path) -> None:
    name = os.path.join(os.fsencode(place), b"corpo\xff.json")  # noqa: PTH118  bytes
    with open(name, "w") as file:  # noqa: PTH123  bytes
        file.write('{"pix": [{"valor": "1.00"}]}')
    done = subprocess.run(
        [*PROGRAM, "preview", "webhook", b"corpo\xff.json", b"fehlt\xff"],
        capture_output=True,
        check=False,
    )
    assert done.returncode == 1
    assert b"Traceback" not in done.stderr
    assert "fehlt\ufffd: cannot be read: No such file".encode() in done.stderr
    assert next(iter(json.loads(done.stdout))) == "dead_letter"


def test_preview_of_a_closed_standard_input_says_so() -> None:
    command = f"exec {PROGRAM[0]} -m pixstream.cli preview webhook - <&-"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, text=True)
    assert done.returncode == 1
    assert "-: cannot be read: standard input is closed" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_configuration_whose_name_is_not_utf_8_gives_no_trace(place: Path) -> None:
    (place / "kafka_config.yaml").rename(os.fsdecode(os.fsencode(place) + b"/k\xff.yaml"))
    for command in (["config", "show"], ["check"], ["run"]):
        done = subprocess.run(
            [*PROGRAM, "-c", b"k\xff.yaml", *command], capture_output=True, check=False
        )
        assert b"Traceback" not in done.stderr, done.stderr


def test_a_closed_pipe_ends_the_command_in_silence(place: Path) -> None:
    (place / "body.json").write_text(json.dumps({"pix": [{"valor": "1.00"}] * 50}))
    command = f"{PROGRAM[0]} -m pixstream.cli preview webhook body.json | true"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, check=False, text=True)
    lines = [line for line in done.stderr.splitlines() if "throwaway" not in line]
    assert lines == []


def test_output_of_a_terminal_without_the_character_is_no_error() -> None:
    done = subprocess.run(
        [*PROGRAM, "run", "--help"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
    )
    assert done.returncode == 0
