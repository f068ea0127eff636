"""The folder `monitoring/`, from the repository and from a wheel."""

import tomllib
from pathlib import Path

import pytest

from pixstream.monitoring import files

ROOT = Path(__file__).parents[2]


def test_the_repositorys_files_are_found() -> None:
    assert files.path("jmx/kafka.yml") == ROOT / "monitoring" / "jmx" / "kafka.yml"


def test_a_wheel_has_them_where_they_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    package = Path(files.__file__).parent
    assert package.relative_to(ROOT / "src") / "files" == Path(included["monitoring"])

    monkeypatch.setattr(files, "_IN_WHEEL", tmp_path)
    (tmp_path / "jmx").mkdir()
    (tmp_path / "jmx" / "kafka.yml").touch()
    assert files.path("jmx/kafka.yml") == tmp_path / "jmx" / "kafka.yml"


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"install pixstream again: .jmx/absent\.yml"):
        files.path("jmx/absent.yml")
