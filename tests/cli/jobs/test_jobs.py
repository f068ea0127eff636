"""`pixstream jobs` as a person runs it: what is printed, exit codes, signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from pixstream.bundle import entry_points, values
from pixstream.bundle.entry_points import EntryPoint
from pixstream.cli import main
from pixstream.errors import DestinationError
from pixstream.testing.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

BUNDLE = """\
bundle: {name: pix}
variables: {pause: {default: UNPAUSED}}
resources:
  jobs:
    ingest:
      continuous: {pause_status: UNPAUSED}
      tasks: [{task_key: stream, python_wheel_task: {package_name: pixstream, entry_point: good}}]
    gold:
      schedule:
        quartz_cron_expression: 0 0 5 * * ?
        timezone_id: America/Sao_Paulo
        pause_status: "${var.pause}"
      parameters: [{name: date, default: "2026-11-23"}]
      tasks:
      - task_key: daily
        description: sums of [each] day
        max_retries: 1
        min_retry_interval_millis: 600000
        python_wheel_task:
          package_name: pixstream
          entry_point: good
          parameters: [--config, "${workspace.file_path}/c.yaml", "{{job.parameters.date}}"]
      - task_key: told
        depends_on: [{task_key: daily}]
        run_if: ALL_DONE
        python_wheel_task: {package_name: pixstream, entry_point: told}
targets:
  dev: {}
  prod: {variables: {pause: PAUSED}}
"""


@pytest.fixture(autouse=True)
def bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("PIXSTREAM_CONFIG", "PIXSTREAM_ENV"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "databricks").mkdir()
    (tmp_path / "databricks" / "databricks.yml").write_text(BUNDLE)

    def good() -> None:
        values.report(rows=12, arguments=" ".join(sys.argv[1:]))

    known = {
        "good": EntryPoint("pixstream", lambda: good),
        "told": EntryPoint("pixstream", lambda: lambda: None),
    }
    monkeypatch.setattr(entry_points, "registered", lambda: known)


def fail_with(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def bad() -> None:
        raise error

    known = {name: EntryPoint("pixstream", lambda: bad) for name in ("good", "told")}
    monkeypatch.setattr(entry_points, "registered", lambda: known)


def call(capfd: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    code = main.run(list(arguments))
    out, err = capfd.readouterr()
    return code, out, err


def test_the_list_says_when_each_job_runs_and_what_its_tasks_do(
    capfd: pytest.CaptureFixture[str],
) -> None:
    code, out, _ = call(capfd, "jobs", "list")
    assert code == 0
    lines = [line.rstrip() for line in out.splitlines()]
    assert lines[0] == "pix, target dev"
    assert lines[2].split() == ["ingest", "continuous", "stream", "pixstream:good"]
    assert " ".join(lines[3].split()) == (
        "gold 0 0 5 * * ? America/Sao_Paulo daily good: sums of [each] day"
    )
    assert lines[4].split() == ["told", "daily", "(ALL_DONE)", "pixstream:told"]
    out = call(capfd, "jobs", "list", "--target", "prod")[1]
    assert "America/Sao_Paulo  yes " in out


def test_a_check_ends_with_the_count_and_2_where_there_are_problems(
    capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, out, _ = call(capfd, "jobs", "check")
    assert code == 0
    assert out.splitlines() == [
        "note: without --schema, the names and types of fields are not checked",
        "0 problems in databricks, targets dev, prod",
    ]
    schema = tmp_path / "schema.json"
    schema.write_text('{"properties": {"bundle": true}, "additionalProperties": false}')
    broken = BUNDLE.replace("entry_point: told", "entry_point: tld")
    (tmp_path / "databricks" / "databricks.yml").write_text(broken)
    code, out, _ = call(capfd, "jobs", "check", "--schema", "schema.json", "--target", "dev")
    assert code == 2
    lines = out.splitlines()
    assert lines[0].startswith("databricks/databricks.yml:2: variables: unknown key")
    assert "no entry point 'tld' in the group pixstream.jobs; nearest valid key: told" in out
    assert lines[-1] == "4 problems in databricks, targets dev"


def test_a_run_shows_what_happens_then_a_summary_then_json(
    capfd: pytest.CaptureFixture[str],
) -> None:
    arguments = ["-c", "k.yaml", "--set", "a=1", "jobs", "run", "gold", "--param", "date=today"]
    code, out, _ = call(capfd, *arguments)
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "job gold date=today"
    assert lines[1] == "  gold.daily: good today --config k.yaml --set a=1"
    assert lines[2].startswith("  gold.daily: success after 0.0 s rows=12 arguments=today --config")
    row = next(line for line in lines if line.startswith("gold  daily"))
    assert row.split()[:6] == ["gold", "daily", "success", "1", "0.0", "rows=12"]
    told = json.loads(lines[-1])
    assert told["left_out"] == {}
    gold = told["jobs"]["gold"]
    assert gold["state"] == "success"
    assert gold["tasks"]["daily"] | {"seconds": 0} == {
        "state": "success",
        "attempts": 1,
        "seconds": 0,
        "reported": {"rows": 12, "arguments": "today --config k.yaml --set a=1"},
    }


def test_all_names_the_jobs_that_it_leaves_out(capfd: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capfd, "jobs", "run", "--all")
    assert code == 0
    assert "left out: ingest: continuous: it would not end; run it by its name" in out
    told = json.loads(out.splitlines()[-1])
    assert list(told["jobs"]) == ["gold"]
    assert list(told["left_out"]) == ["ingest"]
    told = json.loads(call(capfd, "jobs", "run", "--all", "--target", "prod")[1].splitlines()[-1])
    assert told["jobs"] == {}
    assert told["left_out"]["gold"] == "paused in this target; run it by its name"


def test_a_failed_task_is_tried_again_told_and_makes_the_exit_code_1(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, DestinationError("table gold: no room"))
    code, out, err = call(capfd, "jobs", "run", "gold", "--max-wait", "0.1")
    assert code == 1
    again = "gold.daily failed: table gold: no room; retry in 0.1 s; the bundle says 600 s"
    assert f"  {again}, --max-wait 0.1" in out.splitlines()
    assert "Traceback" not in err
    told = json.loads(out.splitlines()[-1])["jobs"]["gold"]
    assert told["state"] == "failed"
    assert told["tasks"]["daily"]["attempts"] == 2
    assert told["tasks"]["daily"]["note"] == "table gold: no room"


def test_an_unexpected_exception_is_shown_with_its_trace(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_with(monkeypatch, RuntimeError("boom"))
    code, out, err = call(capfd, "jobs", "run", "gold", "--max-wait", "0")
    assert code == 1
    assert err.count("Traceback") == 3
    assert "RuntimeError in test_jobs.py" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run"], "give the NAME of one job, or --all"),
        (["run", "gold", "--all"], "give the NAME of one job, or --all"),
        (["run", "glod"], "no job 'glod' in the bundle; nearest valid key: gold"),
        (["run", "gold", "--param", "date"], "write --param NAME=VALUE"),
        (["run", "gold", "--param", "day=1"], "declares no parameter 'day'; valid keys: date"),
        (["list", "--bundle", "nowhere"], "nowhere/databricks.yml: no such file"),
        (["list", "--target", "pord"], "--target pord: no target of the bundle"),
        (["check", "--schema", "none.json"], "--schema none.json: cannot be read"),
    ],
)
def test_wrong_usage_is_exit_2_with_words_that_help(
    capfd: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    code, _, err = call(capfd, "jobs", *arguments)
    assert code == 2
    assert told in err


PROGRAM = """
import pathlib, sys, time
from pixstream.cli import main
from pixstream.bundle import entry_points
from pixstream.bundle.entry_points import EntryPoint

