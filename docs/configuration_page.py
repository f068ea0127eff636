"""docs/reference/configuration.md: every setting, its type, default and meaning."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pixstream.config.schema import KINDS, is_secret, of_component, of_core, options
from pixstream.kafka.topics.declared import DEFAULT_TOPICS
from pixstream.plugins import discovery

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.config.schema import Schema

_HEAD = """\
# Configuration

Everything is configured in one file, `kafka_config.yaml` (to use another: `--config FILE` or
`PIXSTREAM_CONFIG`). This page is generated from the code by `docs/generate.py`.

- **Layers**: the defaults below, the file, the overlay of the chosen environment, then each
  `--set path=value`. Later layers win.
- **Environment**: `--env NAME`, else `PIXSTREAM_ENV`, else the file's `environment`, else `dev`
  (`PIXSTREAM_ENV` is ignored for a file without environments). Its overlay is `environments.NAME`.
  Maps merge key by key; lists and single values replace. A `null` over a map removes it: a
  component or topic disappears, a section returns to its defaults. Over anything else it is the
  value null. A key without a value leaves a map unchanged.
- **Variables**: `${NAME}` in a value is an environment variable. `${NAME:-default}` gives a default
  for an unset or empty variable, and `$${` is a literal `${`. Only the variables of the chosen
  environment need to be set.
- **YAML** follows YAML 1.2: `no` and `on` are text, and `00000000` keeps its zeros if the setting
  is text. Anchors and `<<` work; tags and duplicate keys are refused.
- **`pixstream config show`** prints the effective configuration, with the source line of each
  value; `pixstream config schema` prints the JSON schema for editors. Secrets are never printed.
"""
_COMPONENT = """\
A component's name is its key; `type` names its plugin and defaults to the component's name.
"""


def build() -> str:
    """Return the page's text."""
    return "\n".join(_lines()).rstrip() + "\n"


def _lines() -> Iterator[str]:
    core = of_core()
    yield _HEAD
    plain = {k: v for k, v in core["properties"].items() if "properties" not in v}
    yield from _table(core | {"properties": plain}, ())
    for name, part in core["properties"].items():
        if name not in {*plain, *KINDS}:
            yield f"\n## {name}\n"
            yield f"{_sentence(part['description'])}\n"
            yield from _topics(part) if name == "topics" else _table(part, (name,))
    for section, kind in KINDS.items():
        yield f"\n## {section}\n"
        yield f"{_sentence(core['properties'][section]['description'])} {_COMPONENT}"
        for type_name in discovery.builtin(kind):
            cls = discovery.load(kind, type_name)
            yield f"\n### {section}: {type_name}\n"
            yield f"{(cls.__doc__ or '').strip().splitlines()[0]}\n"
            yield from _table(of_component(cls, type_name), ())


def _topics(part: Schema) -> Iterator[str]:
    yield from _table(part["additionalProperties"], ("topics", "NAME"))
    yield "\nA null means the topic's own default, otherwise the broker's:\n"
    keys = [key for key in part["additionalProperties"]["properties"] if key != "config"]
    yield f"| topic | {' | '.join(keys)} | config |"
    yield "|---" * (len(keys) + 2) + "|"
    for name in DEFAULT_TOPICS:
        settings = part["properties"][name]["properties"]
        values = [_default(settings[key]) for key in (*keys, "config")]
        yield f"| `{name}` | {' | '.join(values)} |"


def _table(schema: Schema, path: tuple[str, ...]) -> Iterator[str]:
    yield "| setting | type | default | meaning |"
    yield "|---|---|---|---|"
    yield from _rows(schema, path)


def _rows(schema: Schema, path: tuple[str, ...]) -> Iterator[str]:
    for key, part in schema["properties"].items():
        here = (*path, key)
        if part.get("properties"):
            yield from _rows(part, here)
            continue
        cells = (f"`{'.'.join(here)}`", _type(part), _default(part), _meaning(part))
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
        element = part.get("items") or part.get("additionalProperties")
        if isinstance(element, dict) and element.get("properties"):
            mark = "[]" if "items" in part else ".NAME"
            yield from _rows(element, (*path, f"{key}{mark}"))


def _type(part: Schema) -> str:
    return " or ".join(_one_type(option) for option in options(part))


def _one_type(part: Schema) -> str:
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    words = {"string": "text", "object": "map", "array": "list", "boolean": "true, false"}
    kind = words.get(part.get("type", "any"), part.get("type", "any"))
    bounds = {
        "minimum": "≥",
        "exclusiveMinimum": ">",
        "maximum": "≤",
        "exclusiveMaximum": "<",
    }
    return " ".join([kind, *(f"{sign} {part[key]}" for key, sign in bounds.items() if key in part)])


def _default(part: Schema) -> str:
    return f"`{json.dumps(part['default'], ensure_ascii=False)}`" if "default" in part else "none"


def _meaning(part: Schema) -> str:
    secret = " (secret)" if is_secret(part, ()) else ""
    return f"{part.get('description', '')}{secret}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
