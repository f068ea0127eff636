"""The outcome of each letter in a replay: shown in a dry run or sent, then summed up."""

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
from pixstream.wording import counted

if TYPE_CHECKING:
    from pixstream.dead_letters.reading import LetterView
    from pixstream.dead_letters.replay import Replayer
    from pixstream.dead_letters.replay_transaction import ReplayTransaction
    from pixstream.kafka.ports import Client

NAMED = 20
"""How many letters that stay open are listed individually, per reason."""


def show_outcomes(client: Client, ids: set[bytes], replayer: Replayer) -> int:
    """Print the events that each letter would produce, change nothing; return the exit code."""
    counts: Counter[str] = Counter()
    replayable = 0
    for letter in taken(client.scan(DLQ), ids):
        try:
            found = replayer(letter)
        except Refused as why:
            counts[why.reason] += 1
            click.echo(_stays(letter, why))
        else:
            replayable += 1
            for event_id, record in found:
                click.echo(f"{letter.letter_id[:12]}  {record.topic}  event {event_id}")
    click.echo(f"{replayable:>9,}  would be replayed")
    return _summary(counts)


def send(
    client: Client, ids: set[bytes], replayer: Replayer, transaction: ReplayTransaction
) -> int:
    """Send the events of each letter and mark it as replayed; return the exit code."""
    counts: Counter[str] = Counter()
    total, done = len(ids), 0
    try:
        with first_interrupt() as interrupted, Progress("letters", total) as progress:
            for letter in taken(client.scan(DLQ), ids):
                try:
                    records = [event.record for event in replayer(letter)]
                except Refused as why:
                    counts[why.reason] += 1
                    if why.reason != LEFT_BY_REPAIR and counts[why.reason] <= NAMED:
                        click.echo(_stays(letter, why), err=True)
                else:
                    transaction.put(letter.letter_id, REPLAYED, records)
                done += 1
                progress.at(done)
                if interrupted():
                    break
            transaction.flush()
    finally:
        written, events = transaction.counts["letters"], transaction.counts["events"]
        click.echo(f"{written:>9,}  replayed, as {counted(events, 'event')}")
        code = _summary(counts)
        unreached = total - written - counts.total()
        if unreached:
            click.echo(f"{unreached:>9,}  stay open: not reached; run the replay again")
    return 1 if unreached else code


def _stays(letter: LetterView, why: Refused) -> str:
    return f"{letter.letter_id[:12]}  stays open: {why.reason}: {why.message}"


def _summary(counts: Counter[str]) -> int:
    """Print how many letters stay open and why; return 1 unless the repair skipped all of them."""
    for reason, count in counts.most_common():
        click.echo(f"{count:>9,}  stay open: {reason}")
    return 1 if counts.keys() - {LEFT_BY_REPAIR} else 0
