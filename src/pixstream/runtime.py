"""Factories that build clients, the sealer and dead-letter writers from settings.

The commands, the processes, the lab and the jobs all use them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pixstream.dead_letters import LetterWriter
from pixstream.errors import BrokerError
from pixstream.event.sealing import Sealer
from pixstream.kafka import connect, embedded
from pixstream.privacy import keys

if TYPE_CHECKING:
    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Client
    from pixstream.kafka.settings import KafkaSettings
    from pixstream.privacy import Vault


def kafka_settings(settings: Settings) -> KafkaSettings:
    """Return the `kafka` section with an address: the configured one, else the embedded broker's.

    Raises:
        BrokerError: no address is configured, and no embedded broker runs in the data directory.
    """
    kafka = settings.kafka
    if kafka.bootstrap_servers:
        return kafka
    address = embedded.address(Path(settings.data_dir))
    if address is None:
        raise BrokerError(
            "no broker: kafka.bootstrap_servers is not set and the embedded broker is not running; "
            "start it with `pixstream broker start`"
        )
    return msgspec.structs.replace(kafka, bootstrap_servers=address)


def client(settings: Settings) -> Client:
    """Return a Kafka client for the configured brokers, or for the running embedded one.

    Raises:
        BrokerError: see `kafka_settings`.
    """
    return connect(kafka_settings(settings))


def sealer(settings: Settings) -> Sealer:
    """Return the configured sealer, which turns drafts into canonical events.

    Raises:
        KeysMissingError: a privacy key is absent.
    """
    pseudonym, vault = keys(settings.privacy)
    return Sealer(
        pseudonym,
        vault,
        own_ispbs=frozenset(settings.institution.ispbs),
        free_text=settings.privacy.free_text,
        allowlist=frozenset(settings.privacy.extra_allowlist),
        time=settings.time,
    )


def letter_writer(settings: Settings, name: str, vault: Vault) -> LetterWriter:
    """Return a component's dead-letter writer."""
    return LetterWriter(name, vault, settings.kafka.max_letter_bytes, letters_directory(settings))


def letters_directory(settings: Settings) -> Path:
    """Return the directory for dead letters that are too large for Kafka."""
    return Path(settings.data_dir) / "letters"
