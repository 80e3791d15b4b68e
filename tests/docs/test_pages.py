"""The documentation names files that exist, and commands that the command line understands."""

import re
import shlex
import tomllib
from pathlib import Path

import pytest
import typer

from limelight.app.cli import app, with_command

ROOT = Path(__file__).parents[2]
PAGES = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md")),
]
NAMED = re.compile(r"`((?:app|attention|docs|limelight|pipeline|scripts|tests|unet)/[\w./-]*)`")
LINKED = re.compile(r"\]\(([^)#:]+)\)")
BLOCK = re.compile(r"```sh\n(.*?)```", re.DOTALL)
PLACEHOLDER = "NAME"
MAX_README = 120


def named(page: str) -> list[Path]:
    """The files that a page names in backticks, from the root, and its links, from its own folder."""
    text = (ROOT / page).read_text()
    links = [(ROOT / page).parent / link.strip() for link in LINKED.findall(text)]
    return [*(ROOT / name for name in NAMED.findall(text) if PLACEHOLDER not in name), *links]


@pytest.mark.parametrize("page", PAGES)
def test_a_page_names_files_that_exist(page: str) -> None:
    assert [str(path) for path in named(page) if not path.exists()] == []


def test_architecture_names_many_files() -> None:
    assert len(named("docs/architecture.md")) > 50
    assert len(named("CONTRIBUTING.md")) > 15


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for block in BLOCK.findall((ROOT / page).read_text()):
            found += [
                (page, line) for line in block.splitlines() if re.match(r"(?:\w+=\S+ )?limelight ", line)
            ]
    return found


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_is_understood(page: str, line: str) -> None:
    """It is parsed as the command line does, and not run; files that it names need not exist."""
    words = shlex.split(line, comments=True)
    words = words[words.index("limelight") + 1 :]
    known = vars(typer.main.get_command(app))["commands"]
    name, *rest = with_command(words, known)
    if name == "--version":
        return
    assert known[name].make_context(name, rest) is not None


def test_the_documentation_has_commands() -> None:
    assert len(commands()) > 20


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= MAX_README


def test_the_changelog_has_the_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    releases = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert releases[0] == version
