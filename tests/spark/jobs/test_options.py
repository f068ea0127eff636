"""How a task is called, by Databricks and by `pixstream jobs run`."""

import sys
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

from pixstream.config.settings import Settings
from pixstream.errors import ConfigError
from pixstream.spark.jobs.options import task

ROOT = Path(__file__).resolve().parents[3]


@task
@click.option("--day", default="")
def main(settings: Settings, day: str) -> None:
    """Say what was asked."""
    click.echo(f"{settings.spark.path} {settings.data_dir} {day}")


def call(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> None:
    config = f"--config={ROOT / 'kafka_config.yaml'}"
    monkeypatch.setattr(sys, "argv", ["name", config, *arguments])
    main()


def test_it_gets_settings_and_its_own_options_and_returns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    call(monkeypatch, "--env=dev", "--set=spark.path=here", "--set", "data_dir=there", "--day=")
    assert capsys.readouterr().out == "here there \n"


def test_what_is_wrong_is_raised_and_not_turned_into_an_exit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(ConfigError, match=r"spark\.pth"):
        call(monkeypatch, "--set=spark.pth=here")
    with pytest.raises(click.UsageError, match="--unknown"):
        call(monkeypatch, "--unknown=1")


def test_every_entry_point_can_be_loaded_and_called() -> None:
    found = entry_points(group="pixstream.jobs")
    assert {point.name for point in found} >= {"ingest", "silver_unique", "gold", "maintenance"}
    assert all(callable(point.load()) for point in found)
