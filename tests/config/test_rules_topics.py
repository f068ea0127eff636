"""A topic that nothing reads or writes is refused: it was meant to be one of pixstream's."""

from pathlib import Path

import pytest

from pixstream.config import load
from pixstream.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "f.yaml"


@pytest.mark.parametrize("name", ["acme.pix.pagamentos", "pix.pagamento", "pix.state.gone"])
def test_it_is_named_with_its_line_and_the_topics_there_are(file: Path, name: str) -> None:
    file.write_text(f"topics:\n  pix.estornos: {{partitions: 6}}\n  {name}: {{}}\n")
    with pytest.raises(ConfigError, match=rf"f.yaml:3: topics.{name}: no component") as caught:
        load(file)
    assert "pix.dlq, pix.dlq.state, pix.estornos, pix.pagamentos" in str(caught.value)


def test_a_child_that_loads_one_component_does_not_judge_the_topics_of_others(file: Path) -> None:
    file.write_text(
        "topics: {pix.chaos: {partitions: 3}}\n"
        "consumers: {console: {}}\n"
        "processors: {chaos_tally: {}}\n"
    )
    for only in (None, ["console"], ["chaos_tally"]):
        load(file, only=only)
