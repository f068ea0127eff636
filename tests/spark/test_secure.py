"""Spark at a Kafka with TLS, passwords and ACLs: what `pixstream topics acls` lists is enough."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixstream.errors import PixstreamError
from pixstream.event.categories import Category
from pixstream.kafka.names import DLQ, EVENT_TOPICS, group_id
from pixstream.kafka.settings import KafkaSettings, Sasl
from pixstream.kafka.topics.acls import for_consumer
from pixstream.spark.places import BRONZE, Places
from pixstream.testing import event

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.broker, pytest.mark.spark]


@pytest.fixture
def told(
    place_at: Any,
    secure_broker: Mapping[str, str],
    rights: Any,
    tmp_path: Path,
) -> Any:
    """Whoever may do everything has written five events and one record that is none."""
    everybody = KafkaSettings(bootstrap_servers=secure_broker["PLAINTEXT"])
    writer = place_at(everybody, tmp_path)
    writer.tell([*(event(n) for n in range(5)), b"no event"])
    rights.are(for_consumer(rights.user, "spark", EVENT_TOPICS.values()))
    return writer


@pytest.mark.parametrize(
    "protocol", [pytest.param("SASL_PLAINTEXT", marks=pytest.mark.campaign), "SASL_SSL"]
)
def test_a_consumers_rights_and_password_are_enough(
    spark: "SparkSession", place_at: Any, told: Any, rights: Any, protocol: str, tmp_path: Path
) -> None:
    place = place_at(rights.settings(protocol), tmp_path)

    loop = place.ingest(spark, name="spark")

    assert (loop.counts["written"], loop.counts["letters"]) == (5, 1)
    places = Places(place.spark)
    assert places.read(spark, BRONZE).count() == 6
    assert places.read(spark, Category.PAGAMENTO.plural).count() == 5
    assert len(list(told.client.scan(DLQ))) == 1
    with closing(told.client.admin()) as admin:
        assert sum(admin.group_offsets(group_id("spark")).values()) >= 6


@pytest.mark.usefixtures("told")
def test_without_the_right_to_read_a_topic_it_stops_and_says_so(
    spark: "SparkSession", place_at: Any, rights: Any, tmp_path: Path
) -> None:
    acls = for_consumer(rights.user, "spark", EVENT_TOPICS.values())
    rights.are(acl for acl in acls if acl.name != EVENT_TOPICS["pagamentos"])
    place = place_at(rights.settings("SASL_SSL"), tmp_path)
    with pytest.raises(PixstreamError, match=r"pix\.pagamentos"):
        place.ingest(spark, name="spark")


@pytest.mark.usefixtures("told")
def test_a_wrong_password_is_told_without_repeating_it(
    spark: "SparkSession", place_at: Any, rights: Any, tmp_path: Path
) -> None:
    settings = rights.settings("SASL_SSL")
    settings.sasl = Sasl(mechanism="PLAIN", username=settings.sasl.username, password="not-this")
    with pytest.raises(PixstreamError) as refused:
        place_at(settings, tmp_path).ingest(spark, name="spark")
    assert "not-this" not in str(refused.value)
