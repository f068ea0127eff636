"""The configuration: YAML in layers, checked against the settings' types, become `Settings`.

`loading` is the way in; `settings` the tree that comes out; `schema` derives from it what a key may
hold; the `yaml_*` modules read and merge the text with the place of every value; `problems` words
what is wrong; `show` and `editor_schema` tell people and editors.
"""

from pixstream.config.loading import load

__all__ = ["load"]
