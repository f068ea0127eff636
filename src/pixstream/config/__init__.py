"""The configuration: YAML in layers, checked against the types of `Settings` and converted to it.

`loading` is the entry point and `settings` the result. `schema` derives the allowed values of each
key from `settings`; the `yaml_*` modules read and merge the text, with the place of every value;
`problems` words the error messages; `show` is for people, `editor_schema` for editors.
"""

from pixstream.config.loading import load

__all__ = ["load"]
