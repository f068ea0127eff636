"""The end of one test's session is not the end of the next one's."""

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

pytestmark = [pytest.mark.spark, pytest.mark.campaign]


def test_a_session_that_was_stopped_is_made_anew(spark: "SparkSession", driver: Any) -> None:
    spark.stop()
    assert driver.session().range(3).count() == 3


def test_a_session_whose_jvm_was_killed_is_made_anew(spark: "SparkSession", driver: Any) -> None:
    process = spark.sparkContext._gateway.proc
    process.kill()
    process.communicate()
    assert driver.session().range(3).count() == 3


def test_a_query_that_was_left_running_is_stopped(spark: "SparkSession", driver: Any) -> None:
    query = spark.readStream.format("rate").load().writeStream.format("noop").start()
    assert driver.session() is spark
    assert not query.isActive
