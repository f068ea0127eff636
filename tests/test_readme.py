"""The pages that a stranger reads first tell the truth: links, commands, targets, settings."""

import re
from collections.abc import Sequence
from pathlib import Path

import click
import pytest

from pixstream.cli.main import COMMANDS, cli

ROOT = Path(__file__).parent.parent
PAGES = ["README.md", "README.pt-BR.md", "CONTRIBUTING.md"]
PAGES += [str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("page", sorted(set(PAGES)))
def test_links_and_named_tests_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    links = re.findall(r"\]\(([^)#:]+)\)", text)
    assert [x for x in links if not ((ROOT / page).parent / x).exists()] == []
    tests = re.findall(r"`(tests/[\w/.]+)`", text)
    assert [x for x in tests if not (ROOT / x).exists()] == []


@pytest.mark.parametrize("page", sorted(set(PAGES)))
def test_commands_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    context = click.Context(cli)
    for line in re.findall(r"pixstream (?:-\S+ \S+ )*([a-z][a-z-]+(?: [a-z-]+)?)", text):
        name, _, rest = line.partition(" ")
        if name not in COMMANDS:
            assert f"`pixstream {name}" not in text, line
            continue
        command = cli.get_command(context, name)
        if isinstance(command, click.Group) and rest:
            assert rest in command.list_commands(context), line


@pytest.mark.parametrize("page", sorted(set(PAGES)))
def test_make_targets_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z]+)", text, re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_the_readme_says_in_ten_lines_what_this_is_then_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    head, _, rest = text.partition("```sh\n")
    assert len([line for line in head.splitlines()[1:] if line]) <= 10
    assert [line.split("#")[0].strip() for line in rest.splitlines()[:2]] == [
        "make demo",
        "make test",
    ]


def shape(page: str) -> dict[str, Sequence[object]]:
    """What a page has apart from its sentences: the same in every language."""
    text = (ROOT / page).read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line.split(" #")[0].strip() for block in blocks for line in block.splitlines()]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    links = [x for x in re.findall(r"\]\(([^)]+)\)", prose) if not x.startswith("README")]
    return {
        "headings": [line.split()[0] for line in text.splitlines() if line.startswith("#")],
        "commands": lines,
        "links": links,
        "rows": [line.count("|") for line in text.splitlines() if line.startswith("|")],
        "bullets": re.findall(r"^- `([^`]+)`", prose, re.MULTILINE),
        "code": sorted(set(re.findall(r"`([^`\n]+)`", prose))),
        "numbers": sorted(re.findall(r"\b\d[\d.,]*\b", prose)),
    }


def test_both_readmes_say_the_same() -> None:
    english, portuguese = shape("README.md"), shape("README.pt-BR.md")
    for part, found in english.items():
        assert portuguese[part] == found, part
