"""Creation of the declared topics on a Kafka that has just started."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixstream.errors import Transient
from pixstream.kafka.topics import plan as topic_plan
from pixstream.patience import Patience

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.kafka.ports import Admin, TopicSpec

IDLE_SECONDS = 60.0
"""A Kafka that idles and does not answer for this long hangs."""

_PAUSE_SECONDS = 0.2


def create(topics: Sequence[TopicSpec], admin: Admin) -> None:
    """Create the missing topics; try again while Kafka is too busy to confirm them.

    Args:
        topics: every topic that should exist.
        admin: admin client of the Kafka.

    Raises:
        KafkaError: Kafka refuses a topic.
        Transient: Kafka idles and does not answer.
    """
    patience = Patience(IDLE_SECONDS)
    while True:
        try:
            plan = topic_plan.plan(topics, admin.topics(), lags=_nobody)
            for _ in topic_plan.apply(plan, admin):
                continue
        except Transient:
            if patience.exhausted:
                raise
            time.sleep(_PAUSE_SECONDS)
        else:
            return


def _nobody(topic: str) -> dict[str, int]:
    """Return the consumer lags of a topic that does not exist yet: none."""
    del topic
    return {}
