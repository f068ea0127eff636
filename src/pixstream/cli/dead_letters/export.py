"""`pixstream dead-letters export`."""

from __future__ import annotations

import base64
import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
import msgspec

from pixstream.cli.audited import audited, log_action
from pixstream.cli.dead_letters.selection import find, selecting, state_option
from pixstream.cli.progress import Progress
from pixstream.dead_letters.reading import content, taken
from pixstream.dead_letters.state import state_of, states
from pixstream.errors import PixstreamError
from pixstream.kafka.names import DLQ
from pixstream.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pixstream.cli.root import Root
    from pixstream.dead_letters.reading import LetterView
    from pixstream.dead_letters.selection import Selection
    from pixstream.privacy import Vault


@click.command()
@click.option(
    "--to",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    default="-",
    show_default=True,
    help="File to write, with mode 0600; - is standard output.",
)
@click.option("--force", is_flag=True, help="Overwrite an existing file.")
@selecting
@state_option
@click.option("--reveal", is_flag=True, help="Export the raw bytes in base64, as `raw`; audited.")
@audited
@click.pass_obj
def export_command(
    root: Root,
    *,
    file: Path,
    force: bool,
    selection: Selection,
    state: str,
    reveal: bool,
    who: str,
    why: str | None,
) -> int:
    """Write each letter as a line of JSON: letter_id, state, headers, and the masked content.

    \b
    A letter that cannot be opened on this machine has a `problem` instead of its content, and the
    exit code is 1.
      pixstream dead-letters export --since 7d --to letters.ndjson
      pixstream dead-letters export --reason not_a_pix | jq -r .headers.message
      pixstream dead-letters export 3f2a… --to one.ndjson --reveal --why "ticket 4711"
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.privacy import keys
    from pixstream.runtime import letters_directory

    if reveal and not why:
        raise click.UsageError("--reveal needs --why, which is written to the audit log")
    settings = root.load()
    client = root.client(settings)
    _, vault = keys(settings.privacy)
    directory = letters_directory(settings)
    marks = states(client)
    selection = selection._replace(state=state)
    ids = find(client, selection, marks)
    total, done, problems = len(ids), 0, 0
    with _opened(file, force=force) as out:
        if reveal:
            log_action(
                settings, "export --reveal", f"{selection} ({counted(total, 'letter')})", who, why
            )
        with Progress("letters", total, shown=str(file) != "-") as progress:
            for letter in taken(client.scan(DLQ), ids):
                line = _line(letter, state_of(marks, letter), vault, directory, reveal=reveal)
                out.write(msgspec.json.encode(line) + b"\n")
                done, problems = done + 1, problems + ("problem" in line)
                progress.at(done)
    click.echo(f"{counted(done, 'letter')}, {problems:,} without content", err=True)
    return 1 if problems else 0


def _line(
    letter: LetterView, state: str, vault: Vault, directory: Path, *, reveal: bool
) -> dict[str, Any]:
    line = {"letter_id": letter.letter_id, "state": state, "headers": letter.headers}
    try:
        raw = content(letter, vault, directory)
    except PixstreamError as error:
        return {**line, "problem": str(error)}
    from pixstream.dead_letters.masking import masked

    if reveal:
        return {**line, "raw": base64.b64encode(raw).decode()}
    return {**line, "content": masked(raw)}


@contextmanager
def _opened(file: Path, *, force: bool) -> Iterator[BinaryIO]:
    """Open standard output, or the file: private from its first byte, synced at the end.

    Raises:
        PixstreamError: the file already exists.
    """
    if str(file) == "-":
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    mode = os.O_TRUNC if force else os.O_EXCL
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | mode, 0o600)
    except FileExistsError:
        raise PixstreamError(f"{file} already exists; --force overwrites it") from None
    with os.fdopen(handle, "wb") as out:
        os.fchmod(handle, 0o600)
        yield out
        out.flush()
        os.fsync(handle)
