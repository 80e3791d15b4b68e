"""Finds the tokens of words that a caller names."""

from collections.abc import Sequence
from itertools import pairwise

from limelight.pipeline.maps.selection import NoSuchMap
from limelight.pipeline.segments import spelled, touching, word_spans
from limelight.pipeline.text.encoder import Word


def tokens_of(words: Sequence[Word], text: str, occurrence: int | None) -> list[int]:
    """Positions of a word, or of several, in the context.

    Characters without a space between them in `text` are found only where the prompt has no space either.

    Args:
        words: the words of the prompt.
        occurrence: selects one of several equal words, from 0; None takes all.

    Raises:
        NoSuchMap: the prompt does not contain the word, or not that often.
    """
    if any(spelled(text) == spelled(word.text) for word in words):
        return list(_find(words, text, occurrence, [(word,) for word in words]))
    found: list[int] = []
    for run in touching(word_spans(text)):
        runs = [words[i : i + len(run)] for i in range(len(words) - len(run) + 1)]
        touch = [each for each in runs if _touch(each)]
        found += _find(words, text[run[0][0] : run[-1][1]], occurrence, touch)
    if not found:
        raise NoSuchMap(f"{text!r} holds no word; {_names(words)}")
    return found


def _find(
    words: Sequence[Word], text: str, occurrence: int | None, runs: Sequence[Sequence[Word]]
) -> tuple[int, ...]:
    equal = [run for run in runs if spelled("".join(word.text for word in run)) == spelled(text)]
    if not equal:
        raise NoSuchMap(
            f"the prompt has no word {text!r}; {_names(words)}; maps.query({text!r}) asks for others"
        )
    if occurrence is not None and not 0 <= occurrence < len(equal):
        raise NoSuchMap(f"occurrence of {text!r} is {occurrence}; the prompt has 0 to {len(equal) - 1}")
    chosen = equal if occurrence is None else [equal[occurrence]]
    return tuple(dict.fromkeys(i for run in chosen for word in run for i in word.tokens))


def _names(words: Sequence[Word]) -> str:
    return f"its words are {', '.join(dict.fromkeys(word.text for word in words))}"


def _touch(words: Sequence[Word]) -> bool:
    return all(one.span[1] == other.span[0] for one, other in pairwise(words))
