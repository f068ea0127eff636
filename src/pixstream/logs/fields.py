"""Every field that a log line may have: nothing else is ever written.

The list is the allowlist of the formatter, the mapping of the index template
(`monitoring.index`) and the table in docs/reference/log-fields.md, so the three cannot differ. The
names are those of the Elastic Common Schema where it has one; the rest begin with `kafka.`,
`delta.` and `pix.`. None is a person, an account, a key, an amount or a text of a payment.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

ECS_VERSION = "8.17"

FIELDS_ATTRIBUTE = "ecs"
"""Attribute of a log record with its structured fields: `log.info(text, extra={"ecs": {…}})`."""

Kind = Literal["date", "keyword", "long", "text"]
"""The type of a field in Elasticsearch and OpenSearch."""


class Field(NamedTuple):
    """A field of log lines.

    Attributes:
        name: the dotted name.
        kind: its type in the index.
        about: one phrase for the reader of a line.
        shipper: rsyslog, Filebeat or Logstash adds it on the way; no line has it in its file.
        made: pixstream has made it, or checked it, and it names nobody. In the other texts CPFs and
            CNPJs are masked; in a random id, digits that look like one are no document.
    """

    name: str
    kind: Kind
    about: str
    shipper: bool = False
    made: bool = False


FIELDS = (
    Field("@timestamp", "date", "when it was logged, UTC"),
    Field("log.level", "keyword", "debug, info, warning, error or critical"),
    Field("message", "text", "the text for people"),
    Field("ecs.version", "keyword", "version of the Elastic Common Schema"),
    Field("service.name", "keyword", "pixstream"),
    Field("service.node.name", "keyword", "component and replica, `webhook-0`; or `supervisor`"),
    Field(
        "service.ephemeral_id", "keyword", "the process: another one after each start", made=True
    ),
    Field("log.logger", "keyword", "which part of the code logs"),
    Field("process.pid", "long", "process id"),
    Field(
        "event.id",
        "keyword",
        "this line and no other: document id in the index, so a line that is shipped twice is "
        "there once",
    ),
    Field(
        "event.sequence",
        "long",
        "1, 2, 3, … in each process: a gap is a line that was lost on the way",
    ),
    Field(
        "event.dataset",
        "keyword",
        "pixstream.log, .batch, .message or .letter; .text: of another program",
    ),
    Field("event.action", "keyword", "what was done: `batch-produced`, `batch-written`, …"),
    Field("event.outcome", "keyword", "success or failure"),
    Field("event.duration", "long", "how long it took, nanoseconds"),
    Field("event.reason", "keyword", "reason of a dead letter or a rejection, a code"),
    Field("kafka.topic", "keyword", "topic"),
    Field("kafka.partition", "long", "partition"),
    Field("kafka.offset.first", "long", "lowest offset; of a message, its offset"),
    Field("kafka.offset.last", "long", "highest offset; of a message, its offset again"),
    Field("pix.batch.id", "keyword", "the same in every line of a batch", made=True),
    Field("pix.records", "long", "how many records of this topic and partition"),
    Field(
        "pix.end_to_end_id",
        "keyword",
        "EndToEndId of a sampled payment, in the documented form",
        made=True,
    ),
    Field(
        "pix.letter.id",
        "keyword",
        "id of the dead letter, for `pixstream dead-letters show`",
        made=True,
    ),
    Field("pix.letter.stage", "keyword", "step that failed: read, seal, produce, decode or write"),
    Field("pix.left_out", "long", "lines from the same place that the rate limit left out before"),
    Field("delta.table", "keyword", "the table"),
    Field("delta.version", "long", "a version of the table that contains the batch"),
    Field("trace.id", "keyword", "trace id of the W3C trace context", made=True),
    Field("span.id", "keyword", "span id of the record in Kafka", made=True),
    Field("error.type", "keyword", "class of the exception"),
    Field("error.stack_trace", "text", "places in the code, without any value"),
    Field("host.name", "keyword", "the machine", shipper=True),
    Field("log.file.path", "keyword", "the file that the line was read from", shipper=True),
)

MADE = frozenset(field.name for field in FIELDS if field.made)
"""What is written as it is."""

NAMES = frozenset(field.name for field in FIELDS if not field.shipper)
"""What a line may have."""
