"""The state of a consumer in one partition: where it continues, or why it cannot and what to do.

If the destination remembers offsets itself, its offset takes precedence; otherwise the group's
counts. An offset that Kafka no longer has, or never had, is never replaced by another without an
operator's decision: the message names the command for it.
"""

from __future__ import annotations

from typing import NamedTuple

from pixstream.errors import TopicChangedError
from pixstream.wording import counted


class AnomalyError(TopicChangedError):
    """A consumer cannot continue in a partition; the message ends with the command that decides."""


class Obstacle(NamedTuple):
    """Why a consumer cannot continue, and the options of `offsets set` that decide."""

    what: str
    options: str


class PartitionState(NamedTuple):
    """What the destination, the group and Kafka know of a consumer in one partition.

    Attributes:
        consumer: the name of the component.
        topic: the name of the topic.
        topic_id: the id of the topic as it is now.
        partition: the number of the partition.
        remembered: the destination's next offset; None: it does not have one.
        committed: the group's next offset; None: it does not have one.
        beginning: the first offset that the partition still has.
        end: the offset after its last stable record.
        remembers: the destination remembers offsets itself.
        recreated: the destination was fed from another incarnation of the topic.
        begun: an offset of another partition of the topic is known.
        moved: that incarnation belongs to another Kafka cluster; `recreated` is true as well.
    """

    consumer: str
    topic: str
    topic_id: str
    partition: int
    remembered: int | None
    committed: int | None
    beginning: int
    end: int
    remembers: bool
    recreated: bool = False
    begun: bool = False
    moved: bool = False

    @property
    def next(self) -> int | None:
        """The next offset to read; None: neither destination nor group has one."""
        return self.committed if self.remembered is None else self.remembered

    @property
    def lag(self) -> int:
        """Number of offsets still to read."""
        start = self.beginning if self.next is None or self.recreated else self.next
        return max(0, self.end - max(start, self.beginning))

    def problem(self) -> Obstacle | None:
        """Return why the consumer cannot continue here; None: it can."""
        at = self.next
        if self.recreated:
            return Obstacle(
                f"{self._other_source}, and offsets start over",
                f"--topic {self.topic} --to earliest --new-topic",
            )
        if self.remembers and self.remembered is None and self.committed is not None:
            return Obstacle(
                f"the destination has no offset for it, but that of the group is {self.committed}: "
                "the table was deleted, or its disk is not mounted. Mount or restore it, or fill a "
                "new one from what Kafka still has",
                f"{self._here} --to earliest --allow-rewind",
            )
        if at is None and self.begun and self.beginning > 0:
            return Obstacle(
                "no offset is known, but other partitions have one, and offsets before "
                f"{self.beginning} have expired",
                f"{self._here} --to earliest",
            )
        if at is not None and at < self.beginning:
            return Obstacle(
                f"offset {at} has expired: retention deleted "
                f"{counted(self.beginning - at, 'offset')} unread",
                f"{self._here} --to earliest",
            )
        if at is not None and at > self.end:
            return Obstacle(
                f"offset {at} is beyond the end {self.end}: the partition lost its newest records, "
                "or the topic was recreated",
                f"{self._here} --to earliest --allow-rewind",
            )
        return None

    def note(self) -> str:
        """Return what a person should know of this partition; empty if all offsets agree."""
        problem = self.problem()
        if problem is not None:
            return f"{problem.what}; {self.command(problem.options)}"
        if self.next is None:
            return "no offset is known yet"
        if self.remembered is not None and self.committed != self.remembered:
            known = "has no offset yet" if self.committed is None else f"is at {self.committed}"
            return f"the group {known}; the destination's offset counts"
        return ""

    def command(self, options: str) -> str:
        """Return the command line of an operator's decision."""
        return f'pixstream offsets set {self.consumer} {options} --why "…"'

    def check(self) -> None:
        """Check that the consumer can continue here.

        Raises:
            AnomalyError: it cannot; the message ends with the command that decides.
        """
        problem = self.problem()
        if problem is not None:
            raise AnomalyError(
                f"{self.consumer}: {self.topic}-{self.partition}: {problem.what}. Nothing is read "
                f"and nothing is skipped until an operator decides: {self.command(problem.options)}"
            )

    @property
    def _other_source(self) -> str:
        if self.moved:
            return "the destination was fed from another Kafka cluster"
        return "the topic was deleted and recreated; the destination was fed from the former one"

    @property
    def _here(self) -> str:
        return f"--topic {self.topic} --partition {self.partition}"
