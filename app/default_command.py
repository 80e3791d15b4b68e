"""Which command a line means: a prompt alone is drawn."""

import re
import shlex
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from limelight.pipeline.errors import UsageError

DRAW = "generate"
NEAR = 0.75  # of difflib's ratio, above which one word is taken for a misspelt command
OWN = ("-h", "--help", "--version")  # options of `limelight` itself


def with_command(line: Sequence[str], commands: Iterable[str]) -> list[str]:
    """The arguments with a command in front: `generate` where they begin with a prompt or with its options.

    A prompt that equals a command's name is that command; `limelight generate batch` draws "batch".

    Raises:
        UsageError: the first argument is one word that is nearly the name of a command.
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
        words: the arguments that are no options; a prompt that was typed without quotes has several.
        line: all arguments after `limelight`, for the command that the message shows.

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
    """Text as one argument for a shell, in double quotes where they are enough."""
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'
