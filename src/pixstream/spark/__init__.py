"""The same tables on Spark: Kafka → bronze → silver → gold, on one machine or on Databricks.

Spark reads from Kafka itself and owns its tables; no other engine writes to them. Decoding, the
event schema and deduplication are the same code as in the delta_lake consumer. Needs the extra
`spark` (or Databricks, which brings its own).
"""
