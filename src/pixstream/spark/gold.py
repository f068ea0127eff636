"""Gold: movements per participant by hour and by day, and account profiles.

Days and hours are those of America/Sao_Paulo. Each table is overwritten for the requested days, so
a run can be repeated for any days. Only settled events count, except in the counts by status.
"""

from __future__ import annotations

import datetime as dt
from functools import reduce
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pixstream.errors import DestinationError
from pixstream.event.categories import Category
from pixstream.event.model import Status
from pixstream.spark import places
from pixstream.spark.places import ACCOUNT_PROFILES, GOLD_DAILY, GOLD_HOURLY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import Column, DataFrame, SparkSession

    from pixstream.spark.places import Places

BUSINESS_ZONE = "America/Sao_Paulo"
DAY = "business_date"
"""The partition column of every gold table."""

PROFILE_DAYS = 30
"""How many days an account's profile covers."""

_NIGHT_ENDS = 6
"""Pix has lower limits from 20:00 to 06:00 (Resolução BCB 142); fraud peaks after midnight."""


def today() -> dt.date:
    """Return the current business day."""
    return dt.datetime.now(ZoneInfo(BUSINESS_ZONE)).date()


class Gold:
    """The gold tables of some business days.

    Args:
        spark: the session.
        where: finds the tables.
        since: first day.
        until: last day.
    """

    def __init__(self, spark: SparkSession, where: Places, since: dt.date, until: dt.date) -> None:
        self._spark = spark
        self._where = where
        self._since = since
        self._until = until

    def write(self) -> dict[str, int]:
        """Write all three tables; return how many rows each has for these days.

        Raises:
            DestinationError: there is no silver table yet.
        """
        sides = self._sides(self._since, self._until)
        return {
            GOLD_HOURLY: self._replace(self._aggregates(sides, "business_hour"), GOLD_HOURLY),
            GOLD_DAILY: self._replace(self._aggregates(sides), GOLD_DAILY),
            ACCOUNT_PROFILES: self._replace(self._profiles(), ACCOUNT_PROFILES),
        }

    def _sides(self, since: dt.date, until: dt.date) -> DataFrame:
        """Return every event of these days twice: for the payer's side and the payee's."""
        from pyspark.sql.functions import coalesce, col, date_trunc, from_utc_timestamp, lit

        # An event of a business day is dated the same in UTC, or a day later.
        dates = (since.isoformat(), (until + dt.timedelta(days=1)).isoformat())
        parts = []
        for category in Category:
            table = places.silver(category)
            if not self._where.exists(self._spark, table):
                continue
            rows = self._where.read(self._spark, table).where(col("event_date").between(*dates))
            local = from_utc_timestamp("event_time", BUSINESS_ZONE)
            rows = rows.withColumn("business_hour", date_trunc("hour", local))
            rows = rows.withColumn(DAY, local.cast("date")).where(
                col(DAY).between(since.isoformat(), until.isoformat())
            )
            for role, other in (("payer", "payee"), ("payee", "payer")):
                parts.append(
                    rows.select(
                        DAY,
                        "business_hour",
                        "event_time",
                        coalesce("return_id", "end_to_end_id", "event_id").alias("movement"),
                        lit(category.value).alias("category"),
                        lit(role).alias("role"),
                        col(role)["ispb"].alias("participant"),
                        col(role)["account"].alias("account"),
                        col(other)["account"].alias("counterparty"),
                        col("device_id"),
                        col("status"),
                        col("amount_centavos"),
                    )
                )
        if not parts:
            raise DestinationError(
                f"there is no silver table yet ({self._where.name(places.silver(category))}): run "
                "the job ingest, or the component spark, first; nothing was written"
            )
        return reduce(type(parts[0]).unionByName, parts)

    def _aggregates(self, sides: DataFrame, *more: str) -> DataFrame:
        from pyspark.sql.functions import col, count_distinct, when

        keys = [DAY, *more, "participant", "role", "category"]
        return sides.groupBy(*keys).agg(
            *(_count(status).alias(f"{status.value}_events") for status in Status),
            *_amounts("settled"),
            count_distinct(when(col("status") == Status.SETTLED.value, col("account"))).alias(
                "accounts"
            ),
        )

    def _profiles(self) -> DataFrame:
        """Return a row for each day and each account that was active in the profile window."""
        from pyspark.sql.functions import col, count_distinct, explode, hour, lit, sequence, when
        from pyspark.sql.functions import max as greatest
        from pyspark.sql.functions import min as least

        # One extra day at each end: midnight may fall between the two sides of one Pix.
        day = dt.timedelta(days=1)
        sides = self._sides(self._since - PROFILE_DAYS * day, self._until + day)
        settled = sides.where((col("status") == Status.SETTLED.value) & col("account").isNotNull())
        moved = _once(settled)
        days = self._spark.range(1).select(
            explode(sequence(lit(self._since), lit(self._until))).alias("day")
        )
        age = "datediff(day, business_date)"
        seen = days.crossJoin(moved).selectExpr("*", f"{age} AS age")
        seen = seen.where(f"age BETWEEN 0 AND {PROFILE_DAYS - 1}")
        paid, got = col("role") == "payer", col("role") == "payee"
        amount = col("amount_centavos")
        features = [
            least("event_time").alias("first_seen"),
            greatest("event_time").alias("last_seen"),
        ]
        for name, side in (("paid", paid), ("received", got)):
            for window in (1, 7, PROFILE_DAYS):
                near = side & (col("age") < window)
                features += [
                    _sum(when(near, 1)).alias(f"{name}_{window}d"),
                    _sum(when(near, amount)).alias(f"{name}_centavos_{window}d"),
                ]
            features += [
                greatest(when(side, amount)).alias(f"{name}_largest_centavos"),
                count_distinct(when(side, col("counterparty"))).alias(f"{name}_counterparties"),
            ]
        features += [
            count_distinct(when(paid, col("device_id"))).alias("devices"),
            _sum(when(hour("business_hour") < _NIGHT_ENDS, 1)).alias("night_events"),
            _sum(when(col("category") == Category.ESTORNO.value, 1)).alias("returns"),
        ]
        return seen.groupBy(col("day").alias(DAY), "account").agg(*features)

    def _replace(self, rows: DataFrame, table: str) -> int:
        """Overwrite these days of the table; return how many rows they have."""
        # Delta's replaceWhere does not resolve BETWEEN.
        days = f"{DAY} >= DATE'{self._since}' AND {DAY} <= DATE'{self._until}'"
        self._where.create(self._spark, table, rows.schema, [DAY])
        self._where.replace(rows, table, days)
        return int(self._where.read(self._spark, table).where(days).count())


