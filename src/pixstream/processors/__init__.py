"""Processors that come with pixstream, one module each: Kafka → Kafka. There is none yet.

CONTRIBUTING.md writes one; `pixstream.plugins.processor` is their contract.
"""
