"""`pixstream topics`: compare and apply the declared topics, and print the ACLs."""

import click

from pixstream.cli.topics.acls import acls_command
from pixstream.cli.topics.apply import apply_command
from pixstream.cli.topics.list import list_command
from pixstream.cli.topics.plan import plan_command


@click.group()
def topics() -> None:
    """Compare the declared topics with those in Kafka, and apply the differences.

    \b
    Examples:
      pixstream topics plan
      pixstream topics apply
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


topics.add_command(plan_command)
topics.add_command(apply_command)
topics.add_command(list_command)
topics.add_command(acls_command)
