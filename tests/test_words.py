"""A lint for the worst habits of style: words that a textbook would not use, and long commit subjects.

It reads docstrings, comments and messages of Python, Markdown, and the texts of HTML and JavaScript. Files
that are not clean yet are listed in `words_allowed.txt` with the habits that they still have. A habit that is
gone has to be taken off the list, so the list only shrinks.
"""

import ast
import io
import re
import subprocess
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ALLOWED = Path(__file__).with_name("words_allowed.txt")
OURS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs/**/*.md",
    "docs/examples/*",
    "limelight/*.py",
    "pipeline/errors.py",
)
SKIPPED = re.compile(r"tests/test_words\.py|scripts/training/papers/|.*LICENSE.*")
MAX_SUBJECT = 72
BASE = "1b2a081a3d18ef6ef729931f93136ef140784d2e"  # the last commit before the rule
KNOWN_LONG = {
    "install: torch without CUDA where there is no GPU; a walk through the pages"
}  # on main already

HABITS = {
    "told": r"\btold\b",
    "anew": r"\banew\b",
    "beside": r"\bbesides?\b",
    "thereof, whereof": r"\b(?:thereof|whereof|therefrom|thereby)\b",
    "likewise": r"\blikewise\b",
    "of which so many": r"\bof (?:which|whom) so many\b",
}
PATTERN = {name: re.compile(pattern, re.IGNORECASE) for name, pattern in HABITS.items()}
FRAGMENT = re.compile(r"What (?:is|are|was|were|lies|stands)\b[^?]*$")  # a docstring that says no sentence


def tracked() -> list[str]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "*.py", "*.md", "*.html", "*.js", "*.ipynb"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    names = [name for name in listed.split("\0") if name and not SKIPPED.match(name)]
    return [name for name in names if (ROOT / name).is_file()]


def strings_and_comments(source: str) -> Iterator[str]:
    """The texts of a Python file: docstrings, messages and comments, but no lists `"of words".split()`."""
    nodes = list(ast.walk(ast.parse(source)))
    lists = {id(node.value) for node in nodes if isinstance(node, ast.Attribute) and node.attr == "split"}
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in lists:
            yield node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.string.lstrip("# ")


def texts(name: str) -> Iterator[str]:
    source = (ROOT / name).read_text(encoding="utf-8")
    if name.endswith(".py"):
        yield from strings_and_comments(source)
    elif name.endswith(".md"):
        prose = re.sub(r"```.*?```", "", source, flags=re.DOTALL)
        yield re.sub(r"`[^`\n]*`", "", prose)
    else:
        without_lists = re.sub(r'"[a-z ]+"\.split\(" "\)', "", source)  # words that a program looks for
        yield re.sub(r"(?<![\w-])data-[\w-]+", "", without_lists)


def starts_with_fragment(source: str) -> bool:
    """Whether the first line of a docstring is "What is ...", which is no sentence."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    nodes = [node for node in ast.walk(ast.parse(source)) if isinstance(node, documented)]
    return any(FRAGMENT.match((ast.get_docstring(node) or "").partition("\n")[0]) for node in nodes)


def habits(name: str) -> list[str]:
    found = {habit for text in texts(name) for habit, pattern in PATTERN.items() if pattern.search(text)}
    if name.endswith(".py") and starts_with_fragment((ROOT / name).read_text(encoding="utf-8")):
        found.add("what is ...")
    return sorted(found)


def found() -> dict[str, list[str]]:
    return {name: bad for name in tracked() if (bad := habits(name))}


def allowed() -> dict[str, list[str]]:
    lines = [line.split(": ", 1) for line in ALLOWED.read_text().splitlines()]
    return {name: words.split(", ") for name, words in lines}


def test_only_listed_habits_are_left() -> None:
    """Clean a file, and take it off the list: `python tests/test_words.py > tests/words_allowed.txt`."""
    now, before = found(), allowed()
    worse = {name: bad for name, bad in now.items() if set(bad) - set(before.get(name, []))}
    better = {name: bad for name, bad in before.items() if set(bad) - set(now.get(name, []))}
    assert worse == {}, "new habits; use the words of CONTRIBUTING.md"
    assert better == {}, "these have become clean: take them off the list"


def test_our_own_files_are_clean() -> None:
    ours = {str(path.relative_to(ROOT)) for pattern in OURS for path in ROOT.glob(pattern)}
    assert len(ours) > 10
    assert sorted(ours & allowed().keys()) == []


def test_the_lint_finds_habits() -> None:
    assert PATTERN["told"].search("It is told to stop.")
    assert PATTERN["beside"].search("beside the model") and not PATTERN["beside"].search("besiege")
    assert list(strings_and_comments('x = "a"  # b\n')) == ["a", "b"]
    assert list(strings_and_comments('x = "on beside".split()')) == []
    assert starts_with_fragment('"""What is kept of it."""')
    assert not starts_with_fragment('"""What is the seed? A number."""')


def test_commit_subjects_are_short() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    known = subprocess.run(["git", "cat-file", "-e", BASE], cwd=ROOT, capture_output=True).returncode == 0
    if not known:
        pytest.skip("a shallow checkout")
    log = subprocess.run(
        ["git", "log", "--no-merges", "--format=%s", f"{BASE}..HEAD"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    long = [subject for subject in log.splitlines() if len(subject) > MAX_SUBJECT]
    assert [subject for subject in long if subject not in KNOWN_LONG] == []


if __name__ == "__main__":
    print("\n".join(f"{name}: {', '.join(bad)}" for name, bad in sorted(found().items())))
