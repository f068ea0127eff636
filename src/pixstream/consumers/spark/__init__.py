"""The Spark consumer, which starts, monitors and stops the streaming query."""
