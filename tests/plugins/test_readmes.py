"""The README in each plugin's folder: its sample loads, and it names every file of the folder."""

import re
from pathlib import Path

import pytest
import yaml

from pixstream import config, consumers, processors, producers
from pixstream.plugins import discovery
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.processor import Processor
from pixstream.plugins.producer import Producer

FOLDERS = [
    (kind, Path(package.__path__[0]) / name)
    for kind, package in ((Producer, producers), (Consumer, consumers), (Processor, processors))
    for name in discovery.builtin(kind)
    if (Path(package.__path__[0]) / name).is_dir()
]
KEYS = {"pseudonym_key": "11" * 32, "encryption_key": "22" * 32}


@pytest.fixture(params=FOLDERS, ids=lambda found: found[1].name)
def plugin(request: pytest.FixtureRequest) -> tuple[str, str, Path]:
    kind, folder = request.param
    return f"{kind.__name__.lower()}s", (folder / "README.md").read_text("utf-8"), folder


def test_the_sample_loads(
    plugin: tuple[str, str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    section, text, folder = plugin
    (sample,) = re.findall(r"^```yaml\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    for variable in re.findall(r"\$\{(\w+)\}", sample):
        monkeypatch.setenv(variable, "any")
    path = tmp_path / "kafka_config.yaml"
    path.write_text(sample + yaml.safe_dump({"privacy": KEYS}), "utf-8")
    loaded = getattr(config.load(path), section)
    assert [component.type for component in loaded.values()] == [folder.name]


def test_every_file_is_named_and_no_other(plugin: tuple[str, str, Path]) -> None:
    _, text, folder = plugin
    named = re.findall(r"^\| `(\S+\.py)` \|", text, re.MULTILINE)
    files = {path.name for path in folder.glob("*.py")} - {"__init__.py"}
    assert sorted(named) == sorted(files)


def test_its_title_is_its_type(plugin: tuple[str, str, Path]) -> None:
    _, text, folder = plugin
    assert text.startswith(f"# {folder.name}\n")
