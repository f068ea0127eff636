# Databricks notebook source
# MAGIC %md
# MAGIC # Explore the stream
# MAGIC
# MAGIC Reads what is in Kafka right now and writes nothing: no checkpoint, no table, no committed
# MAGIC offset. It affects neither the ingestion job nor any consumer.
# MAGIC
# MAGIC **Before you start:** attach the wheel that `databricks bundle deploy` uploaded (it is in
# MAGIC `artifacts/.internal` of the bundle's folder) and use compute whose network reaches the
# MAGIC brokers. You need READ on the secret scope.

# COMMAND ----------

import os
from pathlib import Path

from databricks.sdk.runtime import dbutils, display, spark
from pyspark.sql import Window
from pyspark.sql import functions as F

from pixstream import config
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.spark.kafka_options import kafka_options

dbutils.widgets.text("environment", "staging", "Environment of kafka_config.yaml")
dbutils.widgets.text("bootstrap_servers", "", "Kafka, host:port,…")
dbutils.widgets.text("scope", "pixstream-staging", "Secret scope")
dbutils.widgets.text("records", "1000", "Maximum records per partition")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Load the job's configuration
# MAGIC
# MAGIC The file refers to secrets as `${KAFKA_PASSWORD}`. This cell takes them from the secret
# MAGIC scope and puts them into the environment of this Python process. The privacy keys are
# MAGIC omitted: reading needs none.

# COMMAND ----------

scope = dbutils.widgets.get("scope")
os.environ["KAFKA_BOOTSTRAP_SERVERS"] = dbutils.widgets.get("bootstrap_servers")
os.environ["KAFKA_USERNAME"] = dbutils.secrets.get(scope, "kafka-username")
os.environ["KAFKA_PASSWORD"] = dbutils.secrets.get(scope, "kafka-password")

settings = config.load(
    Path("../../kafka_config.yaml"),
    env=dbutils.widgets.get("environment"),
    overrides=["privacy=null", "producers=null", "consumers=null", "institution=null"],
)
topics = [settings.kafka.topic_prefix + topic for topic in EVENT_TOPICS.values()]
source = kafka_options(settings.kafka) | {"subscribe": ",".join(topics)}

# COMMAND ----------

# MAGIC %md
# MAGIC ## Count the records
# MAGIC
# MAGIC A batch read from the earliest to the latest offset. Counting reads every record: on a large
# MAGIC topic, set `startingTimestamp` instead.

# COMMAND ----------

records = (
    spark.read.format("kafka")
    .options(**source)
    .option("startingOffsets", "earliest")
    .option("endingOffsets", "latest")
    .option("includeHeaders", "true")
    .load()
)
display(
    records.groupBy("topic", "partition")
    .agg(
        F.count("*").alias("records"),
        F.min("offset").alias("first_offset"),
        F.max("offset").alias("last_offset"),
        F.max("timestamp").alias("newest"),
        F.round(F.avg(F.length("value"))).alias("bytes_each"),
    )
    .orderBy("topic", "partition")
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## The newest events
# MAGIC
# MAGIC The value is JSON with the fields in docs/reference/event.md. People, accounts and keys are
# MAGIC already pseudonyms: producers seal events before they send them to Kafka.

# COMMAND ----------

newest = F.max("offset").over(Window.partitionBy("topic", "partition"))
latest = records.withColumn("behind", newest - F.col("offset")).where(
    F.col("behind") < int(dbutils.widgets.get("records"))
)
latest = latest.select(
    "topic",
    "partition",
    "offset",
    "timestamp",
    F.col("key").cast("string").alias("key"),
    F.col("value").cast("string").alias("value"),
)
events = latest.withColumn("event", F.try_parse_json("value")).selectExpr(
    "* EXCEPT (event)",
    "event:category::string AS category",
    "event:status::string AS status",
    "event:amount_centavos::bigint AS amount_centavos",
    "event:event_time::timestamp AS event_time",
    "event:source::string AS source",
)
display(events.orderBy(F.desc("timestamp")))

# COMMAND ----------

# MAGIC %md
# MAGIC ## What arrives, and how late
# MAGIC
# MAGIC `late_s` is the time from the event to its record in Kafka, in seconds. Delays of hours come
# MAGIC from sources that are polled or read from files.

# COMMAND ----------

late = F.col("timestamp").cast("long") - F.col("event_time").cast("long")
display(
    events.withColumn("late_s", late)
    .groupBy("category", "status", "source")
    .agg(
        F.count("*").alias("events"),
        F.sum("amount_centavos").alias("centavos"),
        F.percentile_approx("late_s", 0.5).alias("late_s_median"),
        F.max("late_s").alias("late_s_most"),
    )
    .orderBy(F.desc("events"))
)
