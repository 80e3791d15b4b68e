"""Finds the command of a command line; a prompt without a command is drawn."""

import re
import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from limelight.pipeline.errors import UsageError

DRAW = "generate"
NEAR = 0.75  # difflib's ratio from which a single word counts as a misspelt command
OWN = ("-h", "--help", "--version")  # options of `limelight` itself


def with_command(line: Sequence[str], commands: Iterable[str]) -> list[str]:
    """The arguments with a command first: `generate`, if they begin with a prompt or with its options.

    A prompt that equals the name of a command is that command; `limelight generate batch` draws "batch".

    Raises:
        UsageError: the first argument is a single word similar to the name of a command.
    """
    names = list(commands)
    if not line or line[0] in names or line[0] in OWN:
        return list(line)
    near = get_close_matches(line[0].casefold(), names, n=1, cutoff=NEAR)
    if near and line[0] != "--":
        raise UsageError(
            f"there is no command {line[0]!r}; did you mean `limelight {near[0]}`? "
            f"To draw a picture of it: limelight {DRAW} {quoted(line[0])}"
        )
    return [DRAW, *line]


def one_prompt(words: Sequence[str], line: Sequence[str]) -> str:
    """The prompt.

    Args:
        words: the arguments that are not options; a prompt without quotes has several.
        line: all arguments after `limelight`, from which the message makes the correct command.

    Raises:
        UsageError: there are several words.
    """
    if len(words) == 1:
        return words[0]
    rest = list(line)
    for word in words:
        if word in rest:
            rest.remove(word)
    options = [each for each in rest if each not in (DRAW, "--")]
    command = " ".join(["limelight", DRAW, quoted(" ".join(words)), *map(shlex.quote, options)])
    raise UsageError(f"the prompt is {len(words)} words without quotes; put them in quotes: {command}")


def quoted(text: str) -> str:
    """Text as one argument for a shell, in double quotes if these are sufficient."""
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'
