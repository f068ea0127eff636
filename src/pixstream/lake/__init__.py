"""The Delta tables: schema and identity of rows."""
