"""What listens for everybody by mistake does not pass `check`, and does not run in prod."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pixstream.cli import main
from pixstream.cli.run import _refuse_strangers
from pixstream.config.loading import load
from pixstream.errors import ConfigError
from pixstream.preflight import exposed
from pixstream.privacy import create_key_file

EVERYWHERE = "0.0.0.0"  # noqa: S104


@pytest.fixture
def configure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PIXSTREAM_ENV", raising=False)
    monkeypatch.setenv("WEBHOOK_TOKEN", "")
    for name in ("pseudonym", "encryption"):
        create_key_file(tmp_path / f"{name}.key")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    hook = {"host": EVERYWHERE, "port": port, "token": "${WEBHOOK_TOKEN}"}
    settings = {
        "data_dir": "data",
        "privacy": {
            "pseudonym_key": "file:pseudonym.key",
            "encryption_key": "file:encryption.key",
        },
        "kafka": {"bootstrap_servers": "127.0.0.1:1"},
        "metrics": {"host": EVERYWHERE},
        "producers": {"webhook": hook, "hidden": {"type": "webhook", "port": 0}},
        "environments": {"dev": {}, "prod": {}},
    }
    file = tmp_path / "kafka_config.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


@pytest.mark.usefixtures("configure")
def test_check_fails_for_each(capfd: pytest.CaptureFixture[str]) -> None:
    assert main.run(["check"]) == 2
    lines = capfd.readouterr().out.splitlines()
    for what in ("producer webhook", "metrics"):
        (line,) = [line for line in lines if f" {what}  " in line]
        assert line.startswith("FAIL")
        assert "open: true" in line
    (line,) = [line for line in lines if " producer hidden  " in line]
    assert line.startswith("ok")


def test_an_address_list_is_a_guard_for_metrics_too(configure: Path) -> None:
    listed = load(configure, env="prod", overrides=["metrics.allow_from=[10.0.0.0/8]"])
    assert exposed(listed, []) == []


@pytest.mark.parametrize(
    ("guard", "exposures"),
    [
        ([], 1),
        (["page.token=sixteen-characters"], 1),  # it guards actions, not reading
        (["page.allow_from=[0.0.0.0/0]"], 1),
        (["page.allow_from=[10.0.0.0/8]"], 0),
        (["page.open=true"], 0),
        (["page.enabled=false"], 0),
    ],
)
def test_the_operator_s_page_for_everybody_must_be_meant(
    configure: Path, guard: list[str], exposures: int
) -> None:
    overrides = ["metrics.enabled=false", f"page.host={EVERYWHERE}", *guard]
    found = exposed(load(configure, env="prod", overrides=overrides), [])
    assert len(found) == exposures
    assert all(text.startswith("page: everybody who reaches port 9490") for text in found)


@pytest.mark.parametrize("section", ["metrics", "page"])
def test_what_is_no_network_is_a_wrong_setting(configure: Path, section: str) -> None:
    with pytest.raises(ConfigError, match=rf"{section}\.allow_from"):
        load(configure, overrides=[f"{section}.allow_from=[prometheus.example.com]"])


@pytest.mark.parametrize("token", ["short", "fifteen-letters"])
def test_a_short_token_of_the_page_is_refused_and_not_shown(configure: Path, token: str) -> None:
    with pytest.raises(ConfigError, match=r"page\.token") as caught:
        load(configure, overrides=[f"page.token={token}"])
    assert token not in str(caught.value)


@pytest.mark.usefixtures("configure")
def test_run_refuses_in_prod_before_anything_starts() -> None:
    command = [sys.executable, "-m", "pixstream.cli", "--env", "prod", "run", "webhook"]
    ended = subprocess.run(command, capture_output=True, check=False, text=True)
    assert ended.returncode == 2
    said = ended.stderr
    assert "webhook: everybody who reaches port" in said
    assert f"metrics: everybody who reaches port 9464 of {EVERYWHERE}" in said
    assert not Path("data").exists()


def test_only_what_runs_counts_and_what_is_meant_is_let_through(configure: Path) -> None:
    settings = load(configure, env="prod")
    components = settings.components
    assert len(exposed(settings, components.values())) == 2
    assert len(exposed(settings, [components["hidden"]])) == 1
    meant = load(
        configure,
        env="prod",
        overrides=["metrics.open=true", "producers.webhook.open=true"],
    )
    assert exposed(meant, meant.components.values()) == []
    hidden = load(configure, env="prod", overrides=["metrics.enabled=false"])
    assert len(exposed(hidden, hidden.components.values())) == 1


def test_elsewhere_it_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    _refuse_strangers(["webhook: everybody may call"], "staging")
    assert [record.levelname for record in caplog.records] == ["WARNING"]


@pytest.mark.parametrize("host", [EVERYWHERE, "sandbox.example.com"])
def test_the_sandbox_wants_to_be_told(capfd: pytest.CaptureFixture[str], host: str) -> None:
    assert main.run(["sandbox", "--host", host, "--events", "0"]) == 2
    assert "--open" in capfd.readouterr().err
