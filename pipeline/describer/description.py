"""What a describer says of a picture: words, each with its map over the picture, and answers to questions."""

import os
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch.nn.functional as F
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from limelight.pipeline.errors import RequestError

Picture = str | os.PathLike[str] | Image.Image
KNOWN = 0.9  # probability under which a picture is not of the describer's world; scenes have more


class NotAQuestion(RequestError):
    """A describer cannot read the question; the message has examples of what it can read."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenWord:
    """A word that was written or read, and where in the picture it looked.

    Attributes:
        span: first and last character (exclusive) in the text.
        map: cross-attention of the word's tokens, mean over heads, on the grid of the picture's positions;
            0 or more. None for a word that looked nowhere.
    """

    text: str
    span: tuple[int, int]
    map: Float[Tensor, "h w"] | None = None

    def region(self, width: int, height: int) -> Float[Tensor, "height width"] | None:
        """The map enlarged to pixels, its largest value 1; None without a map."""
        if self.map is None:
            return None
        fine = F.interpolate(self.map[None, None].float(), size=(height, width), mode="bicubic")[0, 0]
        fine = fine.clamp(min=0)
        return fine / fine.max().clamp(min=1e-8)


@dataclass(frozen=True, slots=True)
class Description:
    """A caption.

    Attributes:
        known: 0 to 1, how surely the picture is one of those that the describer was made for; 1 if the
            describer cannot tell.
    """

    text: str
    words: tuple[SeenWord, ...]
    known: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer, and the words of the question with what they looked at.

    Attributes:
        asked: words of `question`.
        words: words of `text`.
        known: as in `Description`.
    """

    question: str
    text: str
    asked: tuple[SeenWord, ...]
    words: tuple[SeenWord, ...]
    known: float = 1.0


@runtime_checkable
class Describer(Protocol):
    """A model that reads pictures."""

    name: str
    hash: str  # of the content of its weights

    def describe(self, picture: Picture) -> Description:
        """A caption of the picture.

        Raises:
            RequestError: the picture cannot be read.
        """
        ...

    def ask(self, picture: Picture, question: str) -> Answer:
        """The answer to a question.

        Raises:
            NotAQuestion: the describer cannot read it.
            RequestError: the picture cannot be read.
        """
        ...