def good():
    pathlib.Path("running").touch()
    while not pathlib.Path("end").exists():
        time.sleep(0.02)
    pathlib.Path("ended").touch()

def told():
    pathlib.Path("told").touch()

known = {
    "good": EntryPoint("pixstream", lambda: good),
    "told": EntryPoint("pixstream", lambda: told),
}
entry_points.registered = lambda: known
sys.exit(main.run(["jobs", "run", "gold"]))
"""


def until(file: Path, process: subprocess.Popen[Any]) -> None:
    wait_for(file.exists, alive=lambda: process.poll() is None)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_after_the_running_task_and_a_second_one_within_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    for insists in (False, True):
        for name in ("running", "end", "ended"):
            (tmp_path / name).unlink(missing_ok=True)
        with subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        ) as process:
            assert process.stderr is not None
            until(tmp_path / "running", process)
            process.send_signal(number)
            assert b"stopping after the running task" in process.stderr.readline()
            if insists:
                process.send_signal(number)
            else:
                (tmp_path / "end").touch()
            out, _ = process.communicate()
        assert process.returncode == 130
        assert (tmp_path / "ended").exists() is not insists
        assert not (tmp_path / "told").exists()
        tasks = json.loads(out.splitlines()[-1])["jobs"]["gold"]["tasks"]
        assert tasks["daily"]["state"] == ("canceled" if insists else "success")
        assert tasks["told"]["state"] == "canceled"
