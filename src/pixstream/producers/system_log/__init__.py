"""The system log producer, which follows the JSON lines of the institution's own systems."""
