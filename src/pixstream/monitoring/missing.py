"""A server that this machine cannot run, and what would change that."""

from __future__ import annotations

from typing import NamedTuple


class Missing(NamedTuple):
    """A program that is not installed; nothing else fails for lack of it.

    Attributes:
        name: of the server.
        what: the program.
        install: the command that installs it.
        consequence: what there is not without it.
    """

    name: str
    what: str
    install: str
    consequence: str

    def __str__(self) -> str:
        """Return a sentence for people."""
        return f"{self.what} is not installed, so {self.consequence}: {self.install}"
