"""The console consumer, which prints one line per event on standard output."""
