"""Pix events through Apache Kafka into Delta Lake, exactly once."""

from importlib.metadata import version

__version__ = version("pixstream")
