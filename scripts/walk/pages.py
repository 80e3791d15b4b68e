"""Collects the shell commands and programs that the documentation prints for a reader to type."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PAGES = ("README.md", "docs/**/*.md")
EXAMPLES = ("docs/examples/*.py", "docs/examples/*.ipynb")
BREAK = "\n# the next block\n"  # between the programs of a page
_BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.DOTALL | re.MULTILINE)
_COMMENT = re.compile(r"\s+#\s.*$")


@dataclass(frozen=True, slots=True)
class Printed:
    """One command, or the programs of one page.

    Attributes:
        page: from the root of the repository.
        language: `sh` or `python`.
        text: as printed; of a command, without the comment behind it.
    """

    page: str
    language: str
    text: str


def printed(root: Path) -> list[Printed]:
    """Everything that the documentation prints, README first, in the order of reading."""
    names = dict.fromkeys(str(path.relative_to(root)) for page in PAGES for path in sorted(root.glob(page)))
    return [each for name in names for each in of_page(name, (root / name).read_text(encoding="utf-8"))]


def of_page(name: str, text: str) -> Iterator[Printed]:
    """The commands of a page one by one, then its programs as one, since each goes on from the one before."""
    programs = []
    for language, block in _BLOCK.findall(text):
        if language == "python":
            programs.append(block)
            continue
        for line in block.replace("\\\n", " ").splitlines():
            if command := _COMMENT.sub("", line).strip():
                yield Printed(name, "sh", command)
    if programs:
        yield Printed(name, "python", BREAK.join(programs))


def examples(root: Path) -> list[Printed]:
    """The programs in docs/examples; of a notebook, its cells."""
    found = []
    for path in sorted(path for pattern in EXAMPLES for path in root.glob(pattern)):
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = [cell["source"] for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
            text = "\n".join("".join(cell) for cell in cells)
        found.append(Printed(str(path.relative_to(root)), "python", text))
    return found
