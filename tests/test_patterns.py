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
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
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


def patterns() -> Iterator[tuple[str, int, str, int]]:
    """File, line, pattern and flags of each call of `re` with a literal pattern."""
    for package in ("app", "attention", "pipeline", "unet"):
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                    continue
                if node.func.attr in _CALLS and getattr(node.func.value, "id", "") == "re" and node.args:
                    where, pattern = path.relative_to(ROOT).as_posix(), node.args[0]
                    flags = sum(
                        getattr(re, each.attr).value
                        for argument in node.args[1:]
                        for each in ast.walk(argument)
                        if isinstance(each, ast.Attribute) and each.attr.isupper()
                    )
                    text = pattern.value if isinstance(pattern, ast.Constant) else None
                    yield where, node.lineno, text, flags


FOUND = list(patterns())
LITERAL = [each for each in FOUND if each[2] is not None and each[0] not in OWN]


def test_patterns_that_are_made_while_running_are_known() -> None:
    made = {where for where, _, text, _ in FOUND if text is None}
    assert made == {
        "app/ui/gate/routes.py",  # of constants
        "pipeline/text/clip_encoder.py",  # of escaped words, one after another
    }


def texts_for(pattern: str) -> list[tuple[str, str, str]]:
    """Texts that almost match, over and over: repeated pieces of the pattern's own characters and of others,
    alone and in pairs, as start, what is repeated, and an end that does not match."""
    own = [c for c in dict.fromkeys(pattern) if c not in "^$*+?"]
    pieces = list(dict.fromkeys([*_PIECES, *own]))[:40]
    words = [word for word in re.findall(r"\w{3,}", pattern) if len(word) < 40]
    starts = ["", *(c for c in own if not c.isalnum()), *words]
    repeated = [*pieces, *(a + b for a in own[:12] for b in ("a", "0", " ", ":", "|", "<")), *words]
    return [(start, piece, end) for start in starts[:6] for piece in repeated for end in ("", "\x00")]


# The timer ends the process, in the middle of a match too.
CHILD = """
import json, re, signal, sys
pattern, flags, texts, length, limit = json.load(sys.stdin)
compiled = re.compile(pattern, flags)
for start, piece, end in texts:
    text = (start + piece * (length // len(piece)))[:length] + end
    print(repr(text[:60]), flush=True)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    for match in compiled.finditer(text):
        pass
    compiled.match(text), compiled.fullmatch(text)
print("", flush=True)
"""


def is_linear(pattern: str, flags: int = 0) -> str:
    """Empty, or the beginning of a text that takes too long."""
    child = subprocess.run(
        [sys.executable, "-I", "-c", CHILD],
        input=json.dumps([pattern, flags, texts_for(pattern), LENGTH, LIMIT]),
        text=True,
        capture_output=True,
    )
    assert child.returncode in (0, -signal.SIGVTALRM), child.stderr
    return child.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    "pattern",
    [
        r'\s*(\w[\w \-/]*):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)',  # settings of A1111, as they once were read
        r"(?<!\\)\{([^{}]*\|[^{}]*)(?<!\\)\}",  # alternatives, as they once were
        r"(a+)+$",
    ],
)
def test_a_pattern_that_is_not_linear_is_found(pattern: str) -> None:
    assert is_linear(pattern)


@pytest.mark.slow
@pytest.mark.parametrize("pattern", LITERAL, ids=lambda each: f"{each[0]}:{each[1]}")
def test_every_pattern_is_linear(pattern: tuple[str, int, str, int]) -> None:
    _, _, text, flags = pattern
    assert is_linear(text, flags) == ""
