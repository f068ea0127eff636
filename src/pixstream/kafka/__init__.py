"""Kafka as pixstream uses it: ports, names and topics, and the client libraries behind them.

Nothing above this package knows which library works below.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pixstream.kafka.ports import Client
    from pixstream.kafka.settings import KafkaSettings


def connect(settings: KafkaSettings) -> Client:
    """Import the configured client library's module and give it the settings.

    Args:
        settings: with `bootstrap_servers` set.
    """
    module = importlib.import_module(f"pixstream.kafka.{settings.client.replace('-', '_')}.client")
    client: Client = module.connect(settings)
    return client
