"""The categories of Pix events; topics, tables and settings follow from this list."""

from __future__ import annotations

from enum import StrEnum

TOPIC_PREFIX = "pix."
"""How the name of every topic of pixstream begins."""


class Category(StrEnum):
    """What kind of movement an event is about; one topic and one table each."""

    PAGAMENTO = "pagamento"
    RECEBIMENTO = "recebimento"
    ESTORNO = "estorno"

    @property
    def plural(self) -> str:
        """The word that names its topic, its table, and the category in the YAML."""
        return f"{self.value}s"

    @property
    def topic(self) -> str:
        """The Kafka topic of its events."""
        return f"{TOPIC_PREFIX}{self.plural}"
