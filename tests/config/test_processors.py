"""The section `processors`, and the topics that come with a processor."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

import pixstream.processors
from pixstream import config
from pixstream.cli.root import Root
from pixstream.cli.topics.acls import acls_command
from pixstream.config import show
from pixstream.config.loading import resolve
from pixstream.config.settings import Settings
from pixstream.errors import ConfigError
from pixstream.kafka.names import changelog
from pixstream.preflight import examine
from pixstream.processes.supervisor import select

PLUGIN = '''
"""Scores."""
import dataclasses
from collections.abc import Mapping
from typing import ClassVar
from pixstream.kafka.topics.declared import TopicSettings
from pixstream.plugins.processor import Processor

@dataclasses.dataclass(kw_only=True)
class {name}(Processor):
    """Scores."""

    type: str = "{module}"
    writes: ClassVar[Mapping[str, TopicSettings]] = {{"{topic}": TopicSettings({topic_settings})}}
{body}
'''
STATE = """
    def restore(self, partitions, state): ...
    def checkpoint(self): return []
"""
Load = Callable[[str], Settings]


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Load]:
    """Loads a configuration beside which there are some processors."""
    plugins = {
        "scores": ("pix.scores", "partitions=6, retention='30d'", STATE),
        "plain": ("pix.plain", "", ""),
        "greedy": ("pix.pagamentos", "", ""),
        "state_thief": ("pix.state.scores", "", ""),
        "stranger": ("scores", "", ""),
        "careless": ("pix.careless", "min_insync_replicas=2", ""),
    }
    for module, (topic, topic_settings, body) in plugins.items():
        name = module.title().replace("_", "")
        text = PLUGIN.format(
            name=name, module=module, topic=topic, topic_settings=topic_settings, body=body
        )
        (tmp_path / f"{module}.py").write_text(text)
    paths = [*pixstream.processors.__path__, str(tmp_path)]
    monkeypatch.setattr(pixstream.processors, "__path__", paths)

    def loaded(text: str) -> Settings:
        file = tmp_path / "kafka_config.yaml"
        file.write_text(text)
        return config.load(file)

    yield loaded
    monkeypatch.undo()
    for module in plugins:
        sys.modules.pop(f"pixstream.processors.{module}", None)


def test_a_processor_s_topics_are_declared_with_its_own_settings_and_its_changelog(
    load: Load,
) -> None:
    settings = load("processors: {scores: {replicas: 2}, p: {type: plain, enabled: false}}")
    assert list(settings.components) == list(settings.readers) == ["scores", "p"]
    topics = {spec.name: spec for spec in settings.declared_topics}
    assert topics["pix.scores"].partitions == 6
    assert topics["pix.plain"].partitions == 1
    state = topics[changelog("scores")]
    assert (state.partitions, state.config["cleanup.policy"]) == (1, "compact")
    assert changelog("p") not in topics


def test_the_section_topics_changes_what_the_class_declares(load: Load) -> None:
    settings = load("processors: {scores: {}}\ntopics: {pix.scores: {partitions: 12}}")
    (spec,) = [spec for spec in settings.declared_topics if spec.name == "pix.scores"]
    assert (spec.partitions, spec.config["retention.ms"]) == (12, "2592000000")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("processors: {greedy: {}}", "declares topic pix.pagamentos, which is pixstream's own"),
        ("processors: {state_thief: {}}", "declares topic pix.state.scores, which is pixstream's"),
        ("processors: {stranger: {}}", "declares topic scores, whose name must begin with pix."),
        ("processors: {careless: {}}", "min_insync_replicas 2 is above replication 1"),
        ("processors: {nothing: {}}", "no processor of type 'nothing'; known: careless"),
        ("processors: {plain: {categories: [pix]}}", "unknown category 'pix'"),
        ("processors: {plain: {rows: 1}}", "processors.plain.rows: unknown key"),
        (
            "processors: {console: {type: plain}}\nconsumers: {console: {}}",
            "a processor has this name too",
        ),
        (
            "processors: {scores: {}}\ntopics: {pix.state.scores: {partitions: 2}}",
            "it must have one partition",
        ),
        (
            "processors: {scores: {}}\ntopics: {pix.state.scores: {cleanup_policy: delete}}",
            "would lose records",
        ),
    ],
)
def test_what_cannot_be_is_named(load: Load, text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as found:
        load(text)
    assert problem in str(found.value)


def test_it_is_shown_with_its_defaults(load: Load, tmp_path: Path) -> None:
    settings = load("processors: {plain: {}}")
    text = "\n".join(show.lines(resolve(tmp_path / "kafka_config.yaml"), settings))
    assert "processors:\n  plain:\n" in text
    assert "seconds: 0.2  # default" in text


def test_it_is_granted_its_topics_its_state_and_nothing_else(load: Load, tmp_path: Path) -> None:
    load("processors: {scores: {categories: [estornos]}}")
    root = Root(tmp_path / "kafka_config.yaml", None, ())
    printed = CliRunner().invoke(acls_command, ["scores", "--format", "json"], obj=root)
    assert printed.exit_code == 0, printed.output
    found = {(acl["operation"], acl["resource"], acl["name"]) for acl in json.loads(printed.output)}
    assert found == {
        ("Read", "topic", "pix.estornos"),
        ("Read", "group", "pixstream.scores"),
        ("Write", "topic", "pix.dlq"),
        ("Write", "topic", "pix.scores"),
        ("Read", "topic", "pix.state.scores"),
        ("Write", "topic", "pix.state.scores"),
        ("Write", "transactional-id", "pixstream/scores/"),
    }


def test_it_is_selected_and_checked_like_every_component(load: Load) -> None:
    settings = load("processors: {scores: {}, p: {type: plain, enabled: false}}")
    assert [component.name for component in select(settings.components, [])] == ["scores"]
    found = {finding.what: finding.ok for finding in examine(settings, None)}
    assert (found["processor scores"], found["processor p"]) == (True, None)
