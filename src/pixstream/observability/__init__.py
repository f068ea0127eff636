"""Logs, without personal data."""
