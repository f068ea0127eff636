"""Where one consumer stands in one partition, whether it can go on there, and if not, what to do.

The destination's word counts where it remembers offsets itself; else the group's. An offset that
Kafka does not hold any more, or never held, is never replaced by another without a decision: the
message names the command that takes it.
"""

from __future__ import annotations

from typing import NamedTuple

from pixstream.errors import TopicChangedError


class AnomalyError(TopicChangedError):
    """A consumer cannot go on in a partition; the message ends with the command that decides."""


class Obstacle(NamedTuple):
    """Why a consumer cannot go on, and the options of `offsets set` that decide."""

    what: str
    options: str


class PartitionState(NamedTuple):
    """What everyone knows of a consumer's way through one partition.

    Attributes:
        consumer: name of the component.
        topic: name of the topic.
        topic_id: of the topic as it is now.
        partition: number.
        remembered: next offset that the destination wants; None: it does not know.
        committed: next offset that the group wants; None: it does not know.
        beginning: the first offset that the partition still holds.
        end: the offset after its last stable record.
        remembers: the destination keeps offsets itself.
        recreated: the destination was fed from another incarnation of the topic.
        begun: an offset of some other partition of the topic is known.
        moved: that incarnation is one of another Kafka cluster; `recreated` is true as well.
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
        """The next offset wanted; None: nobody knows one."""
        return self.committed if self.remembered is None else self.remembered

    @property
    def lag(self) -> int:
        """Offsets still to read."""
        start = self.beginning if self.next is None or self.recreated else self.next
        return max(0, self.end - max(start, self.beginning))

    def problem(self) -> Obstacle | None:
        """Why the consumer cannot go on here; None: it can."""
        at = self.next
        if self.recreated:
            return Obstacle(
                f"{self._other_source}, and offsets start over",
                f"--topic {self.topic} --to earliest --new-topic",
            )
        if self.remembers and self.remembered is None and self.committed is not None:
            return Obstacle(
                f"the destination knows nothing of it, while the group had come to offset "
                f"{self.committed}: the table was deleted, or its disk is not mounted. Mount or "
                "restore it, or fill a new one from what Kafka still holds",
                f"{self._here} --to earliest --allow-rewind",
            )
        if at is None and self.begun and self.beginning > 0:
            return Obstacle(
                "no offset is known, while other partitions have one, and its first "
                f"{self.beginning} offsets have expired",
                f"{self._here} --to earliest",
            )
        if at is not None and at < self.beginning:
            return Obstacle(
                f"offset {at} has expired: {self.beginning - at} offsets were deleted by retention "
                "before they were read",
                f"{self._here} --to earliest",
            )
        if at is not None and at > self.end:
            return Obstacle(
                f"offset {at} is beyond the end {self.end}: the partition lost its newest records, "
                "or the topic was created anew",
                f"{self._here} --to earliest --allow-rewind",
            )
        return None

    def note(self) -> str:
        """What a person should know of this partition, empty when all agree."""
        problem = self.problem()
        if problem is not None:
            return f"{problem.what}; {self.command(problem.options)}"
        if self.next is None:
            return "nothing is known of it yet"
        if self.remembered is not None and self.committed != self.remembered:
            known = "does not know it yet" if self.committed is None else f"says {self.committed}"
            return f"the group {known}; the destination's word counts"
        return ""

    def command(self, options: str) -> str:
        """The command line of an operator's decision."""
        return f'pixstream offsets set {self.consumer} {options} --why "…"'

    def check(self) -> None:
        """Let the consumer go on, or not.

        Raises:
            AnomalyError: it cannot, with the command that decides.
        """
        problem = self.problem()
        if problem is not None:
            raise AnomalyError(
                f"{self.consumer}: {self.topic}-{self.partition}: {problem.what}. Nothing is read "
                f"and nothing is skipped before somebody decides: {self.command(problem.options)}"
            )

    @property
    def _other_source(self) -> str:
        if self.moved:
            return "the destination was fed from another Kafka cluster"
        return "the topic was deleted and created anew; the destination was fed from the former one"

    @property
    def _here(self) -> str:
        return f"--topic {self.topic} --partition {self.partition}"
