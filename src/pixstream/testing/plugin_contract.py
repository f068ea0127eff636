"""What holds for every plugin: its one class, its descriptions, its section of the YAML.

Needs pytest. A plugin's author inherits from `ProducerContract` or `ConsumerContract`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import pytest
import yaml

from pixstream import config
from pixstream.config import schema
from pixstream.errors import ConfigError
from pixstream.plugins import discovery
from pixstream.plugins.component import Component

if TYPE_CHECKING:
    from pathlib import Path

_KEYS = {"pseudonym_key": "11" * 32, "encryption_key": "22" * 32}


class PluginContract:
    """Tests of what a plugin is before it reads or writes anything.

    Attributes:
        kind: `Producer` or `Consumer`; the contract of each sets it.
        type_name: what `type` in the YAML says: a built-in plugin or an installed entry point.
        sample: the section of the YAML as its documentation shows it, without `type`.
    """

    kind: ClassVar[type[Component]] = Component
    type_name: ClassVar[str]
    sample: ClassVar[str]

    def test_its_type_names_exactly_one_class(self) -> None:
        """`type: NAME` leads to it, and it calls itself by that name."""
        assert issubclass(discovery.load(self.kind, self.type_name), self.kind)

    def test_the_class_and_each_of_its_settings_are_described(self) -> None:
        """The reference and the editor's schema are made from these texts."""
        plugin = discovery.load(self.kind, self.type_name)
        # A dataclass without a docstring gets its signature for one.
        text = (plugin.__doc__ or "").strip()
        assert text, "the class has no docstring"
        assert not text.startswith(f"{plugin.__name__}("), "the class has no docstring"
        described = schema.of_component(plugin, self.type_name)["properties"]
        assert [name for name, part in described.items() if not part.get("description")] == []

    def test_its_sample_loads(self, tmp_path: Path) -> None:
        """The section that its documentation shows is a valid one."""
        assert self._load(tmp_path, {}).type == self.type_name

    def test_an_unknown_key_is_refused_with_its_path(self, tmp_path: Path) -> None:
        """A misspelt setting never passes for one that was left out."""
        path = rf"{self._section()}\.mine\.no_such_setting"
        with pytest.raises(ConfigError, match=path):
            self._load(tmp_path, {"no_such_setting": 1})

    def _load(self, directory: Path, more: dict[str, Any]) -> Component:
        section = {"type": self.type_name, **(yaml.safe_load(self.sample) or {}), **more}
        file = directory / "kafka_config.yaml"
        file.write_text(yaml.safe_dump({"privacy": _KEYS, self._section(): {"mine": section}}))
        loaded: Component = getattr(config.load(file), self._section())["mine"]
        return loaded

    def _section(self) -> str:
        return f"{self.kind.__name__.lower()}s"
