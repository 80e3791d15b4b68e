"""How much of a picture the describer says rightly, atom by atom, and where its words look."""

import torch

from limelight.pipeline.describer.network import Reader
from limelight.pipeline.describer.vocabulary import DESCRIBE, END, Words
from limelight.pipeline.describer.writing import write
from scripts.describer.captions import caption, phrase
from scripts.describer.data import Shown


def written_captions(reader: Reader, words: Words, images: torch.Tensor) -> list[list[str]]:
    """The captions that the describer writes for pictures in -1..1."""
    begin, end = words.ids([DESCRIBE, END])
    found = []
    for part in images.split(64):
        seen = reader.look(part)
        texts = write(reader, seen, torch.full((len(part), 1), begin), end=end)
        found += [[words.tokens[id] for id in text.ids] for text in texts]
    return found


@torch.inference_mode()
def captions_right(reader: Reader, words: Words, shown: Shown) -> dict[str, float]:
    """The share of captions that are right word for word, and of grounds and first phrases."""
    said = written_captions(reader, words, shown.images)
    true = [[word for word, _ in caption(view)] for view in shown.views]
    first = [[word for word, _ in phrase(view.things[0])] for view in shown.views]
    number = len(said)
    return {
        "caption": sum(a == b for a, b in zip(said, true, strict=True)) / number,
        "phrase": sum(a[: len(b)] == b for a, b in zip(said, first, strict=True)) / number,
        "ground": sum(view.ground in text[-5:] for text, view in zip(said, shown.views, strict=True))
        / number,
    }
