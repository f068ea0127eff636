"""The errors that pixstream raises deliberately.

PixstreamError
├── ConfigError            the YAML, an environment variable or an option is wrong (exit 2)
│   └── KeysMissingError   a privacy key is absent or unusable
├── KafkaError             Kafka failed in a way that retrying does not fix
│   ├── FencedError        this producer was fenced or expired: stop immediately
│   └── BrokerError        the embedded broker could not be started or stopped
├── PortTakenError         another program listens on the configured port
├── ArtefactError          the jars of a program could not be fetched or verified
├── MonitoringError        a server of `pixstream monitoring` could not be started or stopped
├── DestinationError       a destination failed permanently: the process stops, nothing committed
├── Transient              a temporary failure: the framework retries with back-off
├── Refused                bytes that are not a Pix event; a dead letter with its reason code
└── TopicChangedError      a topic is not the one that fed the table; an operator decides
    └── ClusterChangedError    the topic belongs to another Kafka cluster

A message says what failed, on what, what happens next and what to do. It never contains a payload,
personal data, a secret, or another library's text about any of these.
"""


class PixstreamError(Exception):
    """The base class of every error that pixstream raises deliberately."""


class ConfigError(PixstreamError):
    """The configuration is wrong; the message has one problem per line."""


class KeysMissingError(ConfigError):
    """A key of the privacy section is absent, malformed or unreadable."""


class KafkaError(PixstreamError):
    """Kafka failed in a way that retrying does not fix (authorisation, unknown topic)."""


class FencedError(KafkaError):
    """Another producer took over the transactional id; exit immediately and write nothing more."""


class BrokerError(KafkaError):
    """The embedded broker could not be started, reached or stopped."""


class PortTakenError(PixstreamError):
    """Another program already listens on the port."""


class ArtefactError(PixstreamError):
    """A jar could not be fetched, or its checksum does not match."""


class MonitoringError(PixstreamError):
    """A server of `pixstream monitoring` could not be started, reached or stopped."""


class DestinationError(PixstreamError):
    """A destination failed in a way that retrying does not fix."""


class TopicChangedError(PixstreamError):
    """A topic was recreated, or its offsets went backwards; nothing is skipped silently."""


class ClusterChangedError(TopicChangedError):
    """A destination was fed from another Kafka cluster, whose offsets are meaningless here."""


class Transient(PixstreamError):  # noqa: N818  the design's term: a state, not a fault
    """A temporary failure: the same call may succeed later. It never causes a dead letter."""


class Refused(PixstreamError):  # noqa: N818  about a record, not about the program
    """These bytes do not contain an identifiable Pix event.

    Args:
        reason: a code of `pixstream.event.model.Reason`, stable, for filters and metrics.
        message: what is wrong and at which field path, without any payload value.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
