"""What becomes of each letter in a replay: shown in a dry run, else sent, and summed up."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from pixstream.cli.progress import Progress
from pixstream.cli.signals import first_interrupt
from pixstream.dead_letters.reading import taken
from pixstream.dead_letters.replay import LEFT_BY_REPAIR
from pixstream.dead_letters.state import REPLAYED
from pixstream.errors import Refused
from pixstream.kafka.names import DLQ

if TYPE_CHECKING:
    from pixstream.dead_letters.reading import LetterView
    from pixstream.dead_letters.replay import Replayer
    from pixstream.dead_letters.replay_transaction import ReplayTransaction
    from pixstream.kafka.ports import Client

NAMED = 20
"""Letters that stay open are named one by one, up to this many per reason."""


def show_outcomes(client: Client, ids: set[bytes], becoming: Replayer) -> int:
    """Print what each letter would become and change nothing; return the exit code."""
    counts: Counter[str] = Counter()
    replayable = 0
    for letter in taken(client.scan(DLQ), ids):
        try:
            found = becoming(letter)
        except Refused as why:
            counts[why.reason] += 1
            click.echo(_stays(letter, why))
        else:
            replayable += 1
            for event_id, record in found:
                click.echo(f"{letter.letter_id[:12]}  {record.topic}  event {event_id}")
    click.echo(f"{replayable:>9,}  would be replayed")
    return _summary(counts)


def send(client: Client, ids: set[bytes], becoming: Replayer, desk: ReplayTransaction) -> int:
    """Send what each letter holds and mark it as replayed; return the exit code."""
    counts: Counter[str] = Counter()
    total, done = len(ids), 0
    try:
        with first_interrupt() as interrupted, Progress("letters", total) as progress:
            for letter in taken(client.scan(DLQ), ids):
                try:
                    records = [became.record for became in becoming(letter)]
                except Refused as why:
                    counts[why.reason] += 1
                    if why.reason != LEFT_BY_REPAIR and counts[why.reason] <= NAMED:
                        click.echo(_stays(letter, why), err=True)
                else:
                    desk.put(letter.letter_id, REPLAYED, records)
                done += 1
                progress.at(done)
                if interrupted():
                    break
            desk.flush()
    finally:
        written, events = desk.counts["letters"], desk.counts["events"]
        click.echo(f"{written:>9,}  replayed, as {events:,} events")
        code = _summary(counts)
        unreached = total - written - counts.total()
        if unreached:
            click.echo(f"{unreached:>9,}  stay open: not reached; run the replay again")
    return 1 if unreached else code


def _stays(letter: LetterView, why: Refused) -> str:
    return f"{letter.letter_id[:12]}  stays open: {why.reason}: {why.message}"


def _summary(counts: Counter[str]) -> int:
    """Print how many letters stay open and why; return 1 unless a repair left all of them."""
    for reason, count in counts.most_common():
        click.echo(f"{count:>9,}  stay open: {reason}")
    return 1 if counts.keys() - {LEFT_BY_REPAIR} else 0
