"""The Delta tables: commits, deduplication, the Delta log, maintenance and schema evolution."""
