"""The contract of every plugin: its one class, its descriptions, its section of the YAML.

Needs pytest. Tests of a plugin inherit from `ProducerContract` or `ConsumerContract`.
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
    """Tests of a plugin before it reads or writes anything.

    Attributes:
        kind: `Producer` or `Consumer`; set by the contract of each.
        type_name: the `type` in the YAML: a built-in plugin or an installed entry point.
        sample: the section of the YAML from its documentation, without `type`.
    """

    kind: ClassVar[type[Component]] = Component
    type_name: ClassVar[str]
    sample: ClassVar[str]

    def test_its_type_names_exactly_one_class(self) -> None:
        """`type: NAME` loads the plugin's class."""
        assert issubclass(discovery.load(self.kind, self.type_name), self.kind)

    def test_the_class_and_each_of_its_settings_are_described(self) -> None:
        """The reference and the editor's schema are made from these texts."""
        plugin = discovery.load(self.kind, self.type_name)
        # Python gives a dataclass without a docstring its signature as one.
        text = (plugin.__doc__ or "").strip()
        assert text, "the class has no docstring"
        assert not text.startswith(f"{plugin.__name__}("), "the class has no docstring"
        described = schema.of_component(plugin, self.type_name)["properties"]
        assert [name for name, part in described.items() if not part.get("description")] == []

    def test_its_sample_loads(self, tmp_path: Path) -> None:
        """The section in its documentation is valid."""
        assert self._load(tmp_path, {}).type == self.type_name

    def test_an_unknown_key_is_refused_with_its_path(self, tmp_path: Path) -> None:
        """A misspelt setting is never ignored."""
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
