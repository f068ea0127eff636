"""The notebooks and the jobs where a catalog knows the tables, on a real Spark and a real Kafka."""

import runpy
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from pixstream.event.categories import Category
from pixstream.event.model import Party
from pixstream.privacy import keys
from pixstream.spark import uniqueness, upkeep
from pixstream.spark.gold import Gold
from pixstream.spark.places import Places, every
from pixstream.spark.settings import SparkSettings
from pixstream.testing import event

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.broker, pytest.mark.spark]

NOTEBOOKS = Path(__file__).parents[2] / "databricks" / "notebooks"
CPF = "52998224725"
"""Generated; its check digits are right."""

CONFIG = """
environments:
  staging:
    kafka:
      bootstrap_servers: ${KAFKA_BOOTSTRAP_SERVERS}
"""


class Widgets(dict[str, str]):
    """What somebody typed, else the default."""

    def text(self, name: str, default: str, _label: str) -> None:
        self.setdefault(name, default)

    def dropdown(self, name: str, default: str, choices: list[str], _label: str) -> None:
        assert self.setdefault(name, default) in choices

    remove = dict.pop


Run = Callable[..., list[list[Any]]]


@pytest.fixture
def catalog(spark: "SparkSession", place: Any) -> Iterator[Any]:
    """The place, whose tables are in a schema of Spark's own catalog."""
    spark.sql(f"CREATE SCHEMA notebooks LOCATION '{place.directory / 'lake'}'")
    place.spark = SparkSettings(
        catalog="spark_catalog",
        schema="notebooks",
        checkpoints=str(place.directory / "checkpoints"),
    )
    yield place
    spark.sql("DROP SCHEMA notebooks CASCADE")


