"""From the maps of tokens to those of words."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.describer.description import SeenWord
from limelight.pipeline.segments import word_spans


def seen_words(
    text: str, spans: Sequence[tuple[int, int]], maps: Float[Tensor, "n h w"]
) -> tuple[SeenWord, ...]:
    """The words of a text. The map of a word is the mean of those of its tokens.

    Args:
        spans: the characters [start, end) of each token; empty for tokens without any.
    """
    words = []
    for start, end in word_spans(text):
        own = [i for i, (first, last) in enumerate(spans) if max(first, start) < min(last, end)]
        words.append(SeenWord(text[start:end], (start, end), maps[own].mean(0) if own else None))
    return tuple(words)


def spans_of(text: str, pieces: Sequence[str]) -> list[tuple[int, int]]:
    """The characters [start, end) of each piece of a text, in order; empty for pieces that are not in it.

    Text is decoded by joining pieces and taking out spaces, so the pieces follow each other in it. One that
    continues a word has lost its `##`, unless the text begins with it.
    """
    spans, at = [], 0
    for piece in pieces:
        piece = piece.strip()
        start = at
        while start < len(text) and text[start].isspace():
            start += 1
        found = next(
            (form for form in (piece, piece.removeprefix("##")) if form and text.startswith(form, start)), ""
        )
        spans.append((start, start + len(found)) if found else (at, at))
        at = spans[-1][1]
    return spans
