# Databricks notebook source
# MAGIC %md
# MAGIC # Investigate a case
# MAGIC
# MAGIC Follows one EndToEndId through bronze, silver and gold: every arrival, with its source and
# MAGIC time, what was irregular, and what else the two accounts did. People remain pseudonyms
# MAGIC throughout.
# MAGIC
# MAGIC **Before you start:** attach the wheel that `databricks bundle deploy` uploaded (it is in
# MAGIC `artifacts/.internal` of the bundle's folder). `SELECT` on the schema is enough; only the
# MAGIC last part, which computes a document's pseudonym, needs READ on the secret scope.

# COMMAND ----------

from pathlib import Path

from databricks.sdk.runtime import dbutils, display, spark
from pyspark.sql import functions as F

from pixstream import config
from pixstream.event import identifiers
from pixstream.event.categories import Category
from pixstream.privacy import PrivacySettings, keys
from pixstream.spark.places import open_tables

dbutils.widgets.text("environment", "staging", "Environment of kafka_config.yaml")
dbutils.widgets.text("catalog", "pix_staging", "Catalog")
dbutils.widgets.text("schema", "pixstream", "Schema")
dbutils.widgets.text("end_to_end_id", "", "EndToEndId")

# COMMAND ----------

settings = config.load(
    Path("../../kafka_config.yaml"),
    env=dbutils.widgets.get("environment"),
    overrides=[
        f"spark.catalog={dbutils.widgets.get('catalog')}",
        f"spark.schema={dbutils.widgets.get('schema')}",
        "privacy.pseudonym_key=''",
        "privacy.encryption_key=''",
        *(f"{part}=null" for part in ("kafka", "producers", "consumers", "institution")),
    ],
)
tables = open_tables(spark, settings.spark)
e2e = dbutils.widgets.get("end_to_end_id").strip()
if not identifiers.E2E.fullmatch(e2e):
    raise ValueError("end_to_end_id: must be E + ISPB + yyyyMMddHHmm + 11 characters")

# COMMAND ----------

# MAGIC %md
# MAGIC ## Bronze: every record about it
# MAGIC
# MAGIC The EndToEndId is the Kafka key of its records, including those of its returns. Bronze also
# MAGIC has the repeats, which silver has only once.

# COMMAND ----------

records = tables["bronze"].where(F.col("key") == F.lit(e2e.encode()))
display(
    records.select("topic", "partition", "offset", F.col("value").cast("string").alias("value"))
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Silver: the events
# MAGIC
# MAGIC One row per status; `tellings` has every arrival that added or changed something. The time
# MAGIC inside the identifier gives the date, so few partitions are read. Returns may come up to 90
# MAGIC days later.

# COMMAND ----------

date = identifiers.id_date(e2e)
near = F.lit(True)
if date is not None:
    near = F.col("event_date").between(F.date_sub(F.lit(date), 1), F.date_add(F.lit(date), 95))
silver = [
    tables[category.plural].where(near & (F.col("end_to_end_id") == e2e)) for category in Category
]
case = silver[0].unionByName(silver[1]).unionByName(silver[2])
display(case.orderBy("event_time", "category", "status", "revision"))

# COMMAND ----------

# MAGIC %md
# MAGIC ## Both accounts
# MAGIC
# MAGIC Their activity in the surrounding hours: a mule account passes money on within two hours.

# COMMAND ----------

payer, payee, when = case.orderBy("event_time").select(
    "payer.account", "payee.account", "event_time"
).first() or (None, None, None)
accounts = [account for account in (payer, payee) if account]
if accounts:
    hours = F.expr("INTERVAL 6 HOURS")
    around = F.col("event_time").between(F.lit(when) - hours, F.lit(when) + hours)
    theirs = F.col("payer.account").isin(accounts) | F.col("payee.account").isin(accounts)
    for category in Category:
        display(
            tables[category.plural]
            .where(near & around & theirs)
            .select("event_time", "status", "amount_centavos", "payer", "payee", "end_to_end_id")
            .orderBy("event_time")
        )
    display(tables["account_profiles"].where(F.col("account").isin(accounts)))

# COMMAND ----------

# MAGIC %md
# MAGIC ## The pseudonym of a document
# MAGIC
# MAGIC A pseudonym cannot be turned back into a person. The other direction works: with the
# MAGIC pseudonym key, you can check whether a known CPF or CNPJ occurs. Enter the number, run the
# MAGIC next cell, then clear the widget and the results: the number is personal data, and a
# MAGIC notebook stores its output.

# COMMAND ----------

dbutils.widgets.text("scope", "pixstream-staging", "Secret scope")
dbutils.widgets.text("document", "", "CPF or CNPJ")

# COMMAND ----------

document = identifiers.normalise_document(dbutils.widgets.get("document"))
dbutils.widgets.remove("document")
if document:
    if not identifiers.document_valid(document):
        raise ValueError("document: wrong check digits")
    scope = dbutils.widgets.get("scope")
    pseudonymiser, _ = keys(
        PrivacySettings(
            pseudonym_key=dbutils.secrets.get(scope, "pseudonym-key"),
            encryption_key=dbutils.secrets.get(scope, "encryption-key"),
            key_id=settings.privacy.key_id,
        )
    )
    pseudonym = pseudonymiser("document", document)
    for side in ("payer", "payee"):
        for category in Category:
            # A key that is a CPF or CNPJ has the same pseudonym as the document.
            mine = (F.col(f"{side}.document") == pseudonym) | (F.col(f"{side}.key") == pseudonym)
            display(
                tables[category.plural]
                .where(mine)
                .select("event_time", "status", "amount_centavos", "end_to_end_id", side)
                .orderBy(F.desc("event_time"))
                .limit(1000)
            )
