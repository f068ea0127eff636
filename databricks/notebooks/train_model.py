# Databricks notebook source
# MAGIC %md
# MAGIC # From account profiles to a registered model
# MAGIC
# MAGIC How gold's features and labels become a logged, signed and registered model with an alias.
# MAGIC It shows the procedure, not a good model: the labels come from the simulator, the profiles
# MAGIC include the days to be predicted, and the model is scikit-learn's simplest. This release
# MAGIC contains no fraud model, and this notebook was never run on a workspace.
# MAGIC
# MAGIC **Before you start:** run `pixstream simulate` and feed its files through the pipeline with
# MAGIC this environment's keys, run the job `daily`, and copy the simulator's `labels.jsonl` into
# MAGIC the volume `landing`. Attach the wheel of the bundle. MLflow 3 and scikit-learn are in the
# MAGIC runtime; on serverless compute choose environment version 5.

# COMMAND ----------

from pathlib import Path

import mlflow
import pandas as pd
from databricks.sdk.runtime import dbutils, display, spark
from mlflow.models import infer_signature
from pyspark.sql import functions as F
from pyspark.sql.types import NumericType
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import RobustScaler

from pixstream import config
from pixstream.event.categories import Category
from pixstream.spark.places import open_tables

dbutils.widgets.text("environment", "staging", "Environment of kafka_config.yaml")
dbutils.widgets.text("catalog", "pix_staging", "Catalog")
dbutils.widgets.text("schema", "pixstream", "Schema")
dbutils.widgets.text("labels", "", "Labels, if not labels.jsonl in the volume landing")
dbutils.widgets.text("experiment", "/Shared/pixstream-staging-fraud", "Experiment")
dbutils.widgets.dropdown("register", "no", ["no", "yes"], "Register a version")

# COMMAND ----------

catalog, schema = dbutils.widgets.get("catalog"), dbutils.widgets.get("schema")
settings = config.load(
    Path("../../kafka_config.yaml"),
    env=dbutils.widgets.get("environment"),
    overrides=[
        f"spark.catalog={catalog}",
        f"spark.schema={schema}",
        *(f"{part}=null" for part in ("kafka", "privacy", "producers", "consumers", "institution")),
    ],
)
tables = open_tables(spark, settings.spark)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Labels by account
# MAGIC
# MAGIC Each line of `labels.jsonl` has the EndToEndId of a transfer that belongs to a fraud
# MAGIC pattern. The target is the account that received its money. In production, the labels are
# MAGIC MED returns (reason `FR01`). They are known up to seven days late, so training stops that
# MAGIC long before today.

# COMMAND ----------

landed = f"/Volumes/{catalog}/{schema}/landing/labels.jsonl"
labels = spark.read.json(dbutils.widgets.get("labels") or landed)
suspects = (
    tables[Category.RECEBIMENTO.plural]
    .join(labels.select("end_to_end_id"), "end_to_end_id", "left_semi")
    .select(F.col("payee.account").alias("account"), F.lit(1).alias("fraud"))
    .where(F.col("account").isNotNull())
    .distinct()
)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Features
# MAGIC
# MAGIC Every numeric column of the profiles. A hash of its pseudonym assigns each account to one
# MAGIC half, so no account is in both.

# COMMAND ----------

profiles = tables["account_profiles"]
features = [f.name for f in profiles.schema.fields if isinstance(f.dataType, NumericType)]
rows = (
    profiles.join(suspects, "account", "left")
    .withColumn("fraud", F.coalesce("fraud", F.lit(0)))
    .withColumn("half", F.abs(F.xxhash64("account")) % 2)
    .select(*features, "fraud", "half")
    .toPandas()
)
train, test = (rows[rows["half"] == half] for half in (0, 1))
inputs, inputs_test = train[features].astype(float), test[features].astype(float)
display(pd.crosstab(rows["half"], rows["fraud"]).reset_index())

# COMMAND ----------

# MAGIC %md
# MAGIC ## Train, log, register
# MAGIC
# MAGIC Unity Catalog requires a signature: the model's input columns and its output. The logged
# MAGIC model returns probabilities, not classes. The version gets the alias `candidate`; only the
# MAGIC job `fraud` moves `champion`, after its evaluation.

# COMMAND ----------

mlflow.set_registry_uri("databricks-uc")
mlflow.set_experiment(dbutils.widgets.get("experiment"))
name = f"{catalog}.{schema}.pix_fraud" if dbutils.widgets.get("register") == "yes" else None

with mlflow.start_run(run_name="profiles-logistic"):
    model = make_pipeline(
        SimpleImputer(strategy="median"),
        RobustScaler(),
        LogisticRegression(class_weight="balanced", max_iter=1000),
    ).fit(inputs, train["fraud"])
    scores = model.predict_proba(inputs_test)[:, 1]
    mlflow.log_params({"features": len(features), "rows": len(train)})
    mlflow.log_metric("average_precision", average_precision_score(test["fraud"], scores))
    mlflow.log_metric("share_of_fraud", float(test["fraud"].mean()))
    logged = mlflow.sklearn.log_model(
        model,
        name="model",
        serialization_format="cloudpickle",  # the only format that every MLflow 3 loads by default
        pyfunc_predict_fn="predict_proba",
        signature=infer_signature(inputs, model.predict_proba(inputs)),
        input_example=inputs.head(5),
        registered_model_name=name,
    )

if name:
    version = logged.registered_model_version
    mlflow.MlflowClient().set_registered_model_alias(name, "candidate", version)

# COMMAND ----------

# MAGIC %md
# MAGIC ## Use it like a job
# MAGIC
# MAGIC The alias is resolved once, so each score records the version that computed it.

# COMMAND ----------

if name:
    resolved = mlflow.MlflowClient().get_model_version_by_alias(name, "candidate")
    champion = mlflow.pyfunc.load_model(f"models:/{name}/{resolved.version}")
    scored = inputs_test.assign(
        score=champion.predict(inputs_test)[:, 1], model_version=resolved.version
    )
    display(scored.sort_values("score", ascending=False).head(50))
