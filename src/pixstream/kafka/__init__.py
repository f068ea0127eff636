"""Kafka as pixstream uses it: ports, names and topics, and the client libraries behind them.

Code outside this package does not depend on any client library.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from pixstream.kafka.prefixed import PrefixedClient

if TYPE_CHECKING:
    from pixstream.kafka.ports import Client
    from pixstream.kafka.settings import KafkaSettings


def connect(settings: KafkaSettings) -> Client:
    """Return a client of the configured library; no other library is imported.

    Args:
        settings: with `bootstrap_servers` set.
    """
    module = importlib.import_module(f"pixstream.kafka.{settings.client.replace('-', '_')}.client")
    client: Client = module.connect(settings)
    return PrefixedClient(client, settings.topic_prefix) if settings.topic_prefix else client
