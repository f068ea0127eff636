"""The parameters of every task load kafka_config.yaml with what its compute knows, and no more."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixstream import config
from pixstream.config.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

CONFIG = Path(__file__).parents[2] / "kafka_config.yaml"
PLAIN = {"catalog": "pix_prod", "schema": "pixstream", "trigger": "continuous"}


def arguments(job: Mapping[str, Any], task: Mapping[str, Any], environment: str) -> Sequence[str]:
    """What the entry point of a task finds behind `sys.argv[0]`."""
    values = {one["name"]: one["default"] for one in job["parameters"]} | PLAIN
    values |= {"config": str(CONFIG), "environment": environment}
    values |= dict.fromkeys(("checkpoints", "data_dir"), "/Volumes/pix_prod/pixstream/it")
    return [
        re.sub(r"\{\{job\.parameters\.(\w+)\}\}", lambda match: values[match[1]], text)
        for text in task["python_wheel_task"]["parameters"]
    ]


def load(found: Sequence[str]) -> Settings:
    """The settings that these arguments select; `spark` where the software has this section."""
    named = dict(text.removeprefix("--").split("=", 1) for text in found)
    sets = [text.removeprefix("--set=") for text in found if text.startswith("--set=")]
    if "spark" not in Settings.__struct_fields__:
        sets = [one for one in sets if not one.startswith("spark.")]
    return config.load(Path(named["config"]), env=named["env"], overrides=sets)


def wheel_tasks(job: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    return (task for task in job["tasks"] if "python_wheel_task" in task)


@pytest.fixture(autouse=True)
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this machine answers for one that the compute does not have."""
    for name in os.environ:
        if name.startswith(("KAFKA_", "PIXSTREAM_", "BANK_", "WEBHOOK_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize("environment", ["staging", "prod"])
@pytest.mark.parametrize("name", ["daily", "fraud"])
def test_serverless_tasks_need_no_variable_and_get_no_secret(
    name: str, environment: str, jobs: Mapping[str, Any]
) -> None:
    for task in wheel_tasks(jobs[name]):
        settings = load(arguments(jobs[name], task, environment))
        assert settings.kafka.bootstrap_servers is None
        assert not settings.kafka.sasl.password
        assert not settings.privacy.pseudonym_key.removeprefix("file:")
        assert not settings.producers


@pytest.mark.parametrize("environment", ["staging", "prod"])
def test_ingestion_needs_no_more_than_its_cluster_gives(
    environment: str, jobs: Mapping[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = jobs["ingest"]
    (cluster,) = job["job_clusters"]
    for name in cluster["new_cluster"]["spark_env_vars"]:
        monkeypatch.setenv(name, f"value of {name}")
    (task,) = wheel_tasks(job)
    settings = load(arguments(job, task, environment))
    assert settings.kafka.bootstrap_servers == "value of KAFKA_BOOTSTRAP_SERVERS"
    assert settings.kafka.sasl.password == "value of KAFKA_PASSWORD"
    assert settings.privacy.pseudonym_key == "value of PIXSTREAM_PSEUDONYM_KEY"
    assert settings.privacy.encryption_key == "value of PIXSTREAM_ENCRYPTION_KEY"
    assert settings.data_dir.startswith("/Volumes/")


def test_gold_takes_its_days_from_the_run(jobs: Mapping[str, Any]) -> None:
    job = jobs["daily"]
    (gold,) = [task for task in job["tasks"] if task["task_key"] == "gold"]
    found = arguments(job, gold, "prod")
    assert "--since=" in found
    assert "--until=" in found
