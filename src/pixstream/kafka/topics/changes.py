"""The changes in a plan of topics; the text of each change is one line for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from pixstream.kafka.ports import TopicSpec


class Create(NamedTuple):
    """A topic that does not exist yet."""

    spec: TopicSpec

    def __str__(self) -> str:
        """`+ pix.dlq (1 partition, replication 1, retention.ms=-1, …)`."""
        plural = "" if self.spec.partitions == 1 else "s"
        config = [f"{key}={value}" for key, value in sorted(self.spec.config.items())]
        size = f"{self.spec.partitions} partition{plural}, replication {self.spec.replication}"
        return f"+ create {self.spec.name} ({', '.join([size, *config])})"


class Configure(NamedTuple):
    """Settings of one topic, changed together; `old` None is the broker's default."""

    topic: str
    settings: tuple[tuple[str, str | None, str], ...]

    def __str__(self) -> str:
        """`~ pix.pagamentos retention.ms 604800000 -> 86400000`."""
        parts = [f"{key} {old or '(default)'} -> {new}" for key, old, new in self.settings]
        return f"~ {self.topic} {', '.join(parts)}"


class AddPartitions(NamedTuple):
    """More partitions for a drained topic."""

    topic: str
    old: int
    new: int

    def __str__(self) -> str:
        """`~ pix.pagamentos partitions 3 -> 6`."""
        return f"~ {self.topic} partitions {self.old} -> {self.new}"


class Delete(NamedTuple):
    """An undeclared topic to delete, with its records."""

    topic: str

    def __str__(self) -> str:
        """`- delete pix.old (not declared)`."""
        return f"- delete {self.topic} (not declared)"


class RefusedChange(NamedTuple):
    """A difference that is not applied, and why."""

    topic: str
    what: str
    why: str

    def __str__(self) -> str:
        """`! pix.estornos partitions 6 -> 3 refused: Kafka cannot …`."""
        return f"! {self.topic} {self.what} refused: {self.why}"


class Kept(NamedTuple):
    """An undeclared topic that is kept; it needs no change."""

    topic: str

    def __str__(self) -> str:
        """`= pix.old is not declared and stays …`."""
        return (
            f"= {self.topic} is not declared and stays (--allow-delete deletes it and its records)"
        )


Change: TypeAlias = Create | Configure | AddPartitions | Delete | RefusedChange | Kept


class Plan(tuple[Change, ...]):
    """The changes for every topic that is not as declared, in order."""

    __slots__ = ()

    @property
    def to_do(self) -> list[Create | Configure | AddPartitions | Delete]:
        """The changes that `apply` makes."""
        return [change for change in self if not isinstance(change, RefusedChange | Kept)]

    @property
    def refused(self) -> list[RefusedChange]:
        """The differences that are not applied."""
        return [change for change in self if isinstance(change, RefusedChange)]