def _once(sides: DataFrame) -> DataFrame:
    """Keep each movement once per role: within one institution both sides of a Pix are reported.

    The account's own side wins: the payment for the payer, the receipt for the payee. A return may
    carry only the EndToEndId of its payment, but is a separate movement.
    """
    from pyspark.sql import Window
    from pyspark.sql.functions import col, row_number, when

    is_return = col("category").isin([c.value for c in Category if c.own_side is None])
    payer = col("role") == "payer"
    paid = col("category").isin([c.value for c in Category if c.own_side == "payer"])
    foreign = when(is_return | (payer == paid), 0).otherwise(1)
    same = Window.partitionBy("movement", "role", is_return)
    number = row_number().over(same.orderBy(foreign, "event_time", "account", "category"))
    return sides.withColumn("_number", number).where("_number = 1").drop("_number")


def _count(status: Status) -> Column:
    from pyspark.sql.functions import col, when

    return _sum(when(col("status") == status.value, 1))


def _amounts(status: str) -> Iterator[Column]:
    """Return the sum, maximum and mean of the amounts, in centavos."""
    from pyspark.sql.functions import avg, col, when
    from pyspark.sql.functions import max as greatest

    amount = when(col("status") == status, col("amount_centavos"))
    yield _sum(amount).alias("settled_centavos")
    yield greatest(amount).alias("largest_centavos")
    yield avg(amount).cast("decimal(20,2)").alias("mean_centavos")


def _sum(values: Column) -> Column:
    """Return the sum, 0 where there are no values."""
    from pyspark.sql.functions import coalesce, lit
    from pyspark.sql.functions import sum as total

    return coalesce(total(values), lit(0))
