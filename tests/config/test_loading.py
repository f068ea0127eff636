"""Loading the configuration: environments, variables, changes, and every way to get it wrong."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pixstream.config.check import plain
from pixstream.config.loading import load, resolve
from pixstream.config.schema import fields_of
from pixstream.config.settings import Settings
from pixstream.config.yaml_source import parse
from pixstream.config.yaml_tree import Origin, origin
from pixstream.errors import ConfigError
from pixstream.plugins import discovery
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.producer import Producer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.config.schema import Schema

PLUGINS = '''
import dataclasses
from typing import Annotated, Literal

from pathlib import Path

import msgspec
from msgspec import Meta

from pixstream.errors import ConfigError
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.producer import Producer
from pixstream.secret_setting import secret


class Account(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """An account at the branch."""

    name: str
    pin: Annotated[str | None, secret("never shown")] = None


class Vault(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Where the money is."""

    door: int = 1


@dataclasses.dataclass(kw_only=True)
class Branch(Producer):
    """A branch office."""

    port: Annotated[Annotated[int, Meta(ge=1, le=65535)], Meta(description="TCP port")] = 8080
    mode: Literal["pull", "push"] = "pull"
    ratio: float = 0.5
    vault: Vault | None = None
    size: int | Literal["big", "small"] = "big"
    accounts: list[Account] = dataclasses.field(default_factory=list)
    headers: Annotated[dict[str, str], secret("never shown")] = dataclasses.field(
        default_factory=dict
    )
    _server: object = dataclasses.field(default=None, init=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.port == 13:
            raise ConfigError("port 13 belongs to the clock")


@dataclasses.dataclass(kw_only=True)
class Strict(Producer):
    """It cannot be left to its defaults."""

    where: str


@dataclasses.dataclass(kw_only=True)
class Odd(Producer):
    """Its field is of a type that no YAML holds."""

    where: Path = Path("here")


@dataclasses.dataclass(kw_only=True)
class Shelf(Consumer):
    """A shelf."""

    path: str = "shelf"
'''
POINTS = """
[pixstream.producers]
branch = pixstream_test_plugins:Branch
strict = pixstream_test_plugins:Strict
odd = pixstream_test_plugins:Odd
needy = pixstream_test_needy:Needy

[pixstream.consumers]
shelf = pixstream_test_plugins:Shelf
"""


@pytest.fixture(scope="module", autouse=True)
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Plugins as another package would install them."""
    site = tmp_path_factory.mktemp("site")
    (site / "pixstream_test_plugins.py").write_text(PLUGINS)
    (site / "pixstream_test_needy.py").write_text("import pixstream_test_absent_module\n")
    info = site / "pixstream_test-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: pixstream-test\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield
    sys.modules.pop("pixstream_test_plugins", None)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIXSTREAM_ENV", "X", "Y", "Z"):
        monkeypatch.delenv(name, raising=False)


class File:
    """A configuration file to write and load."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self, text: str, *overrides: str, env: str | None = None) -> Settings:
        self.path.write_text(text, "utf-8")
        return load(self.path, env=env, overrides=overrides)

    def problems(self, text: str, *overrides: str, env: str | None = None) -> list[str]:
        """What is told, without the directory of the file."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, *overrides, env=env)
        return str(caught.value).replace(f"{self.path}", "f.yaml").splitlines()


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "f.yaml")


def test_what_is_not_written_has_its_default(file: File) -> None:
    assert file.load("data_dir: data\n") == Settings()


def test_a_section_with_nothing_in_it_is_at_its_defaults(file: File) -> None:
    assert file.load("kafka:\nproducers:\ntopics:\nenvironments:\n") == Settings()


def test_components_are_plugin_objects_with_their_names(file: File) -> None:
    text = """
producers:
  branch:
  south: {type: branch, port: 81, ratio: 1, accounts: [{name: a, pin: "0"}], enabled: false}
consumers:
  shelf: {categories: [estornos], batch: {rows: 5}}
"""
    loaded = file.load(text)
    assert [type(p).__name__ for p in loaded.producers.values()] == ["Branch", "Branch"]
    assert [(p.name, p.type) for p in loaded.producers.values()] == [
        ("branch", "branch"),
        ("south", "branch"),
    ]
    south = loaded.producers["south"]
    found = {name: getattr(south, name) for name in fields_of(type(south))}
    account = found.pop("accounts")[0]
    assert (account.name, account.pin) == ("a", "0")
    assert found == {
        "type": "branch",
        "enabled": False,
        "replicas": 1,
        "batch": south.batch,
        "port": 81,
        "mode": "pull",
        "ratio": 1.0,
        "vault": None,
        "size": "big",
        "headers": {},
    }
    shelf = loaded.consumers["shelf"]
    assert (shelf.categories, shelf.batch.rows, shelf.batch.seconds) == (["estornos"], 5, 5.0)


def test_only_the_wanted_component_is_loaded(file: File) -> None:
    file.path.write_text("producers: {branch: , needy: }\nconsumers: {shelf: }\n")
    loaded = load(file.path, only=["branch"])
    assert (list(loaded.producers), list(loaded.consumers)) == (["branch"], [])


def test_text_stays_text_where_text_is_wanted(file: File) -> None:
    text = """
institution: {ispbs: [00000000, 12345678]}
topics: {pix.dlq: {config: {segment.ms: 010, flush: true}}}
data_dir: 1.10
"""
    loaded = file.load(text)
    assert loaded.institution.ispbs == ["00000000", "12345678"]
    assert loaded.topics["pix.dlq"].config == {"segment.ms": "010", "flush": "true"}
    assert loaded.data_dir == "1.10"


def test_a_whole_number_may_be_written_with_a_point(file: File) -> None:
    loaded = file.load("kafka: {linger_ms: 5.0}\nretry: {max_seconds: 60}\n")
    assert (loaded.kafka.linger_ms, loaded.retry.max_seconds) == (5, 60.0)
    assert type(loaded.kafka.linger_ms) is int


# Environments


ENVIRONMENTS = """
kafka: {linger_ms: 1, bootstrap_servers: base:1}
producers: {branch: {port: 1}}
environments:
  dev:
  staging: {kafka: {linger_ms: 2}}
  prod: {kafka: {linger_ms: 3, bootstrap_servers: null}, producers: {branch: null}}
"""


def test_an_overlay_is_laid_over_the_rest(file: File) -> None:
    assert file.load(ENVIRONMENTS).kafka.linger_ms == 1
    assert file.load(ENVIRONMENTS, env="staging").kafka.linger_ms == 2
    prod = file.load(ENVIRONMENTS, env="prod")
    assert (prod.kafka.linger_ms, prod.kafka.bootstrap_servers) == (3, None)
    assert prod.producers == {}


def test_option_then_variable_then_file_then_dev_choose_the_environment(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"environment: staging\n{ENVIRONMENTS}"
    assert file.load(text).kafka.linger_ms == 2
    monkeypatch.setenv("PIXSTREAM_ENV", "prod")
    assert file.load(text).kafka.linger_ms == 3
    assert file.load(text, env="dev").kafka.linger_ms == 1
    assert resolve(file.path).environment == "prod"


def test_an_unknown_environment_lists_the_known_ones(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = "known environments: dev, staging, prod"
    assert file.problems(ENVIRONMENTS, env="qa") == [f"--env: unknown environment 'qa'; {known}"]
    assert file.problems(f"environment: qa\n{ENVIRONMENTS}") == [
        f"f.yaml:1: environment: unknown environment 'qa'; {known}"
    ]
    assert file.problems("data_dir: x\n", env="prod") == [
        "--env: unknown environment 'prod'; the file has none"
    ]
    assert file.problems("environments: {prod: {}}\n") == [
        "f.yaml: unknown environment 'dev'; known environments: prod"
    ]
    monkeypatch.setenv("PIXSTREAM_ENV", "qa")
    assert file.problems(ENVIRONMENTS) == [f"PIXSTREAM_ENV: unknown environment 'qa'; {known}"]
    assert file.load("data_dir: x\n").data_dir == "x"


def test_overlays_that_were_not_chosen_are_checked_too(file: File) -> None:
    text = """
kafka: {linger_ms: 1}
environments:
  dev: {}
  prod:
    kafka:
      clent: x
      linger_ms: ${X}
      sasl: {username: "${Y:-none}"}
    producers: {branch: {prt: 1}}
  staging: 5
"""
    assert file.problems(text) == [
        "f.yaml:11: environments.staging: expected a mapping of sections",
    ]
    assert file.problems(text.replace("staging: 5", "staging: {}")) == [
        "f.yaml:7: environments.prod.kafka.clent: unknown key; nearest valid key: client",
        "f.yaml:10: environments.prod.producers.branch.prt: unknown key; nearest valid key: port",
    ]


def test_a_problem_of_the_base_is_told_once(file: File) -> None:
    problems = file.problems(ENVIRONMENTS.replace("port: 1", "port: 0"))
    assert problems == ["f.yaml:3: producers.branch.port: must be at least 1, is 0"]


# Variables


def test_variables_become_what_the_setting_wants(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", "81")
    monkeypatch.setenv("Y", "false")
    text = """
producers: {branch: {port: "${X}", enabled: '${Y}', ratio: "${Z:-0.25}"}}
kafka: {sasl: {username: "${X}", password: "${X}"}, bootstrap_servers: "${Z:-}"}
"""
    loaded = file.load(text)
    branch = loaded.producers["branch"]
    assert vars(branch)["port"] == 81
    assert vars(branch)["ratio"] == 0.25
    assert not branch.enabled
    assert loaded.kafka.sasl.password == "81"
    assert loaded.kafka.bootstrap_servers is None


def test_unset_variables_are_told_together_with_all_other_problems(file: File) -> None:
    text = "kafka:\n  linger_ms: ${X}\n  clent: 1\ndata_dir: ${Y}\n"
    unset = "environment variable {0} is not set; set it, or write ${{{0}:-default}}"
    assert file.problems(text) == [
        f"f.yaml:2: kafka.linger_ms: {unset.format('X')}",
        "f.yaml:3: kafka.clent: unknown key; nearest valid key: client",
        f"f.yaml:4: data_dir: {unset.format('Y')}",
    ]


def test_neither_secrets_nor_values_from_variables_are_ever_told(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("X", "geheim")
    text = """
kafka: {linger_ms: "${X}", client: "${X}", sasl: {password: [geheim]}}
privacy: {key_id: "${X} ${X}", pseudonym_key: {a: geheim}}
producers:
  branch: {port: "${X}", headers: {a: [geheim]}, accounts: [{name: a, pin: {a: geheim}}]}
broker: {heap: "${X}"}
topics: {a: {partitions: "${X}"}}
"""
    problems = file.problems(text, "privacy.encryption_key=[geheim]")
    assert len(problems) == 11
    assert "geheim" not in "\n".join(problems)


# Changes


def test_set_wins_over_everything_and_the_last_one_over_the_others(file: File) -> None:
    loaded = file.load(ENVIRONMENTS, "kafka.linger_ms=8", "kafka.linger_ms=9", env="prod")
    assert loaded.kafka.linger_ms == 9
    loaded = file.load(ENVIRONMENTS, "producers.north={type: branch, port: 7}")
    assert vars(loaded.producers["north"])["port"] == 7


def test_problems_of_set_name_it(file: File) -> None:
    problems = file.problems(
        ENVIRONMENTS,
        "kafka.clent=x",
        "kafka.linger_ms=abc",
        "environments.dev.data_dir=x",
        "producers.branch.type=bank",
        "topics.pix.dlq.partition=1",
    )
    known = ", ".join(sorted(Settings.__struct_fields__)[:12]) + ", …"
    told = [line for line in problems if "no producer of type 'bank'; known: " in line]
    assert len(told) == 1
    assert sorted(problems) == sorted(
        [
            *told,
            '--set: kafka.linger_ms: expected integer, got text "abc"',
            "--set: kafka.clent: unknown key; nearest valid key: client",
            f"--set: environments: unknown key; valid keys: {known}",
            "--set: topics.pix.dlq.partition: unknown key; nearest valid key: partitions",
        ]
    )


# Wrong values


WRONG = r"""
kafka: {bootstrap_server: x}
    kafka.bootstrap_server: unknown key; nearest valid key: bootstrap_servers
linger_ms: 3
    linger_ms: unknown key; nearest valid key: kafka.linger_ms
retry: {qqq: 3}
    retry.qqq: unknown key; valid keys: breaker_failures, breaker_seconds, max_seconds, min_seconds
kafka: {linger_ms: '3'}
    kafka.linger_ms: expected integer, got text "3"
kafka: {linger_ms: 1.5}
    kafka.linger_ms: expected integer, got number 1.5
kafka: {linger_ms: yes}
    kafka.linger_ms: expected integer, got text "yes"
kafka: {linger_ms: true}
    kafka.linger_ms: expected integer, got true
kafka: {linger_ms: }
    kafka.linger_ms: expected integer, got null
kafka: {linger_ms: -1}
    kafka.linger_ms: must be at least 0, is -1
kafka: {linger_ms: 1001}
    kafka.linger_ms: must be at most 1000, is 1001
retry: {min_seconds: 0}
    retry.min_seconds: must be greater than 0, is 0
data_dir: ''
    data_dir: must have at least 1 characters, is ""
data_dir: [a]
    data_dir: expected text, got list
data_dir: null
    data_dir: expected text, got null
kafka: [1]
    kafka: expected mapping, got list
kafka: x
    kafka: expected mapping, got text "x"
kafka: {bootstrap_servers: [a]}
    kafka.bootstrap_servers: expected text or null, got list
kafka: {client: kafkapython}
    kafka.client: expected one of confluent, kafka-python; got "kafkapython"; nearest: kafka-p
topics: {a: {compression: zst}}
    topics.a.compression: expected one of gzip, lz4, producer, snappy, uncompressed, zstd; got
topics: {a: {cleanup_policy: [a]}}
    topics.a.cleanup_policy: expected text or null, got list
kafka: {linger_ms: 1234567890123456789}
    kafka.linger_ms: expected integer, got text "1234567890123456789"
producers: {odd: }
    producers.odd: plugin Odd: a field cannot be a setting: Encoding objects of type
producers: {strict: }
    producers.strict: the key where is missing
producers: {branch: {vault: {dor: 1}}}
    producers.branch.vault.dor: unknown key; nearest valid key: door
producers: {branch: {vault: [1]}}
    producers.branch.vault: expected mapping or null, got list
producers: {branch: {size: x}}
    producers.branch.size: expected one of big, small; got "x"
topics: {a: {partitions: 0}}
    topics.a.partitions: must be at least 1, is 0
topics: {a: {partitions: x}}
    topics.a.partitions: expected integer or null, got text "x"
topics: {a: {retention: 3 days}}
    topics.a.retention: "3 days" does not have the form ^(forever|[1-9][0-9]{0,11}(ms|s|m|h|d|w))$
topics: {a/b: {}}
    topics.a/b: topic 'a/b': a topic name has 1 to 249 letters
institution: {ispbs: [1]}
    institution.ispbs[0]: "1" does not have the form ^[0-9A-Z]{8}$
producers: {a: {type: branc}}
    producers.a.type: no producer of type 'branc'; known:
producers: {branc: {}}
    producers.branc: no producer of type 'branc'; known:
producers: {a: {type: [b]}}
    producers.a.type: expected text, the name of a plugin
producers: {A B: {type: branch}}
    producers.A B: the name does not have the form ^[a-z0-9][a-z0-9_-]{0,62}$ (lower case, at most
producers: {needy: }
    producers.needy: plugin needy cannot be imported: No module named 'pixstream_test_absent_m
producers: {branch: {prt: 1}}
    producers.branch.prt: unknown key; nearest valid key: port
producers: {branch: {_server: 1}}
    producers.branch._server: unknown key
producers: {branch: {accounts: [{nam: a}]}}
    producers.branch.accounts[0]: the key name is missing
producers: {branch: {port: 13}}
    producers.branch: port 13 belongs to the clock
producers: {shelf: {type: branch}}
    producers.shelf: a consumer has this name too; every component needs its own
consumers: {north: {type: shelf, categories: [pix]}}
    consumers.north.categories: unknown category 'pix'; known: pagamentos, recebimentos, estornos
consumers: {north: {type: shelf, categories: []}}
    consumers.north.categories: no category, so nothing would be read; known: pagamentos,
consumers: {north: {type: shelf, categories: [estornos, estornos]}}
    consumers.north.categories: a category is listed twice
kafka: {security_protocol: SASL_PLAINTEXT, sasl: {username: a}}
    kafka.sasl.password: security_protocol SASL_PLAINTEXT needs a password
kafka: {security_protocol: SASL_SSL}
    kafka.sasl.username: security_protocol SASL_SSL needs a username
kafka: {security_protocol: SSL, tls: {ca_file: /no/such.pem}}
    kafka.tls.ca_file: is not an existing file; give the path of a PEM file
kafka: {security_protocol: SSL, tls: {key_file: /no/such.pem}}
    kafka.tls.key_file: a client key needs its certificate_file as well
spark: {checkpoints: "s3://bucket/checkpoints"}
    spark.checkpoints: must be a directory: give a path of this machine, or a volume
topics: {a: {replication: 1, min_insync_replicas: 2}}
    topics.a: min_insync_replicas 2 is above replication 1
topics: {pix.estornos: {max_message_bytes: 1024}}
    topics.pix.estornos.max_message_bytes: below kafka.max_event_bytes, 1048576
topics: {pix.dlq: {max_message_bytes: 2048}}
    topics.pix.dlq.max_message_bytes: below kafka.max_letter_bytes, 12582912
retry: {min_seconds: 9, max_seconds: 8}
    retry.min_seconds: above max_seconds, 8
supervisor: {restart: {min_seconds: 90}}
    supervisor.restart.min_seconds: above max_seconds, 30
retry: {max_seconds: 300}
    retry.max_seconds: must be below kafka.max_poll_interval_ms, 300 s
producers: {branch: {batch: {seconds: 5.1}}}
    producers.branch.batch.seconds: above half of kafka.transaction_timeout_ms, 5 s: Kafka aborts
"""
LINES = WRONG.strip().splitlines()


@pytest.mark.parametrize(("text", "problem"), list(zip(LINES[::2], LINES[1::2], strict=True)))
def test_what_is_wrong_is_told_with_line_path_and_advice(
    file: File, text: str, problem: str
) -> None:
    tail = "" if "consumers" in text else "consumers: {shelf: }\n"
    problems = file.problems(f"\n{text}\n{tail}")
    assert problems[0].startswith(f"f.yaml:2: {problem.strip()}")


def test_half_of_a_transactions_time_is_enough_for_its_batch(file: File) -> None:
    text = "kafka: {transaction_timeout_ms: 60000}\nproducers: {branch: {batch: {seconds: 30}}}"
    loaded = file.load(f"{text}\nconsumers: {{shelf: }}\n")
    assert loaded.producers["branch"].batch.seconds == 30


def test_every_problem_is_told_at_once(file: File) -> None:
    text = "kafka:\n  clent: x\n  linger_ms: y\nproducers:\n  bank: 1\nretry: 3\n"
    assert [line.split(": ")[0] for line in file.problems(text)] == [
        "f.yaml:2",
        "f.yaml:3",
        "f.yaml:5",
        "f.yaml:6",
    ]


# The file of the repository


ROOT = Path(__file__).parents[2]
VARIABLES = {
    "PIXSTREAM_ISPB": "00000000",
    "PIXSTREAM_PSEUDONYM_KEY": "file:one",
    "PIXSTREAM_ENCRYPTION_KEY": "file:two",
    "PIXSTREAM_LAKE_URI": "lake",
    "KAFKA_BOOTSTRAP_SERVERS": "kafka:9093",
    "KAFKA_USERNAME": "someone",
    "KAFKA_PASSWORD": "something",
    "BANK_API_URL": "https://bank/pix/v2",
    "BANK_TOKEN_URL": "https://bank/token",
    "BANK_CLIENT_ID": "client",
    "BANK_CLIENT_SECRET": "secret",
    "BANK_ISPB": "00000000",
    "WEBHOOK_TOKEN": "token",
}
NO_DEFAULTS = {
    ("privacy", "pseudonym_key"),
    ("privacy", "encryption_key"),
    ("producers", "bank_api", "enabled"),
    ("producers", "iso20022", "enabled"),
    ("consumers", "console", "enabled"),
    ("consumers", "spark", "enabled"),
}


def leaves(schema: Schema, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """Every setting of a schema: what is no section."""
    for key, part in schema["properties"].items():
        if part.get("properties"):
            yield from leaves(part, (*path, key))
        else:
            yield (*path, key), part


def test_the_repository_s_file_loads_without_any_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    loaded = load(ROOT / "kafka_config.yaml")
    assert loaded.kafka.bootstrap_servers is None
    assert loaded.producers.keys() == set(discovery.builtin(Producer))
    assert loaded.consumers.keys() == set(discovery.builtin(Consumer))


@pytest.mark.parametrize("env", ["staging", "prod"])
def test_the_repository_s_environments_need_exactly_the_variables_that_they_name(
    env: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError) as caught:
        load(ROOT / "kafka_config.yaml", env=env)
    lines = str(caught.value).splitlines()
    assert all("is not set" in line for line in lines)
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    loaded = load(ROOT / "kafka_config.yaml", env=env)
    assert loaded.institution.ispbs == ["00000000"]
    assert loaded.kafka.sasl.password == "something"
    assert loaded.producers["bank_api"].enabled


def test_the_repository_s_file_holds_every_setting_with_its_default() -> None:
    text = (ROOT / "kafka_config.yaml").read_text("utf-8")
    tree = parse(text, Origin("kafka_config.yaml"))
    schema = resolve(ROOT / "kafka_config.yaml").schema
    written = plain(tree, schema)
    missing, different = [], []
    for path, part in leaves(schema):
        value: Any = written
        for key in path:
            value = value.get(key, Ellipsis) if isinstance(value, dict) else Ellipsis
        if value is Ellipsis:
            if path[-1] != "categories":  # it names all there are, whichever these are
                missing.append(path)
        elif value != part["default"] and path not in NO_DEFAULTS:
            different.append((path, value, part["default"]))
    assert missing == []
    assert different == []


def test_the_repository_s_file_explains_every_setting() -> None:
    lines = (ROOT / "kafka_config.yaml").read_text("utf-8").splitlines()
    tree = parse("\n".join(lines), Origin("kafka_config.yaml"))
    told: set[str] = set()
    silent = []
    for path, _ in leaves(resolve(ROOT / "kafka_config.yaml").schema):
        if path[-1] == "categories":
            continue
        line = origin(tree, path).line or 0
        comments = [text for text in lines[max(0, line - 4) : line] if "#" in text]
        if not comments and path[-1] not in told:
            silent.append(path)
        told.add(path[-1])
    assert silent == []


def test_duplicate_keys_are_refused_where_yaml_would_keep_the_last(file: File) -> None:
    assert file.problems("kafka: {}\nkafka: {client: kafka-python}\n") == [
        "f.yaml:2: kafka: duplicate key, first on line 1; remove one"
    ]


WORDS = st.sampled_from(
    [
        "kafka", "topics", "producers", "consumers", "environments", "environment", "dev",
        "branch", "shelf", "needy", "type", "port", "accounts", "headers", "categories", "batch",
        "rows", "pix.dlq", "config", "partitions", "retention", "privacy", "pseudonym_key",
        "sasl", "security_protocol", "SASL_SSL", "tls", "ca_file", "estornos", "forever",
        "max.message.bytes", "${X}", "${Y:-1}", "${", "$${", "null", "", "~", "0", "1", "-1", "1e9",
        "true", "<<", "7d", "min.insync.replicas", "retention.ms", "broker", "properties", "heap",
        "9" * 29, "é\x00", "a\nb", "/", "x" * 5000,
    ]
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.deferred(
    lambda: (
        WORDS
        | st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=5)
        | st.lists(VALUES, max_size=3)
        | st.dictionaries(WORDS, VALUES, max_size=4)
    )
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.dictionaries(WORDS, VALUES, max_size=5), st.lists(WORDS, max_size=1))
@example({"topics": {"a": {"config": {"min.insync.replicas": "x"}}}}, [])
def test_any_tree_gives_settings_or_a_config_error(
    tmp_path: Path, tree: dict[str, object], names: list[str]
) -> None:
    import yaml

    path = tmp_path / "f.yaml"
    path.write_text(yaml.dump(tree, allow_unicode=True), "utf-8", "surrogatepass")
    overrides = [f"{name}.{name}={name}" for name in names]
    try:
        loaded = load(path, overrides=overrides)
    except ConfigError:
        return
    assert isinstance(loaded, Settings)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8")))
def test_any_bytes_give_settings_or_a_config_error(tmp_path: Path, raw: bytes) -> None:
    path = tmp_path / "f.yaml"
    path.write_bytes(raw)
    try:
        loaded = load(path)
    except ConfigError:
        return
    assert isinstance(loaded, Settings)
