"""A person's rows, found by the pseudonym of a document: as payer or payee, by document or key."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import ConfigError
from pixstream.event.identifiers import document_valid, normalise_document
from pixstream.trace.facts import Fact, from_row
from pixstream.trace.question import Place

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.lake.lookup import FoundRow
    from pixstream.privacy import Pseudonymiser
    from pixstream.trace.question import Window
    from pixstream.trace.tables import Table

ROLES = ("payer.document", "payer.key", "payee.document", "payee.key")
"""Where a person can be in a row: a CPF or CNPJ as a key has the pseudonym of the document."""

_COLUMNS = [
    *("event_id", "category", "direction", "end_to_end_id", "return_id", "txid"),
    *("amount_centavos", "event_time", "ingested_at", "status", "source", "revision"),
    *("payer", "payee", "_topic", "_partition", "_offset"),
]


class PersonRow(NamedTuple):
    """A row of a person: its table and file, its place in Kafka, and which roles the person has."""

    table: str
    file: str
    place: Place
    revision: int
    fact: Fact
    roles: list[str]


def pseudonym_of(document: str, pseudonym: Pseudonymiser) -> str:
    """Return the pseudonym under which tables have a CPF or CNPJ.

    Raises:
        ConfigError: it is neither; the message does not repeat it.
    """
    normalised = normalise_document(document.strip())
    if not document_valid(normalised):
        raise ConfigError("not a CPF or CNPJ: its check digits are wrong, or its length is")
    return pseudonym("document", normalised)


def rows_of(person: str, table: Table, window: Window) -> Sequence[PersonRow]:
    """Return a person's rows in one table and time, in the order of event times.

    Args:
        person: the pseudonym.
        table: where to look.
        window: event times.

    Raises:
        DestinationError: the table cannot be read.
        Transient: the object store does not answer.
    """
    found = table.raw({role: [person] for role in ROLES}, window, _COLUMNS)
    rows = (_row(one, person, table.name) for one in found)
    within = (row for row in rows if window.start <= row.fact.event_time < window.stop)
    return sorted(within, key=lambda row: (row.fact.event_time, row.place))


def _row(found: FoundRow, person: str, table: str) -> PersonRow:
    values = found.values
    roles = [role for role in ROLES if _held(values, role) == person]
    place = Place(values["_topic"], values["_partition"], values["_offset"])
    return PersonRow(table, found.file.path, place, values["revision"], from_row(values), roles)


def _held(values: dict[str, dict[str, str | None] | None], role: str) -> str | None:
    side, _, field = role.partition(".")
    return (values[side] or {}).get(field)
