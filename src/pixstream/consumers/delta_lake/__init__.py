"""Delta Lake: one table per category, each event once."""
