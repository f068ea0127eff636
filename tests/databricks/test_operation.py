"""How the jobs run: schedules, retries, alarms, rights, and no secret anywhere."""

from __future__ import annotations

import base64
import binascii
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

BUNDLE = Path(__file__).parents[2] / "databricks"
SECRET = re.compile(r"\{\{secrets/\$\{resources\.secret_scopes\.\w+\.name\}/[a-z-]+\}\}")
ALARMS = {
    "STREAMING_BACKLOG_RECORDS": "on_streaming_backlog_exceeded",
    "STREAMING_BACKLOG_SECONDS": "on_streaming_backlog_exceeded",
    "RUN_DURATION_SECONDS": "on_duration_warning_threshold_exceeded",
}


def test_schedules_are_in_the_time_of_brasilia(jobs: Mapping[str, Any]) -> None:
    scheduled = [job["schedule"] for job in jobs.values() if "schedule" in job]
    assert len(scheduled) == len(jobs) - 1
    for schedule in scheduled:
        assert schedule["timezone_id"] == "America/Sao_Paulo"
        assert len(schedule["quartz_cron_expression"].split()) == 6


def test_every_job_is_described_tagged_visible_and_reports_failures(
    jobs: Mapping[str, Any],
) -> None:
    for name, job in jobs.items():
        assert job["description"], name
        assert {"pipeline", "layer", "environment"} <= job["tags"].keys(), name
        assert job["permissions"], name
        assert job["email_notifications"]["on_failure"] == ["${var.notification_address}"], name
        assert job["max_concurrent_runs"] == 1, name


def test_every_health_rule_has_somebody_who_hears_of_it(jobs: Mapping[str, Any]) -> None:
    for name, job in jobs.items():
        rules = {rule["metric"] for rule in job["health"]["rules"]}
        assert "RUN_DURATION_SECONDS" in rules, name
        assert all(job["email_notifications"][ALARMS[rule]] for rule in rules), name


def test_ingestion_never_ends_and_is_restarted_by_the_platform(jobs: Mapping[str, Any]) -> None:
    job = jobs["ingest"]
    assert job["continuous"]["task_retry_mode"] == "ON_FAILURE"
    assert {rule["metric"] for rule in job["health"]["rules"]} == set(ALARMS)
    for task in job["tasks"]:
        # a continuous job takes neither
        assert not task.keys() & {"depends_on", "max_retries", "min_retry_interval_millis"}


def test_scheduled_work_retries_ends_and_waits_its_turn(jobs: Mapping[str, Any]) -> None:
    for name, job in jobs.items():
        if "schedule" not in job:
            continue
        assert job["queue"] == {"enabled": True}, name
        for task in job["tasks"]:
            if "condition_task" in task:
                continue
            assert task["max_retries"] >= 1, task["task_key"]
            assert task["min_retry_interval_millis"] > 0, task["task_key"]
            assert 0 < task["timeout_seconds"] <= job["timeout_seconds"], task["task_key"]


def test_the_daily_job_repairs_aggregates_and_tidies_up_in_this_order(
    jobs: Mapping[str, Any],
) -> None:
    above = {
        task["task_key"]: [d["task_key"] for d in task.get("depends_on", [])]
        for task in jobs["daily"]["tasks"]
    }
    assert above == {
        "silver_unique": [],
        "gold": ["silver_unique"],
        "maintenance": ["silver_unique", "gold"],
    }
    (maintenance,) = [t for t in jobs["daily"]["tasks"] if t["task_key"] == "maintenance"]
    assert maintenance["run_if"] == "ALL_DONE"


def test_only_a_better_model_is_promoted_and_drift_is_watched_either_way(
    jobs: Mapping[str, Any],
) -> None:
    tasks = {task["task_key"]: task for task in jobs["fraud"]["tasks"]}
    assert tasks["promote"]["depends_on"] == [{"task_key": "is_better", "outcome": "true"}]
    # a promotion that was left out is no success, so drift needs another dependency that is
    assert {d["task_key"] for d in tasks["drift"]["depends_on"]} == {"evaluate", "promote"}
    assert tasks["drift"]["run_if"] == "NONE_FAILED"


