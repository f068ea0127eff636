"""System log: follows the JSON lines of the institution's own systems."""
