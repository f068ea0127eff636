"""Every error that pixstream raises on purpose.

PixstreamError
├── ConfigError            the YAML, an environment variable or an option is wrong (exit 2)
│   └── KeysMissingError   a privacy key is absent or unusable
├── KafkaError             Kafka answered with something that waiting does not cure
│   ├── FencedError        another owner took over, or Kafka gave this one up: stop at once
│   └── BrokerError        the embedded broker could not be started or stopped
├── PortTakenError         another program listens on a port that we want
├── ArtefactError          the jars of a program could not be fetched or verified
├── DestinationError       a destination failed for good: the process stops, nothing committed
├── Transient              it may work later: the framework calls again with back-off
├── Refused                bytes that are no Pix event; becomes a dead letter with its reason code
└── TopicChangedError      a topic is not the one that the table remembers: a person decides
    └── ClusterChangedError    it is one of another Kafka cluster

A message names what failed, on what, what happens next and what to do. It never carries a payload,
a personal datum, a secret, or another library's text about one of these.
"""


class PixstreamError(Exception):
    """Root of the tree: whatever pixstream raises on purpose."""


class ConfigError(PixstreamError):
    """The configuration is wrong; the message holds one problem a line."""


class KeysMissingError(ConfigError):
    """A key of the privacy section is absent, malformed or unreadable."""


class KafkaError(PixstreamError):
    """Kafka refused for a reason that waiting does not cure (authorisation, unknown topic)."""


class FencedError(KafkaError):
    """A newer owner of the transactional id exists; this process must end without a trace."""


class BrokerError(KafkaError):
    """The embedded broker could not be started, reached or stopped."""


class PortTakenError(PixstreamError):
    """A port to listen on is taken by another program."""


class ArtefactError(PixstreamError):
    """A jar could not be fetched, or its checksum differs."""


class DestinationError(PixstreamError):
    """A destination failed in a way that calling again does not cure."""


class TopicChangedError(PixstreamError):
    """A topic was deleted and recreated, or its offsets went back: nothing is skipped silently."""


class ClusterChangedError(TopicChangedError):
    """A destination was fed from another Kafka cluster, whose offsets mean nothing in this one."""


class Transient(PixstreamError):  # noqa: N818  the word of the design: a state, not a fault
    """The same call may succeed later; never a reason for a dead letter."""


class Refused(PixstreamError):  # noqa: N818  said of a record, not of the program
    """These bytes hold no Pix event that can be identified.

    Args:
        reason: a code of `pixstream.event.model.Reason`, stable, for filters and metrics.
        message: what is wrong and at which field path, without any value of the payload.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason
        self.message = message
