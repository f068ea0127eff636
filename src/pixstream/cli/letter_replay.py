"""`pixstream dead-letters replay`: letters are read again, after a repair, and sent."""

from __future__ import annotations

import signal
import threading
from collections import Counter
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream.cli.accounting import account, accounting
from pixstream.cli.letter_options import check_named, choosing, every_option, find
from pixstream.cli.progress import Progress
from pixstream.dead_letters import repair as repairing
from pixstream.dead_letters.reading import taken
from pixstream.dead_letters.replay import LEFT_BY_REPAIR, Becoming
from pixstream.dead_letters.replay_transaction import Desk
from pixstream.dead_letters.state import REPLAYED, states
from pixstream.errors import Refused
from pixstream.kafka.names import DLQ, EVENT_TOPICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings
    from pixstream.dead_letters.reading import LetterView
    from pixstream.dead_letters.repair import Repair
    from pixstream.dead_letters.selection import Selection
    from pixstream.kafka.ports import Client

NAMED = 20
"""Letters that stay open are named one by one, up to so many of each reason."""


@click.command()
@choosing
@every_option
@click.option("--dry-run", is_flag=True, help="Say what each letter would become; change nothing.")
@click.option(
    "--with",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.py",
    help="Repair first: repair(raw: bytes, headers: dict[str, str]) -> bytes | None.",
)
@click.option("--jmespath", "expression", metavar="EXPR", help="Repair JSON content first.")
@click.option("--new-topic", is_flag=True, help="Also where a topic was created anew since.")
@accounting
@click.pass_obj
def replay(
    root: Root,
    *,
    selection: Selection,
    every: bool,
    dry_run: bool,
    file: Path | None,
    expression: str | None,
    new_topic: bool,
    who: str,
    why: str | None,
) -> int:
    """Read open letters again, after a repair if one is given, and send what they hold.

    A producer's letter is read by that producer as configured now; a consumer's letter goes back
    into its topic for that consumer alone. The events and the mark "replayed" are one Kafka
    transaction: no letter is ever replayed twice, however a replay ends. Ctrl-C ends it after the
    transaction in hand.

    A letter that still fails stays open and is named; then the exit code is 1. A repair returns
    None (a JMESPath: null) for a letter that it leaves alone. Its file sees letters in clear, so
    that it needs --why in a dry run too.

    \b
      pixstream dead-letters replay 3f2a… --dry-run
      pixstream dead-letters replay --reason not_a_pix --jmespath payload --why "ticket 4711"
      pixstream dead-letters replay --from webhook --since 2h --with repair.py --why "ticket 4711"
    """  # noqa: D301  \b is click's mark for a paragraph to leave alone
    check_named(selection, every=every)
    if file and expression:
        raise click.UsageError("--with and --jmespath: one repair at a time")
    if (file or not dry_run) and not why:
        raise click.UsageError("replay needs --why: it is written to the audit log")
    repair = _repair(file, expression)
    settings = root.load()
    client = root.client(settings)
    becoming = _becoming(settings, client, repair, new_topic=new_topic)

    def note(action: str, ids: set[bytes]) -> None:
        how = f", repaired with {file or expression}" if repair else ""
        account(settings, action, f"{selection} ({len(ids)} letters{how})", who, why)

    if dry_run:
        ids = find(client, selection, states(client))
        if file:
            note("replay --dry-run", ids)
        return _dry_run(client, ids, becoming)
    with Desk(client, settings.retry, who=who, why=why or "") as desk:
        ids = find(client, selection, desk.states)
        if not ids:
            return 0
        note("replay", ids)
        return _replay(client, ids, becoming, desk)


def _repair(file: Path | None, expression: str | None) -> Repair | None:
    if file is not None:
        return repairing.from_file(file)
    return None if expression is None else repairing.from_expression(expression)


def _becoming(
    settings: Settings, client: Client, repair: Repair | None, *, new_topic: bool
) -> Becoming:
    from pixstream.privacy import keys
    from pixstream.runtime import letters_directory, sealer

    becoming = Becoming(
        settings.producers,
        settings.consumers,
        sealer=sealer(settings),
        vault=keys(settings.privacy)[1],
        directory=letters_directory(settings),
        max_event_bytes=settings.kafka.max_event_bytes,
    )
    becoming.repair, becoming.new_topic = repair, new_topic
    becoming.contract = settings.schema.contract
    with closing(client.admin()) as admin:
        places = admin.beginning_offsets(list(EVENT_TOPICS.values()))
    becoming.topic_ids = {place.topic: place.topic_id for place in places}
    return becoming


def _dry_run(client: Client, ids: set[bytes], becoming: Becoming) -> int:
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


def _replay(client: Client, ids: set[bytes], becoming: Becoming, desk: Desk) -> int:
    counts: Counter[str] = Counter()
    total, done = len(ids), 0
    try:
        with _interruptible() as interrupted, Progress("letters", total) as progress:
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
            click.echo(f"{unreached:>9,}  stay open: not reached; replay again")
    return 1 if unreached else code


def _stays(letter: LetterView, why: Refused) -> str:
    return f"{letter.letter_id[:12]}  stays open: {why.reason}: {why.message}"


def _summary(counts: Counter[str]) -> int:
    """Say how many letters stay open and why; 1 if any of them does so against the wish."""
    for reason, count in counts.most_common():
        click.echo(f"{count:>9,}  stay open: {reason}")
    return 1 if counts.keys() - {LEFT_BY_REPAIR} else 0


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C or SIGTERM is told; a second one ends at once, which is exact as well."""
    asked = threading.Event()

    def note(number: int, frame: object) -> None:
        del number, frame
        asked.set()
        restore()

    former = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}

    def restore() -> None:
        for number, handler in former.items():
            signal.signal(number, handler)

    try:
        yield asked.is_set
    finally:
        restore()
