"""Makes a page for a supervisor out of what its children load."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pixstream.config.loading import build, resolve

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pixstream.metrics import Sample
    from pixstream.page.server import Page
    from pixstream.processes.component import ChildSpec
    from pixstream.processes.run_status import SupervisorStatus


def opener(
    base: ChildSpec, own: Callable[[], Sequence[Sample]] = tuple
) -> Callable[[Callable[[], SupervisorStatus | None]], Page]:
    """Return what opens the page for `Supervisor`.

    Args:
        base: the configuration that every child loads; the commands of the page load it too.
        own: returns samples of the supervisor itself, such as the lag.
    """

    def open_page(latest: Callable[[], SupervisorStatus | None]) -> Page:
        from pixstream.page.server import Page

        effective = resolve(Path(base.config_path), env=base.environment, overrides=base.overrides)
        return Page(effective, build(effective), program(base), latest, own)

    return open_page


def program(base: ChildSpec) -> list[str]:
    """Return how a command is called with the configuration of a supervisor."""
    words = [sys.executable, "-m", "pixstream.cli", "--config", base.config_path]
    if base.environment is not None:
        words += ["--env", base.environment]
    return [*words, *(f"--set={one}" for one in base.overrides)]
