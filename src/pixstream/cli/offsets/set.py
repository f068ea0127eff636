"""`pixstream offsets set`: set the offsets from which a stopped component continues."""

from __future__ import annotations

import datetime as dt
from contextlib import closing
from typing import TYPE_CHECKING

import click

from pixstream.cli.audited import audited, log_action
from pixstream.cli.offsets.selection import partitions_named, reader_named
from pixstream.errors import PixstreamError
from pixstream.kafka.lag import patiently
from pixstream.kafka.names import group_id
from pixstream.loops import offsets
from pixstream.wording import counted

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Admin
    from pixstream.loops.offsets import Change, Target

_WORDS: dict[str, Target] = {"earliest": "earliest", "latest": "latest"}


def _target(ctx: click.Context, param: click.Parameter, value: str) -> Target:
    """Parse --to, or raise an error that lists the accepted forms."""
    if value in _WORDS:
        return _WORDS[value]
    if value.isdecimal():
        return int(value)
    try:
        moment = dt.datetime.fromisoformat(value)
    except ValueError:
        raise click.BadParameter(
            f"{value!r} is not earliest, latest, an offset or a time such as "
            "2026-11-24T12:00:00-03:00",
            ctx,
            param,
        ) from None
    if moment.tzinfo is None:
        raise click.BadParameter(
            f"{value} has no time zone: add -03:00 (Brasília) or Z (UTC)", ctx, param
        )
    return moment


@click.command()
@click.argument("name", metavar="NAME")
@click.option(
    "--to",
    required=True,
    callback=_target,
    metavar="WHERE",
    help="earliest, latest, an offset, or a time with its time zone.",
)
@click.option("--topic", help="Category or topic.  [default: all that the component reads]")
@click.option(
    "--partition",
    type=click.IntRange(0),
    help="Partition; needs --topic if the component reads several topics.",
)
@click.option(
    "--new-topic", is_flag=True, help="Accept a topic that was recreated or is in a new cluster."
)
@click.option("--allow-rewind", is_flag=True, help="Accept that records are read again.")
@audited
@click.option("--dry-run", is_flag=True, help="Show what would change, but change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def set_command(
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
    """Set the offsets of a stopped component, both in its destination and in its consumer group.

    Moving back reads records again: a Delta table drops events whose event_id it already has, any
    other destination receives them twice, and a processor emits them twice. Moving forward skips
    records permanently. The person, the time and the reason are written to DATA_DIR/audit.log,
    synced to disk, before anything is changed.

    \b
    Examples:
      pixstream offsets set delta_lake --to earliest --topic estornos --new-topic --why "topic lost"
      pixstream offsets set delta_lake --to 2026-11-24T00:00:00-03:00 --allow-rewind --why "restore"
      pixstream offsets set console --to latest --dry-run --why "only what is new"
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    if not (why or dry_run):
        raise click.UsageError("offsets set needs --why, which is written to the audit log")
    settings = root.load()
    reader = reader_named(settings, name)
    with closing(root.client(settings).admin()) as admin:
        found = partitions_named(offsets.show(reader, admin), reader, topic, partition)
        _refuse_members(admin, settings, name)
        changes = offsets.plan(found, admin, to, new_topic=new_topic, allow_rewind=allow_rewind)
        for change in changes:
            click.echo(_line(change))
        unread = sum(change.unread for change in changes)
        if unread:
            click.secho(
                f"warning: {counted(unread, 'offset')} (records and transaction markers) will "
                f"never be read by {name}",
                fg="red",
                err=True,
            )
        if dry_run:
            click.echo("nothing was changed")
            return
        if not yes:
            click.confirm("Change these offsets?", abort=True)
        moved = ", ".join(_line(change) for change in changes)
        log_action(settings, "offsets set", f"{name}: {moved}", who, why)
        offsets.apply(reader, admin, changes)
    click.echo(f"done; {name} continues there when it is started")


def _refuse_members(admin: Admin, settings: Settings, name: str) -> None:
    members = patiently(lambda: admin.group_members(group_id(name)))
    if members:
        raise PixstreamError(
            f"{name} is still running or has only just ended: its group has the members "
            f"{', '.join(members)}. Stop all its processes; a member that has ended leaves the "
            f"group after {settings.kafka.session_timeout_ms / 1000:g} s. Nothing was changed"
        )


def _line(change: Change) -> str:
    s = change.standing
    old: str | int = "nothing" if s.next is None else s.next
    if s.recreated:
        old = "another cluster" if s.moved else "another topic"
    return f"{s.topic}-{s.partition}: {old} -> {change.new}"
