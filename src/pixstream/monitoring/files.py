"""The files of the folder `monitoring/`: rules, templates and configurations for other programs.

They stand at the root of the repository, where people and their servers look for them, whether or
not they use Python. A wheel carries a copy inside the package (`force-include` in pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

_IN_WHEEL = Path(__file__).with_name("files")
_IN_REPOSITORY = Path(__file__).parents[3] / "monitoring"


def path(name: str) -> Path:
    """Return the path of a file or folder, by its name below `monitoring/`: `jmx/kafka.yml`.

    Raises:
        FileNotFoundError: there is none; the installation is incomplete.
    """
    for root in (_IN_WHEEL, _IN_REPOSITORY):
        if (root / name).exists():
            return root / name
    raise FileNotFoundError(2, "pixstream's own file is missing; install pixstream again", name)
