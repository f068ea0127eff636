# Databricks notebook source
# MAGIC %md
# MAGIC # Read the tables
# MAGIC
# MAGIC Bronze, silver and gold as the jobs write them. Reading needs `SELECT` on the schema, and no
# MAGIC secrets.
# MAGIC
# MAGIC | layer | table | a row is |
# MAGIC |---|---|---|
# MAGIC | bronze | `bronze` | a Kafka record as received, with its coordinates |
# MAGIC | silver | `pagamentos`, `recebimentos`, `estornos` | an event, with its revisions |
# MAGIC | gold | `gold_daily`, `gold_hourly` | the volume of one participant in one category |
# MAGIC | gold | `account_profiles` | the habits of an account |
# MAGIC
# MAGIC **Before you start:** attach the wheel that `databricks bundle deploy` uploaded (it is in
# MAGIC `artifacts/.internal` of the bundle's folder).

# COMMAND ----------

from pathlib import Path

from databricks.sdk.runtime import dbutils, display, spark
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from pixstream import config
from pixstream.event.categories import Category
from pixstream.spark.places import open_tables

dbutils.widgets.text("environment", "staging", "Environment of kafka_config.yaml")
dbutils.widgets.text("catalog", "pix_staging", "Catalog")
dbutils.widgets.text("schema", "pixstream", "Schema")
dbutils.widgets.text("day", "", "Business day, YYYY-MM-DD; empty: yesterday")

# COMMAND ----------

settings = config.load(
    Path("../../kafka_config.yaml"),
    env=dbutils.widgets.get("environment"),
    overrides=[
        f"spark.catalog={dbutils.widgets.get('catalog')}",
        f"spark.schema={dbutils.widgets.get('schema')}",
        *(f"{part}=null" for part in ("kafka", "privacy", "producers", "consumers", "institution")),
    ],
)
tables = open_tables(spark, settings.spark)
display(
    spark.createDataFrame(
        [(name, len(table.columns)) for name, table in tables.items()], "name string, columns int"
    )
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## One day in silver
# MAGIC
# MAGIC Tables are partitioned by `event_date`, the UTC date of the event. A business day in São
# MAGIC Paulo spans two of them: filter by both, so that only two partitions are read, then by the
# MAGIC local day. Amounts are in centavos.

# COMMAND ----------

day = dbutils.widgets.get("day")
today = F.to_date(F.from_utc_timestamp(F.current_timestamp(), "America/Sao_Paulo"))
business_day = F.to_date(F.lit(day)) if day else F.date_sub(today, 1)
local_day = F.to_date(F.from_utc_timestamp("event_time", "America/Sao_Paulo"))


def of_day(name: str) -> DataFrame:
    """Return the events of one table on the business day."""
    dates = F.col("event_date").between(business_day, F.date_add(business_day, 1))
    return tables[name].where(dates & (local_day == business_day))


for category in Category:
    display(
        of_day(category.plural)
        .groupBy("status", "direction", "source")
        .agg(F.count("*").alias("events"), F.sum("amount_centavos").alias("centavos"))
        .withColumn("table", F.lit(category.plural))
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Irregular events
# MAGIC
# MAGIC A flagged event is kept, not refused. docs/reference/event.md lists the flags.

# COMMAND ----------

for category in Category:
    display(
        of_day(category.plural)
        .select(F.explode("flags").alias("flag"), "source")
        .groupBy("flag", "source")
        .count()
        .orderBy(F.desc("count"))
    )

# COMMAND ----------

# MAGIC %md
# MAGIC ## Gold
# MAGIC
# MAGIC Aggregates are by business day in America/Sao_Paulo, and are recomputed for the days that
# MAGIC the job is run for: a late event appears in gold when its day is computed again.

# COMMAND ----------

for name in ("gold_daily", "gold_hourly", "account_profiles"):
    display(tables[name].limit(1000))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Is silver complete?
# MAGIC
# MAGIC Every bronze record is an event in silver, a repeat of one, or a dead letter. Bronze records
# MAGIC whose coordinates are not in silver are repeats and dead letters: a few. If there are many,
# MAGIC silver is behind, which the ingestion job's backlog shows too.

# COMMAND ----------

place = ["topic", "partition", "offset"]
coordinates = [F.col(f"_{name}").alias(name) for name in place]
silver = tables[Category.PAGAMENTO.plural].select(*coordinates)
for category in (Category.RECEBIMENTO, Category.ESTORNO):
    silver = silver.union(tables[category.plural].select(*coordinates))
missing = tables["bronze"].select(*place).join(silver, on=place, how="left_anti")
display(missing.groupBy(*place[:2]).count().orderBy(*place[:2]))
