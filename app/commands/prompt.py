"""The prompt as it is typed on the command line."""

import re
import shlex
from collections.abc import Sequence

from limelight.pipeline.errors import UsageError

DRAW = "generate"


def one_prompt(words: Sequence[str], line: Sequence[str]) -> str:
    """The prompt.

    Args:
        words: the arguments that are not options; a prompt without quotes has several.
        line: all arguments after `limelight`, from which the message makes the correct command.

    Raises:
        UsageError: there are several words, or none.
    """
    if len(words) == 1:
        return with_words(words[0])
    rest = list(line)
    for word in words:
        if word in rest:
            rest.remove(word)
    options = [each for each in rest if each not in (DRAW, "--")]
    begin = ["limelight", DRAW] if line[:1] == [DRAW] else ["limelight"]
    command = " ".join([*begin, quoted(" ".join(words)), *map(shlex.quote, options)])
    raise UsageError(f"the prompt is {len(words)} words without quotes; put them in quotes: {command}")


def with_words(prompt: str) -> str:
    """The prompt. Raises UsageError if it has no words, as when a shell's variable is empty."""
    if not prompt.strip():
        raise UsageError('the prompt is empty; say what to draw, such as "a red apple"')
    return prompt


def quoted(text: str) -> str:
    """Text as one argument for a shell, in double quotes if these are sufficient."""
    return shlex.quote(text) if re.search(r'["$`\\!]', text) else f'"{text}"'
