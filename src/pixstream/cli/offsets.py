"""`pixstream offsets`: where consumers stand, and a person's decision where they go on."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.accounting import account, accounting
from pixstream.errors import PixstreamError
from pixstream.kafka.lag import patiently
from pixstream.kafka.names import EVENT_TOPICS, group_id
from pixstream.loops import offsets as ways

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Admin
    from pixstream.loops.offsets import Change, Target
    from pixstream.loops.partition_state import Standing
    from pixstream.plugins.consumer import Consumer

_PIPE_COLUMNS = 200
_SHOWN = ("consumer", "topic", "partition", "remembered", "committed", "beginning", "end")
_WORDS: dict[str, Target] = {"earliest": "earliest", "latest": "latest"}


def _target(ctx: click.Context, param: click.Parameter, value: str) -> Target:
    """Read --to, or say what it may be."""
    if value in _WORDS:
        return _WORDS[value]
    if value.isdecimal():
        return int(value)
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is neither earliest, latest, an offset nor a time such as "
            "2026-11-24T12:00:00-03:00",
            ctx,
            param,
        ) from None
    if moment.tzinfo is None:
        raise click.BadParameter(
            f"{value} has no zone: add -03:00 (Brasília) or Z (UTC)", ctx, param
        )
    return moment


@click.group()
def offsets() -> None:
    """Show where consumers stand in Kafka, and decide where one goes on.

    \b
      pixstream offsets show
      pixstream offsets set delta_lake --topic recebimentos --to earliest --allow-rewind --why …
    """  # noqa: D301  \b is click's mark


@offsets.command()
@click.argument("consumers", metavar="[CONSUMER]...", nargs=-1)
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def show(root: Root, consumers: Sequence[str], form: str) -> None:
    """Show per partition what destination, group and Kafka know of a consumer's offsets.

    The destination's word counts where it remembers offsets itself (Delta tables do), else the
    group's. A note says where they disagree and, where the consumer cannot go on, what decides.
    Nothing is changed or created.

    \b
    Examples:
      pixstream offsets show
      pixstream offsets show delta_lake --format json | jq '.[] | select(.note != "")'
    """  # noqa: D301
    settings = root.load()
    names = consumers or [name for name, c in settings.consumers.items() if c.enabled]
    with closing(root.client(settings).admin()) as admin:
        found = [s for name in names for s in ways.show(_consumer(settings, name), admin)]
    if form == "json":
        rows = [
            {
                **{name: getattr(s, name) for name in _SHOWN},
                "lag": s.lag,
                "note": s.note(),
            }
            for s in found
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    else:
        _print(found)


@offsets.command("set")
@click.argument("name", metavar="CONSUMER")
@click.option(
    "--to",
    required=True,
    callback=_target,
    metavar="WHERE",
    help="earliest, latest, an offset, or a time with its zone.",
)
@click.option("--topic", help="One category or topic; default: all of the consumer's.")
@click.option("--partition", type=click.IntRange(0), help="One partition; needs --topic.")
@click.option(
    "--new-topic", is_flag=True, help="A topic created anew, or of a new cluster, is the right one."
)
@click.option("--allow-rewind", is_flag=True, help="Records may be read again.")
@accounting
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def set_(
    root: Root,
    name: str,
    *,
    to: Target,
    topic: str | None,
    partition: int | None,
    new_topic: bool,
    allow_rewind: bool,
    who: str,
    why: str | None,
    dry_run: bool,
    yes: bool,
) -> None:
    """Let a stopped consumer go on elsewhere: its destination and its group are changed alike.

    Going back reads records again: a Delta table drops what it holds by event_id, another
    destination gets it twice. Going forward leaves records unread for good. Who, when and why are
    on disk in DATA_DIR/audit.log before anything is changed.

    \b
    Examples:
      pixstream offsets set delta_lake --to earliest --topic estornos --new-topic --why "topic lost"
      pixstream offsets set delta_lake --to 2026-11-24T00:00:00-03:00 --allow-rewind --why "restore"
      pixstream offsets set console --to latest --dry-run --why "only what is new"
    """  # noqa: D301
    if not (why or dry_run):
        raise click.UsageError("offsets set needs --why: it is written to the audit log")
    settings = root.load()
    consumer = _consumer(settings, name)
    with closing(root.client(settings).admin()) as admin:
        found = _selected(ways.show(consumer, admin), consumer, topic, partition)
        _refuse_members(admin, settings, name)
        changes = ways.plan(found, admin, to, new_topic=new_topic, allow_rewind=allow_rewind)
        for change in changes:
            click.echo(_line(change))
        unread = sum(change.unread for change in changes)
        if unread:
            click.secho(
                f"warning: {unread:,} offsets (records, and markers of transactions among them) "
                f"will never be read by {name}",
                fg="red",
                err=True,
            )
        if dry_run:
            click.echo("nothing is changed")
            return
        if not yes:
            click.confirm("Change these offsets?", abort=True)
        moved = ", ".join(_line(change) for change in changes)
        account(settings, "offsets set", f"{name}: {moved}", who, why)
        ways.apply(consumer, admin, changes)
    click.echo(f"done; {name} goes on there when it is started")


def _consumer(settings: Settings, name: str) -> Consumer:
    if name not in settings.consumers:
        known = ", ".join(settings.consumers)
        raise click.BadParameter(f"no consumer {name}; configured: {known}")
    return settings.consumers[name]


def _selected(
    found: Sequence[Standing], consumer: Consumer, topic: str | None, partition: int | None
) -> list[Standing]:
    if topic is None:
        if partition is not None and len(consumer.categories) > 1:
            raise click.UsageError("--partition needs --topic: the consumer reads several topics")
        return [s for s in found if partition in {None, s.partition}]
    wanted = EVENT_TOPICS.get(topic, topic)
    chosen = [s for s in found if s.topic == wanted and partition in {None, s.partition}]
    if not chosen:
        known = ", ".join(f"{s.topic}-{s.partition}" for s in found)
        raise click.UsageError(f"{consumer.name} reads no such partition; it reads {known}")
    return chosen


def _refuse_members(admin: Admin, settings: Settings, name: str) -> None:
    members = patiently(lambda: admin.group_members(group_id(name)))
    if members:
        raise PixstreamError(
            f"{name} still runs, or ended a moment ago: its group has the members "
            f"{', '.join(members)}. Stop it everywhere; a member that ended leaves after "
            f"{settings.kafka.session_timeout_ms / 1000:g} s. Nothing is changed"
        )


def _line(change: Change) -> str:
    s = change.standing
    old: str | int = "nothing" if s.next is None else s.next
    if s.recreated:
        old = "another cluster" if s.moved else "another topic"
    return f"{s.topic}-{s.partition}: {old} -> {change.new}"


def _print(found: Collection[Standing]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    table = Table("consumer", "topic", box=None, pad_edge=False)
    for title in ("partition", "destination", "group", "beginning", "end", "lag"):
        table.add_column(title, justify="right")
    table.add_column("note", style="red", overflow="fold")
    for s in found:
        destination = _number(s.remembered) if s.remembers else "keeps none"
        numbers = (destination, _number(s.committed), str(s.beginning), str(s.end), str(s.lag))
        table.add_row(s.consumer, s.topic, str(s.partition), *numbers, s.note())
    console.print(table)


def _number(offset: int | None) -> str:
    return "-" if offset is None else str(offset)
