"""Console: one line per event on standard output."""
