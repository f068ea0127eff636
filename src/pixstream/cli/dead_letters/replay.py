"""`pixstream dead-letters replay`: read letters again, after a repair if given, and send them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pixstream.cli.audited import audited, log_action
from pixstream.cli.dead_letters.selection import check_named, every_option, find, selecting
from pixstream.dead_letters.state import states
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.wording import counted

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.config.settings import Settings
    from pixstream.dead_letters.repair import Repair
    from pixstream.dead_letters.replay import Replayer
    from pixstream.dead_letters.selection import Selection
    from pixstream.kafka.ports import Client


@click.command()
@selecting
@every_option
@click.option("--dry-run", is_flag=True, help="Show the events of each letter, but change nothing.")
@click.option(
    "--with",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.py",
    help="Repair first: repair(raw: bytes, headers: dict[str, str]) -> bytes | None.",
)
@click.option(
    "--jmespath",
    "expression",
    metavar="EXPR",
    help="Repair JSON content first, with this JMESPath expression.",
)
@click.option("--new-topic", is_flag=True, help="Accept topics that have been recreated since.")
@audited
@click.pass_obj
def replay_command(
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
    """Read open letters again, after a repair if one is given, and send their events.

    A letter from a producer is read by that producer with its current configuration; a letter from
    a consumer goes back to its topic, only for that consumer. The events and the mark "replayed"
    share one Kafka transaction, so no letter is ever replayed twice, however a replay ends. Ctrl-C
    ends it after the current transaction.

    A letter that fails again stays open and is listed; the exit code is then 1. A repair returns
    None (JMESPath: null) for a letter that it leaves open. A repair file sees letters in clear, so
    it needs --why even in a dry run.

    \b
    Examples:
      pixstream dead-letters replay 3f2a… --dry-run
      pixstream dead-letters replay --reason not_a_pix --jmespath payload --why "ticket 4711"
      pixstream dead-letters replay --from webhook --since 2h --with repair.py --why "ticket 4711"
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.cli.dead_letters.outcomes import send, show_outcomes
    from pixstream.dead_letters.replay_transaction import ReplayTransaction

    check_named(selection, every=every)
    if file and expression:
        raise click.UsageError("give only one repair: --with or --jmespath")
    if (file or not dry_run) and not why:
        raise click.UsageError("replay needs --why, which is written to the audit log")
    repair = _repair(file, expression)
    settings = root.load()
    client = root.client(settings)
    replayer = _replayer(settings, client, repair, new_topic=new_topic)

    def note(action: str, ids: set[bytes]) -> None:
        how = f", repaired with {file or expression}" if repair else ""
        log_action(settings, action, f"{selection} ({counted(len(ids), 'letter')}{how})", who, why)

    if dry_run:
        ids = find(client, selection, states(client))
        if file:
            note("replay --dry-run", ids)
        return show_outcomes(client, ids, replayer)
    with ReplayTransaction(client, settings.retry, who=who, why=why or "") as transaction:
        ids = find(client, selection, transaction.states)
        if not ids:
            return 0
        note("replay", ids)
        return send(client, ids, replayer, transaction)


def _repair(file: Path | None, expression: str | None) -> Repair | None:
    from pixstream.dead_letters import repair as repairing

    if file is not None:
        return repairing.from_file(file)
    return None if expression is None else repairing.from_expression(expression)


def _replayer(
    settings: Settings, client: Client, repair: Repair | None, *, new_topic: bool
) -> Replayer:
    from pixstream.dead_letters.replay import Replayer
    from pixstream.privacy import keys
    from pixstream.runtime import letters_directory, sealer

    replayer = Replayer(
        settings.producers,
        settings.readers,
        sealer=sealer(settings),
        vault=keys(settings.privacy)[1],
        directory=letters_directory(settings),
        max_event_bytes=settings.kafka.max_event_bytes,
    )
    replayer.repair, replayer.new_topic = repair, new_topic
    replayer.contract = settings.schema.contract
    replayer.sample = settings.logging.sample
    with closing(client.admin()) as admin:
        places = admin.beginning_offsets(list(EVENT_TOPICS.values()))
    replayer.topic_ids = {place.topic: place.topic_id for place in places}
    return replayer
