"""The tokens of words that a caller names."""

from collections.abc import Sequence

from limelight.pipeline.maps.selection import NoSuchMap
from limelight.pipeline.text.words import WORD, Word


def tokens_of(words: Sequence[Word], text: str, occurrence: int | None) -> list[int]:
    """Positions in the context of a word, or of several.

    Args:
        words: those of the prompt.
        occurrence: from 0, which of several equal words; None takes them together.

    Raises:
        NoSuchMap: the prompt does not have it, or not so often.
    """
    is_one = text.casefold() in {word.text.casefold() for word in words}
    found = [_find(words, part, occurrence) for part in ([text] if is_one else WORD.findall(text))]
    if not found:
        raise NoSuchMap(f"{text!r} holds no word; {_names(words)}")
    return [i for tokens in found for i in tokens]


def _find(words: Sequence[Word], text: str, occurrence: int | None) -> tuple[int, ...]:
    equal = [word for word in words if word.text.casefold() == text.casefold()]
    if not equal:
        raise NoSuchMap(
            f"the prompt has no word {text!r}; {_names(words)}; maps.query({text!r}) asks for others"
        )
    if occurrence is None:
        return tuple(i for word in equal for i in word.tokens)
    if not 0 <= occurrence < len(equal):
        raise NoSuchMap(f"occurrence of {text!r} is {occurrence}; the prompt has 0 to {len(equal) - 1}")
    return equal[occurrence].tokens


def _names(words: Sequence[Word]) -> str:
    return f"its words are {', '.join(dict.fromkeys(word.text for word in words))}"
