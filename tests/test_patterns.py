"""Regular expressions on strangers' text take a time that grows with its length and no faster.

Every literal pattern in the packages is found in their source, and given 64 KB texts made for it. A pattern
that goes back and forth over such a text takes minutes; one that does not, milliseconds.
"""

import ast
import json
import re
import signal
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("app", "attention", "pipeline", "unet")
LENGTH = 64_000  # characters
LIMIT = 2.0  # seconds of the processor
_CALLS = {"compile", "match", "search", "fullmatch", "sub", "split", "findall", "finditer"}
# What runs on names that this program or the hub made, and on text of the program's own.
OWN = {
    "unet/weights/find.py",  # names of files in a model's folder, which file systems hold to 255 bytes
    "pipeline/atomic.py",
}
_PIECES = (
    " ",
    "a",
    "0",
    "A",
    "_",
    "-",
    ".",
    ":",
    ",",
    "\n",
    '"',
    "\\",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "<",
    ">",
    "|",
)


class Found(NamedTuple):
    """A pattern in the source; `text` is None where it is made while running."""

    where: str
    line: int
    text: str | None
    flags: int
    is_anchored: bool  # matched from one place alone, and not looked for


def patterns() -> Iterator[Found]:
    """Every pattern that a call of `re` is given."""
    files = [path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text() for path in files}
    calls = re.compile(rf"\.(?:{'|'.join(_CALLS)})\b")  # without one of these a file need not be parsed
    trees = {where: ast.parse(text) for where, text in texts.items() if calls.search(text)}
    of_classes = _uses(trees.values(), ast.Attribute)  # a class may use what another module's class assigns
    for where, tree in trees.items():
        uses = _uses([tree], ast.Name)
        names = dict(_names(tree))
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in _CALLS and getattr(node.func.value, "id", "") == "re" and node.args:
                pattern = node.args[0]
                text = pattern.value if isinstance(pattern, ast.Constant) else None
                name = names.get(id(node), "")
                methods = uses[name] | of_classes[name] | {node.func.attr} - {"compile"}
                is_anchored = bool(methods) and methods <= {"match", "fullmatch"}
                yield Found(where, node.lineno, text, _flags(node), is_anchored)


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each value that is assigned, and its name; of a module or a class."""
    for node in ast.walk(tree):
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(target, ast.Name):
            yield id(node.value), target.id


def _uses(trees: Iterable[ast.AST], kind: type[ast.Name] | type[ast.Attribute]) -> dict[str, set[str]]:
    """Which methods are called of each name, or of each attribute whatever it belongs to."""
    found: dict[str, set[str]] = defaultdict(set)
    for node in (node for tree in trees for node in ast.walk(tree)):
        if isinstance(node, ast.Attribute) and node.attr in _CALLS and isinstance(node.value, kind):
            owner: Any = node.value
            found[owner.id if kind is ast.Name else owner.attr].add(node.attr)
    return found


def _flags(call: ast.Call) -> int:
    inner = [each for argument in call.args[1:] for each in ast.walk(argument)]
    return sum(
        getattr(re, each.attr).value
        for each in inner
        if isinstance(each, ast.Attribute) and each.attr.isupper()
    )


FOUND = list(patterns())
LITERAL = [each for each in FOUND if each.text is not None and each.where not in OWN]


def test_patterns_that_are_made_while_running_are_known() -> None:
    made = {each.where for each in FOUND if each.text is None}
    assert made == {
        "app/ui/gate/routes.py",  # of constants
        "pipeline/adapters/lora_names.py",  # of constants
        "pipeline/describer/questions.py",  # of constants; tests/pipeline/describer/test_questions.py
        "pipeline/text/clip_encoder.py",  # of escaped words, one after another
    }


def texts_for(pattern: str) -> list[tuple[str, str, str]]:
    """Texts that almost match, over and over: repeated pieces of the pattern's own characters and of others,
    alone and in pairs, as start, what is repeated, and an end that does not match."""
    own = [c for c in dict.fromkeys(pattern) if c not in "^$*+?"]
    pieces = list(dict.fromkeys([*_PIECES, *own]))[:40]
    words = [word for word in re.findall(r"\w{3,}", pattern) if len(word) < 40]
    starts = ["", *(c for c in own if not c.isalnum())][:12]
    repeated = [*pieces, *(a + b for a in own[:8] for b in ("a", "0", " ", ":")), *words]
    return [(start, piece, "\x00") for start in starts for piece in repeated]


# The timer ends the process, in the middle of a match too.
CHILD = """
import json, re, signal, sys
pattern, flags, is_anchored, texts, length, limit = json.load(sys.stdin)
compiled = re.compile(pattern, flags)
for start, piece, end in texts:
    text = (start + piece * (length // len(piece)))[:length] + end
    print(repr(text[:60]), flush=True)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    compiled.match(text), compiled.fullmatch(text)
    for match in () if is_anchored else compiled.finditer(text):
        pass
print(flush=True)
"""


def slowest(pattern: str, flags: int = 0, is_anchored: bool = False) -> str:
    """Empty, or the beginning of a text that takes too long."""
    child = subprocess.run(
        [sys.executable, "-I", "-c", CHILD],
        input=json.dumps([pattern, flags, is_anchored, texts_for(pattern), LENGTH, LIMIT]),
        text=True,
        capture_output=True,
    )
    assert child.returncode in (0, -signal.SIGVTALRM), child.stderr
    return child.stdout.splitlines()[-1]


@pytest.mark.slow
@pytest.mark.parametrize(
    "pattern",
    [
        r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)',  # settings of A1111, as they once were read
        r"(?<!\\)\{([^{}]*\|[^{}]*)(?<!\\)\}",  # alternatives, as they once were
        r"(a+)+$",
    ],
)
def test_a_pattern_that_is_not_linear_is_found(pattern: str) -> None:
    assert slowest(pattern)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", LITERAL, ids=lambda each: f"{each.where}:{each.line}")
def test_every_pattern_is_linear(pattern: Found) -> None:
    assert pattern.text is not None
    assert slowest(pattern.text, pattern.flags, pattern.is_anchored) == ""
