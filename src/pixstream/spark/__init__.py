"""The same tables on Spark: Kafka → bronze → silver → gold, on one machine or on Databricks.

Spark owns its reads from Kafka and its tables; no other engine writes them. Decoding, the schema
of an event and the rules for duplicates are those of the delta_lake consumer, called from here.
Needs the extra `spark` (or Databricks, which brings its own).
"""
