"""Spark: starts, watches and stops the streaming query."""
