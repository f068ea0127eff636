"""The categories of Pix events: the one list of them.

Topics, their ACLs, tables, `categories` in the YAML, the events of a system log, counts and the
reference pages follow from it. A further category is a member here, with an arm in each `match`
below (mypy names those that lack one), and the rows of `event.routing.TABLE` that lead to it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Literal, assert_never

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

    @property
    def own_side(self) -> Literal["payer", "payee"] | None:
        """The side whose institution reports such an event of its own; None: either does."""
        match self:
            case Category.PAGAMENTO:
                return "payer"
            case Category.RECEBIMENTO:
                return "payee"
            case Category.ESTORNO:
                return None
            case _:
                assert_never(self)
