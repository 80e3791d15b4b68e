"""A lint for the worst habits of style: words that a textbook would not use, and long commit subjects.

It reads docstrings, comments and messages of Python, Markdown, and the texts of HTML and JavaScript.
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
SKIPPED = re.compile(r"tests/test_words\.py|scripts/training/papers/|.*LICENSE.*")
MAX_SUBJECT = 72
BASE = "1b2a081a3d18ef6ef729931f93136ef140784d2e"  # the last commit before the rule

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
    """The texts of a Python file: docstrings, messages and comments, but no words that a program looks
    for."""
    nodes = list(ast.walk(ast.parse(source)))
    lists = {id(node.value) for node in nodes if isinstance(node, ast.Attribute) and node.attr == "split"}
    for node in nodes:
        is_text = isinstance(node, ast.Constant) and isinstance(node.value, str) and " " in node.value
        if is_text and id(node) not in lists:
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


def test_no_file_has_a_habit() -> None:
    assert len(tracked()) > 500
    assert found() == {}, "use the words of CONTRIBUTING.md"


def test_the_lint_finds_habits() -> None:
    assert PATTERN["told"].search("It is told to stop.")
    assert PATTERN["beside"].search("beside the model") and not PATTERN["beside"].search("besiege")
    assert list(strings_and_comments('x = "a c"  # b\n')) == ["a c", "b"]
    assert list(strings_and_comments('x = ("beside", "on")')) == []
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
    assert [subject for subject in log.splitlines() if len(subject) > MAX_SUBJECT] == []


if __name__ == "__main__":
    print("\n".join(f"{name}: {', '.join(bad)}" for name, bad in sorted(found().items())))
