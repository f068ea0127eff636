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

Everything is set in one file, `kafka_config.yaml` (another one: `--config FILE` or
`PIXSTREAM_CONFIG`). This page is generated from the code by `docs/generate.py`.

- **Layers**, later ones win: the defaults below, the file, the overlay of the chosen environment,
  each `--set path=value`.
- **Environment**: `--env NAME`, else `PIXSTREAM_ENV`, else the file's `environment`, else `dev`
  (`PIXSTREAM_ENV` says nothing about a file without environments).
  Its overlay is `environments.NAME`. Maps merge key by key; lists and single values replace. A
  `null` over a map removes it: the component or topic is gone, a section is back at its defaults;
  over anything else it is the value null. A key with nothing after it changes nothing over a map.
- **Variables**: `${NAME}` in a value is an environment variable, `${NAME:-default}` has a default
  for an unset or empty one, `$${` stands for `${`. Only the chosen environment's need to be set.
- **YAML** is read by the rules of YAML 1.2: `no` and `on` are text, and `00000000` keeps its zeros
  where text is wanted. Anchors and `<<` work; tags and duplicate keys are refused.
- **`pixstream config show`** prints what counts in the end, with the line of each value;
  `pixstream config schema` the JSON schema for editors. Secrets are never printed.
"""
_COMPONENT = """\
A component's name is its key; `type` names its plugin and is the name where it is left out.
"""


def build() -> str:
    """The page's text."""
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
    yield "\nA null is the topic's own default, else the broker's:\n"
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