@pytest.fixture
def run(
    spark: "SparkSession", catalog: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Run:
    """`run(notebook, **widgets)`: the rows of each frame that it displays."""
    folder = tmp_path / "files" / "databricks" / "notebooks"
    shutil.copytree(NOTEBOOKS, folder)
    (tmp_path / "files" / "kafka_config.yaml").write_text(CONFIG, "utf-8")
    monkeypatch.chdir(folder)
    for name in ("BOOTSTRAP_SERVERS", "USERNAME", "PASSWORD"):
        monkeypatch.setenv(f"KAFKA_{name}", "")
    secrets: Mapping[str, str] = {
        "kafka-username": "",
        "kafka-password": "",
        "pseudonym-key": catalog.privacy.pseudonym_key,
        "encryption-key": catalog.privacy.encryption_key,
    }

    def run(notebook: str, **widgets: str) -> list[list[Any]]:
        shown: list[list[Any]] = []
        runtime: Any = ModuleType("databricks.sdk.runtime")
        runtime.spark = spark
        runtime.display = lambda frame: shown.append(
            frame.to_dict("records") if hasattr(frame, "to_dict") else frame.collect()
        )
        typed = Widgets(catalog="spark_catalog", schema="notebooks", **widgets)
        runtime.dbutils = SimpleNamespace(
            widgets=typed, secrets=SimpleNamespace(get=lambda _scope, key: secrets[key])
        )
        for name in ("databricks", "databricks.sdk"):
            monkeypatch.setitem(sys.modules, name, ModuleType(name))
        monkeypatch.setitem(sys.modules, runtime.__name__, runtime)
        runpy.run_path(str(folder / f"{notebook}.py"))
        return shown

    return run


def test_they_show_what_went_through_kafka_and_the_jobs(
    spark: "SparkSession", catalog: Any, run: Run
) -> None:
    payer = Party(ispb="12345678", account="k1.payer")
    known = Party(
        ispb="87654321", account="k1.payee", document=keys(catalog.privacy)[0]("document", CPF)
    )
    first = event(0, payer=payer, payee=known)
    catalog.tell(
        [
            first,
            event(1, payer=payer),
            event(2, payer=payer, flags=["unknown_field"]),
            event(3, category=Category.RECEBIMENTO, payee=known),
            event(0, payer=payer, payee=known, txid="A"),
            event(1, payer=payer),
            b"no event",
        ]
    )
    where = Places(catalog.spark)
    day = first.event_time.date()

    loop = catalog.ingest(spark)
    repaired = uniqueness.repair(spark, where, Category.PAGAMENTO)
    gold = Gold(spark, where, day, day).write()
    kept = {name: upkeep.maintain(spark, where, catalog.spark, name) for name in every()}

    assert (loop.counts["written"], loop.counts["letters"], repaired) == (4, 1, (0, 0))
    assert min(gold.values()) > 0
    assert [name for name, one in kept.items() if not one.files_after] == ["estornos"]

    partitions, newest, late = run(
        "explore_stream", bootstrap_servers=catalog.kafka.bootstrap_servers
    )
    assert sum(row["records"] for row in partitions) == 7
    assert {row["topic"] for row in partitions} == {"pix.pagamentos", "pix.recebimentos"}
    assert sorted(str(row["category"]) for row in newest) == [
        "None",
        *["pagamento"] * 5,
        "recebimento",
    ]
    assert {row["event_time"] for row in newest} == {None, first.event_time.replace(tzinfo=None)}
    assert {row["category"]: (row["events"], row["centavos"]) for row in late} == {
        None: (1, None),
        "pagamento": (5, 5 * 1234),
        "recebimento": (1, 1234),
    }

    tables, *shown = run("read_tables", day=str(day))
    assert [row["name"] for row in tables] == every()
    payments, receipts, returns, flags, *_, hourly, daily, profiles, missing = shown
    assert [(row["events"], row["centavos"]) for row in payments] == [(3, 3 * 1234)]
    assert [row["table"] for row in receipts] == ["recebimentos"]
    assert returns == []
    assert [(row["flag"], row["count"]) for row in flags] == [("unknown_field", 1)]
    assert all((hourly, daily, profiles))
    # the repeat of event 1, the second telling of event 0 and what is no event
    assert {row["topic"] for row in missing} == {"pix.pagamentos"}
    assert sum(row["count"] for row in missing) == 3

    bronze, case, *around = run("investigate_case", end_to_end_id=first.end_to_end_id, document=CPF)
    assert len(bronze) == 2
    assert [len(row["tellings"]) for row in case] == [2]
    accounts, found = around[:4], around[4:]
    assert [len(rows) for rows in accounts[:3]] == [3, 1, 0]
    assert {row["account"] for row in accounts[3]} == {"k1.payer", "k1.payee"}
    assert [len(rows) for rows in found] == [0, 0, 0, 1, 1, 0]
    assert CPF not in str([bronze, case, around])


def test_a_wrong_identifier_and_a_wrong_document_are_refused(
    spark: "SparkSession", catalog: Any, run: Run
) -> None:
    catalog.tell([event(0)])
    catalog.ingest(spark)
    with pytest.raises(ValueError, match="end_to_end_id: must be E"):
        run("investigate_case", end_to_end_id="E1")
    with pytest.raises(ValueError, match="wrong check digits"):
        run("investigate_case", end_to_end_id=event(0).end_to_end_id, document=CPF[:-1] + "0")


@pytest.mark.filterwarnings("ignore")  # MLflow's and its dependencies'
def test_profiles_and_labels_become_a_registered_model(
    spark: "SparkSession",
    catalog: Any,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    """On MLflow's local registry; Unity Catalog's was never reached."""
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow and scikit-learn")
    events = [
        event(
            number,
            category=Category.RECEBIMENTO,
            payee=Party(ispb="87654321", account=f"k1.{number % 20}"),
            amount_centavos=100_000 if number % 20 < 10 else 1_000 + number,
        )
        for number in range(60)
    ]
    catalog.tell(events)
    catalog.ingest(spark)
    day = events[0].event_time.date()
    Gold(spark, Places(catalog.spark), day, day).write()
    labels = tmp_path / "labels.jsonl"
    labels.write_text(
        "".join(
            f'{{"end_to_end_id": "{one.end_to_end_id}"}}\n'
            for one in events
            if one.amount_centavos == 100_000
        ),
        "utf-8",
    )
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr(mlflow, "set_registry_uri", lambda _: None)

    halves, scored = run("train_model", labels=str(labels), experiment="pix", register="yes")

    assert sum(row[0] + row[1] for row in halves) == 20
    assert sum(row[1] for row in halves) == 10
    client = mlflow.MlflowClient()
    version = client.get_model_version_by_alias("spark_catalog.notebooks.pix_fraud", "candidate")
    assert {row["model_version"] for row in scored} == {version.version}
    assert all(0 <= row["score"] <= 1 for row in scored)
    (logged,) = mlflow.search_runs(experiment_names=["pix"], output_format="list")
    assert logged.data.metrics["average_precision"] > 0.9
