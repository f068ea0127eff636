"""Schemas made from the classes that hold the settings."""

from __future__ import annotations

import dataclasses
import re
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import pytest

from pixstream.config.schema import (
    along,
    child,
    fields_of,
    is_secret,
    of_component,
    of_core,
    options,
    type_name,
    types,
    with_components,
)
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import ConfigError
from pixstream.kafka.topics.declared import DEFAULT_TOPICS
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.discovery import builtin, load
from pixstream.plugins.producer import Producer
from pixstream.producers.webhook.producer import Webhook
from pixstream.secret_setting import looks_secret, mark, public, secret

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.config.schema import Schema


class Tree(msgspec.Struct):
    branches: list[Tree] = []


@dataclasses.dataclass(kw_only=True)
class Forest(Producer):
    """A plugin that no file can configure."""

    tree: Tree = dataclasses.field(default_factory=Tree)


class Hidden(msgspec.Struct):
    word: Annotated[str, secret("never shown")] | None = None
    words: Annotated[dict[str, str], secret("never shown")] = {}
    size: int | float = 1


@dataclasses.dataclass(kw_only=True)
class Chest(Producer):
    """Something with secrets."""

    content: list[Hidden] = dataclasses.field(default_factory=list)


def defaults(schema: dict[str, Any], *path: str) -> Any:
    *_, last = along(schema, path)
    return last["default"]


def test_every_place_has_its_own_default() -> None:
    webhook, lake = of_component(Webhook, "webhook"), of_component(DeltaLake, "delta_lake")
    assert defaults(webhook, "batch", "rows") == 5_000
    assert defaults(lake, "batch", "rows") == 50_000
    assert defaults(of_core(), "supervisor", "restart", "min_seconds") == 0.5
    assert defaults(of_core(), "retry", "min_seconds") == 0.2


def test_the_fixed_topics_have_their_defaults_and_any_other_may_stand_beside_them() -> None:
    topics = of_core()["properties"]["topics"]
    assert topics["properties"].keys() == DEFAULT_TOPICS.keys()
    assert defaults(topics, "pix.dlq", "retention") == "forever"
    assert defaults(topics, "another", "retention") is None


def test_settings_are_what_the_constructor_takes() -> None:
    assert "port" in fields_of(Webhook)
    assert not fields_of(Webhook).keys() & {"name", "replica", "_open"}
    schema = of_component(Webhook, "webhook")
    assert schema["properties"].keys() == fields_of(Webhook).keys()
    assert schema["additionalProperties"] is False
    assert schema["required"] == []


def test_a_plugin_whose_settings_contain_themselves_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"plugin Forest: a field cannot be a setting: .*itself"):
        of_component(Forest, "forest")


def test_secrets_are_known_in_unions_lists_and_maps() -> None:
    schema = of_component(Chest, "chest")
    assert is_secret(schema, ("content", "[3]", "word"))
    assert is_secret(schema, ("content", "[0]", "words", "any"))
    assert not is_secret(schema, ("content", "[0]", "size"))
    assert not is_secret(schema, ("content",))


def settings(schema: Schema, *path: str) -> Iterator[tuple[str, ...]]:
    """The paths of all settings with a name of their own."""
    *_, last = along(schema, path)
    for part in (last, *options(last)):
        for name in part.get("properties", {}):
            yield (*path, name)
            yield from settings(schema, *path, name)


def test_whatever_is_named_like_a_secret_is_marked_as_one() -> None:
    schemas = [of_core()]
    for kind in (Producer, Consumer):
        schemas += [of_component(load(kind, name), name) for name in builtin(kind)]
    telling = re.compile(r"(password|secret|token|(pseudonym|encryption)_key)$")
    found = {
        path: is_secret(schema, path)
        for schema in schemas
        for path in settings(schema)
        if telling.search(path[-1])
    }
    assert len(found) > 5
    assert [path for path, marked in found.items() if not marked] == []


@dataclasses.dataclass(kw_only=True)
class Naive(Consumer):
    """A plugin of somebody who has not heard of the mark."""

    api_key: str = ""
    dbPassword: str = ""  # noqa: N815  a name as people write it
    credentials: dict[str, str] = dataclasses.field(default_factory=dict)
    token_url: str = ""
    sort_key: str = ""
    passed: int = 0
    key: Annotated[str, public("path of a file")] = ""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((n, True) for n in ("password", "db_pwd", "apiKey", "API_KEY", "hmac", "bearerToken")),
        *((n, True) for n in ("ssl.key.password", "private_key", "client-secret", "key")),
        *((n, False) for n in ("token_url", "key_file", "sort_key", "passed", "monkey", "", "[0]")),
    ],
)
def test_the_end_of_a_name_decides(name: str, *, expected: bool) -> None:
    assert looks_secret(name) is expected


def test_a_name_like_a_secrets_is_one_unless_it_is_declared_public() -> None:
    schema = with_components(of_core(), {"consumers": {"token": of_component(Naive, "naive")}})
    secrets = {
        name
        for name in fields_of(Naive)
        if is_secret(schema, ("consumers", "token", name, "anything"))
    }
    assert secrets == {"api_key", "dbPassword", "credentials"}
    assert not is_secret(schema, ("topics", "pix.token", "retention"))


def test_no_setting_of_ours_is_hidden_by_its_name_alone() -> None:
    schemas = [of_core()]
    for kind in (Producer, Consumer):
        schemas += [of_component(load(kind, name), name) for name in builtin(kind)]
    for schema in schemas:
        for path in settings(schema):
            marked = any(
                mark(option) for part in along(schema, path) for option in (part, *options(part))
            )
            assert is_secret(schema, path) == marked, path


def test_paths_lead_through_lists_and_free_maps_and_end_where_nothing_is() -> None:
    core = of_core()
    kafka = core["properties"]["kafka"]
    assert child(core, "kafka") is kafka
    assert child(core, "kafak") is None
    assert len(list(along(core, ("kafka", "none", "deeper")))) == 2
    *_, servers = along(core, ("kafka", "bootstrap_servers"))
    assert types(servers) == {"string", "null"}
    assert types({}) == set()
    *_, size = along(of_component(Chest, "chest"), ("content", "[0]", "size"))
    assert types(size) == {"integer", "number"}


def test_json_types_of_plain_data() -> None:
    values: list[object] = [None, True, 1, 1.0, "", [], {}]
    names = ["null", "boolean", "integer", "number", "string", "array", "object"]
    assert [type_name(value) for value in values] == names
