"""The `spark` section of the configuration: one for this machine and for Databricks."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class SparkSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The location of Spark's tables, and how its jobs run."""

    catalog: Annotated[
        Annotated[str, Meta(pattern="^[A-Za-z0-9_]+$")] | None,
        Meta(description="Unity Catalog of the tables; null: they are directories under `path`"),
    ] = None
    schema: Annotated[
        str, Meta(pattern="^[A-Za-z0-9_]+$", description="schema of the tables in the catalog")
    ] = "pix"
    path: Annotated[
        str, Meta(min_length=1, description="directory of the tables while catalog is null")
    ] = "data/spark"
    checkpoints: Annotated[
        str,
        Meta(
            min_length=1,
            description="directory for the checkpoints of streaming queries; a volume "
            "(/Volumes/…) on Databricks",
        ),
    ] = "data/spark/checkpoints"
    bronze_days: Annotated[
        Annotated[int, Meta(ge=1)] | None,
        Meta(description="how many days bronze rows are kept; null: forever"),
    ] = None
    master: Annotated[str, Meta(description="cores of this machine; unused on Databricks")] = (
        "local[2]"
    )
    driver_memory: Annotated[
        str,
        Meta(
            pattern="^[1-9][0-9]*[mgMG]$",
            description="Java heap on this machine; unused on Databricks",
        ),
    ] = "2g"
    shuffle_partitions: Annotated[
        int, Meta(ge=1, description="partitions after a shuffle: about as many as cores")
    ] = 2
