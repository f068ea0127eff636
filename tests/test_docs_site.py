"""The documentation site: it holds every page, its links work, and it needs no other host."""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
SITE: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))


def pages(navigation: list[Any]) -> Iterator[str]:
    """The pages in order: an entry is a page, or a title with a page or with entries."""
    for entry in navigation:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            yield from [target] if isinstance(target, str) else pages(target)


def test_the_navigation_holds_each_page_once() -> None:
    docs = ROOT / "docs"
    existing = sorted(str(page.relative_to(docs)) for page in docs.rglob("*.md"))
    assert sorted(pages(SITE["nav"])) == existing


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of what the site is made from."""
    pytest.importorskip("zensical", reason="the site's generator is installed by `make docs-site`")
    shutil.copy(ROOT / "mkdocs.yml", tmp_path)
    shutil.copytree(ROOT / "docs", tmp_path / "docs")
    return tmp_path


def build(project: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zensical", "build", "--strict"],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_site_is_complete_and_loads_nothing_from_elsewhere(project: Path) -> None:
    result = build(project)
    assert result.returncode == 0, result.stdout + result.stderr
    site = project / SITE["site_dir"]
    assert len(list(site.rglob("index.html"))) == len(list(pages(SITE["nav"])))
    assert not list(site.rglob("*.py"))
    loaded = re.compile(r"""(?:\bsrc="|<link[^>]*\shref="|@import\s|\burl\(["']?)(?:https?:)?//""")
    for file in [*site.rglob("*.html"), *site.rglob("*.css")]:
        assert not loaded.search(file.read_text("utf-8")), file


@pytest.mark.parametrize("link", ["nowhere.md", "chaos.md#nowhere"])
def test_a_broken_link_fails_the_build(project: Path, link: str) -> None:
    with (project / "docs" / "index.md").open("a", encoding="utf-8") as page:
        page.write(f"\n[broken]({link})\n")
    result = build(project)
    assert result.returncode != 0
    assert "does not exist" in result.stdout + result.stderr
