"""Finds the words in a text of any script."""

import unicodedata
from collections.abc import Iterator
from itertools import pairwise

_JOINERS = "'\u2019-"  # between letters they do not end a word
_INVISIBLE = "\u00ad\u200c\u200d\ufe0e\ufe0f"  # soft hyphen, joiners, variation selectors
_ZWJ = "\u200d"
# First and last characters of scripts without spaces between words. Katakana has none either, but a run of it
# is mostly one word.
_UNSPACED = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),
    (0x3021, 0x309F),  # Hiragana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),  # Chinese characters
    (0xF900, 0xFAFF),
    (0x1B000, 0x1B16F),
    (0x20000, 0x3FFFF),
)


def word_spans(text: str) -> list[tuple[int, int]]:
    """The characters [start, end) of every word, in order, in linear time.

    A word is a run of letters and digits with their accents, also across an apostrophe or a hyphen. In
    scripts without spaces each character is a word. So is an emoji with its modifiers.

    Source: Unicode Standard Annex 29, section 4; where it requires a dictionary, each character is a word.
    """
    spans: list[tuple[int, int]] = []
    i = 0
    while i < len(text):
        kind = _kind(text[i])
        end = i + 1
        if kind == "letter":
            end = _end_of_word(text, i)
        elif kind == "symbol":
            end = _end_of_emoji(text, i)
        elif kind == "character":
            end = _past(text, end)
        if kind:
            spans.append((i, end))
        i = end
    return spans


def words_in(text: str) -> list[str]:
    """The words of a text, as typed."""
    return [text[start:end] for start, end in word_spans(text)]


def spelled(word: str) -> str:
    """A form that is equal for all spellings of a word: in any case, with composed or separate accents.

    Source: Unicode Standard, section 3.13, D145 (canonical caseless matching).
    """
    folded = unicodedata.normalize("NFD", unicodedata.normalize("NFD", word).casefold())
    return unicodedata.normalize("NFC", folded)


def touching(spans: list[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Runs of spans with nothing between them."""
    run = spans[:1]
    for before, after in pairwise(spans):
        if before[1] == after[0]:
            run.append(after)
        else:
            yield run
            run = [after]
    if run:
        yield run


def _kind(c: str) -> str:
    """`letter`, `character` (a word of one character), `symbol`, or nothing."""
    if c.isascii():
        return "letter" if c.isalnum() else ""
    category = unicodedata.category(c)
    if category[0] in "LN":
        point = ord(c)
        return "character" if any(low <= point <= high for low, high in _UNSPACED) else "letter"
    is_new = category == "Cn" and 0x1F300 <= ord(c) <= 0x1FAFF  # an emoji that this Python does not know yet
    return "symbol" if category == "So" or is_new else ""


def _is_attached(c: str) -> bool:
    """Whether `c` modifies the character before it."""
    return not c.isascii() and (c in _INVISIBLE or unicodedata.category(c)[0] == "M")


def _past(text: str, i: int) -> int:
    """The first index from `i` on whose character modifies none before it."""
    while i < len(text) and _is_attached(text[i]):
        i += 1
    return i


def _end_of_word(text: str, i: int) -> int:
    while i < len(text):
        if _kind(text[i]) == "letter":
            i = _past(text, i + 1)
        elif text[i] in _JOINERS and i + 1 < len(text) and _kind(text[i + 1]) == "letter":
            i += 1
        else:
            break
    return i


def _end_of_emoji(text: str, i: int) -> int:
    """The end of an emoji with skin tone, tags, a flag's second letter, and joined emoji."""
    if _is_flag_letter(text[i]) and i + 1 < len(text) and _is_flag_letter(text[i + 1]):
        return _past(text, i + 2)
    i += 1
    while i < len(text):
        if _is_attached(text[i]) or 0x1F3FB <= ord(text[i]) <= 0x1F3FF or 0xE0020 <= ord(text[i]) <= 0xE007F:
            i += 1
        elif text[i - 1] == _ZWJ and _kind(text[i]) == "symbol":
            i += 1
        else:
            break
    return i


def _is_flag_letter(c: str) -> bool:
    return 0x1F1E6 <= ord(c) <= 0x1F1FF
