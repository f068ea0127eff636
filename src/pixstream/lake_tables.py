"""The tables of the consumers of type delta_lake, by the names that queries and traces use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import KeysMissingError
from pixstream.event.categories import Category
from pixstream.privacy import keys
from pixstream.runtime import letters_directory
from pixstream.trace.ground import Sources
from pixstream.trace.tables import Table

if TYPE_CHECKING:
    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Client
    from pixstream.lake.location import Location


def lakes(settings: Settings) -> list[DeltaLake]:
    """Return the consumers whose tables can be queried."""
    return [c for c in settings.consumers.values() if isinstance(c, DeltaLake)]


def named(consumers: list[DeltaLake]) -> dict[str, Location]:
    """Return the tables by the names that a query uses, see `owned`."""
    return {
        name: consumer.tables[category] for name, (consumer, category) in owned(consumers).items()
    }


def owned(consumers: list[DeltaLake]) -> dict[str, tuple[DeltaLake, str]]:
    """Return consumer and category of each table, by the name that a query uses.

    A table has its consumer's name before its own, unless only one consumer that is enabled, or
    only one at all, has such a table.
    """
    found: dict[str, tuple[DeltaLake, str]] = {}
    for category in dict.fromkeys(c for consumer in consumers for c in consumer.tables):
        having = [c for c in consumers if category in c.tables]
        usual = [c for c in having if c.enabled] or having
        for consumer in having:
            alone = len(usual) == 1 and usual[0] is consumer
            prefix = "" if alone else f"{consumer.name.replace('-', '_')}_"
            found[f"{prefix}{category}"] = consumer, category
    return found


def traced(settings: Settings) -> list[Table]:
    """Return every table as a trace reads it."""
    by_plural = {category.plural: category for category in Category}
    return [
        Table(name, consumer.name, by_plural[plural], consumer.tables[plural])
        for name, (consumer, plural) in owned(lakes(settings)).items()
    ]


def trace_sources(settings: Settings, client: Client | None, no_client: str = "") -> Sources:
    """Return where a trace looks.

    Args:
        settings: the configuration; without privacy keys dead letters stay unopened.
        client: the Kafka client; None: only the tables are searched.
        no_client: why there is none.
    """
    try:
        vault = keys(settings.privacy)[1]
    except KeysMissingError:
        vault = None
    directory, log_file = letters_directory(settings), settings.logging.file
    return Sources(traced(settings), client, vault, directory, no_client, log_file)