def test_what_has_no_code_yet_never_starts_by_itself(jobs: Mapping[str, Any]) -> None:
    assert jobs["fraud"]["schedule"]["pause_status"] == "PAUSED"
    # the others are paused by development mode or the target's preset; an own status would win
    assert "pause_status" not in jobs["ingest"]["continuous"]
    assert "pause_status" not in jobs["daily"]["schedule"]


def test_development_is_the_default_and_production_is_not_in_development_mode(
    bundle: Mapping[str, Any],
) -> None:
    targets = bundle["targets"]
    assert {name: target["mode"] for name, target in targets.items()} == {
        "dev": "development",
        "staging": "production",
        "prod": "production",
    }
    assert [name for name, target in targets.items() if target.get("default")] == ["dev"]
    assert targets["prod"]["git"]["branch"] == "main"
    assert bundle["bundle"]["engine"] == "direct"


def test_production_runs_as_its_service_principal_which_alone_may_change_it(
    bundle: Mapping[str, Any],
) -> None:
    owner = "${var.service_principal}"
    for name in ("staging", "prod"):
        target = bundle["targets"][name]
        assert target["run_as"] == {"service_principal_name": owner}
        assert owner in target["workspace"]["root_path"]
        assert target["variables"]["service_principal"] == {
            "lookup": {"service_principal": f"pixstream-{name}"}
        }
        managers = [p for p in target["permissions"] if p["level"] == "CAN_MANAGE"]
        assert managers == [{"level": "CAN_MANAGE", "service_principal_name": owner}]
        # CAN_VIEW of a bundle becomes READ on its secret scope
        assert {p["level"] for p in target["permissions"]} == {"CAN_MANAGE", "CAN_RUN"}


def test_production_keeps_its_tables_streams_and_secrets_when_the_bundle_is_destroyed(
    bundle: Mapping[str, Any], resources: Mapping[str, Mapping[str, Any]]
) -> None:
    for name in ("staging", "prod"):
        kept = bundle["targets"][name]["resources"]
        for kind in ("schemas", "volumes", "secret_scopes"):
            assert kept[kind].keys() == resources[kind].keys()
            for key, one in kept[kind].items():
                assert one["lifecycle"] == {"prevent_destroy": True}
                assert one["name"] == resources[kind][key]["name"]


def test_secrets_reach_the_cluster_by_reference_only(jobs: Mapping[str, Any]) -> None:
    (cluster,) = jobs["ingest"]["job_clusters"]
    variables = cluster["new_cluster"]["spark_env_vars"]
    clear = {name for name, value in variables.items() if not SECRET.fullmatch(value)}
    assert clear == {"KAFKA_BOOTSTRAP_SERVERS"}


def test_no_file_holds_a_key_a_token_or_an_address_of_a_workspace() -> None:
    for path in sorted(BUNDLE.rglob("*")):
        if path.suffix not in {".yml", ".py"}:
            continue
        text = path.read_text("utf-8")
        assert not re.search(r"dapi[0-9a-f]{32}|-----BEGIN|https?://|\.databricks\.com", text), path
        for word in re.findall(r"[A-Za-z0-9+/=_-]{40,}", text):
            assert not _is_key(word), path


def _is_key(word: str) -> bool:
    """Whether a word is 32 bytes in hex or base64, as the privacy keys are."""
    if re.fullmatch(r"[0-9a-f]{64}", word):
        return True
    try:
        return len(base64.b64decode(word, validate=True)) == 32
    except binascii.Error:
        return False


def test_a_key_in_a_file_would_be_found() -> None:
    assert _is_key(base64.b64encode(bytes(range(32))).decode())
    assert _is_key(bytes(range(32)).hex())
    assert not _is_key("streaming_backlog_records_and_seconds_of_it")
