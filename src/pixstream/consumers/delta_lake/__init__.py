"""The Delta Lake consumer, which keeps one table per category, with each event once."""
