"""Alerts, their tests and their runbooks belong together, and Alertmanager routes each of them."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from pixstream.monitoring import alertmanager, files

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "monitoring" / "prometheus"
RULES = sorted((FOLDER / "rules").glob("*.yml"))
RUNBOOKS = ROOT / "docs" / "runbooks"
EXAMPLE = ROOT / "monitoring" / "alertmanager" / "alertmanager.yml"
HEADINGS = {
    ".md": ["What it means", "Look here", "Do this"],
    ".pt-BR.md": ["O que significa", "Olhe aqui", "Faça isto"],
}


def alerts() -> dict[str, dict[str, Any]]:
    """Every alert's rule, by its name."""
    groups = [
        group for file in RULES for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
    ]
    return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}


def checks() -> dict[str, list[dict[str, Any]]]:
    """What promtool is asked about each alert, by its name."""
    found: dict[str, list[dict[str, Any]]] = {}
    for file in (FOLDER / "tests").glob("*.yml"):
        for group in yaml.safe_load(file.read_text("utf-8"))["tests"]:
            for check in group["promql_expr_test"]:
                (name,) = re.findall(r'alertname="(\w+)"', check["expr"])
                found.setdefault(name, []).append(check)
    return found


ALERTS = alerts()
LISTED = {name: ALERTS[name] for name in sorted(ALERTS)}
CHECKS = checks()


def program(name: str, package: str) -> str:
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed: apt-get install {package}")
    return found


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_alerts_and_their_names_are_unique() -> None:
    names = re.findall(r"- alert: (\w+)", "".join(file.read_text("utf-8") for file in RULES))
    assert len(names) == len(set(names)) == len(ALERTS) > 30


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_what_happens_and_where_it_is_explained(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in {"page", "ticket"}
    annotations = rule["annotations"]
    assert list(annotations) == ["summary", "description", "runbook_url"]
    assert annotations["runbook_url"] == f"docs/runbooks/{name}.md"
    assert (ROOT / annotations["runbook_url"]).is_file()
    assert len(annotations["summary"]) < 100
    assert annotations["description"].endswith(".")


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_is_seen_to_fire_and_to_stay_silent(name: str) -> None:
    expected = [check["exp_samples"] for check in CHECKS[name]]
    firing = [sample["labels"] for samples in expected for sample in samples]
    assert firing
    assert [] in expected
    # What its texts name is among the labels of the alert that fired.
    named = set(re.findall(r"\$labels\.(\w+)", " ".join(ALERTS[name]["annotations"].values())))
    for labels in firing:
        assert f'severity="{ALERTS[name]["labels"]["severity"]}"' in labels
        assert named <= set(re.findall(r'(\w+)="', labels))


def test_nothing_is_tested_or_explained_that_does_not_exist() -> None:
    assert set(CHECKS) == set(ALERTS)
    pages = {page.name for page in RUNBOOKS.iterdir()}
    assert pages == {name + suffix for name in ALERTS for suffix in HEADINGS}


@pytest.mark.parametrize("suffix", HEADINGS)
@pytest.mark.parametrize("name", ALERTS)
def test_every_runbook_says_what_it_means_where_to_look_and_what_to_do(
    name: str, suffix: str
) -> None:
    text = (RUNBOOKS / f"{name}{suffix}").read_text("utf-8")
    assert text.startswith(f"# {name}\n")
    assert f"**{ALERTS[name]['labels']['severity']}**" in text
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == HEADINGS[suffix]
    assert all(part.strip() for part in re.split(r"^#.*$", text, flags=re.MULTILINE)[1:])
    for alert in re.findall(r"\b(?:Pix|Kafka|Disk|Clock)[A-Z]\w+", text):
        assert alert in ALERTS


def test_the_page_about_monitoring_lists_every_alert_with_its_severity() -> None:
    text = (ROOT / "docs" / "monitoring.md").read_text("utf-8")
    listed = re.findall(r"^\| \[(\w+)\]\(runbooks/(\w+)\.md\) \| (\w+) \|", text, re.MULTILINE)
    assert listed == [(name, name, rule["labels"]["severity"]) for name, rule in LISTED.items()]


def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    promtool = program("promtool", "prometheus")
    run(promtool, "check", "rules", "--lint=all", "--lint-fatal", *map(str, RULES))


@pytest.mark.parametrize("rules", [file.name for file in RULES])
def test_alerts_fire_when_they_should_and_only_then(rules: str) -> None:
    promtool = program("promtool", "prometheus")
    run(promtool, "test", "rules", str(FOLDER / "tests" / rules))


def test_amtool_accepts_the_example_and_what_is_made_of_it(tmp_path: Path) -> None:
    amtool = program("amtool", "prometheus-alertmanager")
    run(amtool, "check-config", str(EXAMPLE))
    for webhook in (None, "http://127.0.0.1:9/alerts"):
        made = tmp_path / "made.yml"
        made.write_text(alertmanager.configuration(webhook), "utf-8")
        run(amtool, "check-config", str(made))


def test_the_local_configuration_keeps_routes_and_inhibition_and_no_address_of_the_example() -> (
    None
):
    example = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    text = alertmanager.configuration("http://127.0.0.1:9/alerts")
    made = yaml.safe_load(text)
    assert (made["route"], made["inhibit_rules"]) == (example["route"], example["inhibit_rules"])
    assert "example.com" not in text
    assert all(one["webhook_configs"] for one in made["receivers"])
    silent = yaml.safe_load(alertmanager.configuration(None))
    assert {tuple(one) for one in silent["receivers"]} == {("name",)}


@pytest.mark.parametrize(
    ("severity", "receivers"), [("page", "webhook,pager,chat"), ("ticket", "webhook,mail")]
)
def test_alerts_go_to_those_who_act(severity: str, receivers: str) -> None:
    amtool = program("amtool", "prometheus-alertmanager")
    said = run(
        *(amtool, "config", "routes", "test", f"--config.file={EXAMPLE}"),
        *(f"--verify.receivers={receivers}", f"severity={severity}", "alertname=PixBreakerOpen"),
    )
    assert said.strip() == receivers


def test_inhibition_names_alerts_that_exist() -> None:
    example = yaml.safe_load(EXAMPLE.read_text("utf-8"))
    for rule in example["inhibit_rules"]:
        for matcher in (*rule["source_matchers"], *rule["target_matchers"]):
            (pattern,) = re.findall(r'^alertname=~?"(.+)"$', matcher)
            for alternative in pattern.split("|"):
                assert any(re.fullmatch(alternative, name) for name in ALERTS), alternative
        for label in rule.get("equal", ()):
            targets = "|".join(re.findall(r'"(.+)"', rule["target_matchers"][0]))
            for name in (name for name in ALERTS if re.fullmatch(targets, name)):
                firing = [s["labels"] for check in CHECKS[name] for s in check["exp_samples"]]
                assert all(f"{label}=" in labels for labels in firing), name


def test_rules_ask_for_metrics_that_exist() -> None:
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text("utf-8")
    declared = set(re.findall(r"^\| `(pix_\w+)`", reference, re.MULTILINE))
    expressions = " ".join(
        rule["expr"]
        for file in RULES
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]
        for rule in group["rules"]
    )
    asked = set(re.findall(r"\bpix_\w+", expressions)) - {"pix_"}
    assert len(asked) > 20
    assert {re.sub("_(bucket|count|sum)$", "", name) for name in asked} <= declared


def test_the_rules_are_where_prometheus_is_told_to_look() -> None:
    assert files.path("prometheus/rules") == FOLDER / "rules"
