"""Checks word by word whether a picture shows what its prompt says, with the denoiser alone and no other
model.

A word or phrase fits where the model predicts the noise in a picture better with it than with another in its
place. What a first level of noise does not decide is compared at a second with what fitted best at the
first. Source: Li et al. 2023, "Your Diffusion Model is Secretly a Zero-Shot Classifier", arXiv:2303.16203,
which drops what has lost in the same way (adaptive evaluation).
"""

import math
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from limelight.pipeline.errors import RequestError
from limelight.pipeline.models.model import Model
from limelight.pipeline.reading.losses import NOISES, end_of, losses, noised
from limelight.pipeline.reading.others import parts_of
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.text.encoder import Word, words_of

FIRST, SECOND = 0, 1  # levels of noise, in the order in which they are seen
DECIDED = 4.0  # standard errors by which a word differs from all others after the first level


@dataclass(frozen=True, slots=True)
class Atom:
    """A word or phrase of the prompt, and how well it fits the picture.

    Attributes:
        group: of a model that knows what its words are for, such as `nouns`; else empty.
        score: 0 to 1: the probability that the prompt predicts better with the word than with another, if
            what noises say is distributed normally.
    """

    word: Word
    group: str
    score: float


@dataclass(frozen=True, slots=True)
class Check:
    """The words and phrases of a prompt that can be checked, in order."""

    atoms: tuple[Atom, ...]

    @property
    def mean(self) -> float:
        """The arithmetic mean of the scores; 1 where there is nothing to check."""
        return sum(atom.score for atom in self.atoms) / len(self.atoms) if self.atoms else 1.0

    @property
    def geometric_mean(self) -> float:
        """The geometric mean: 0 where any word does not fit at all."""
        return math.prod(atom.score for atom in self.atoms) ** (1 / max(1, len(self.atoms)))

    def to_dict(self) -> dict[str, Any]:
        """Ready for JSON: each word with its span in the prompt and its score, and the means."""
        words = [
            {"word": atom.word.text, "span": list(atom.word.span), "score": round(atom.score, 3)}
            for atom in self.atoms
        ]
        return {
            "words": words,
            "mean": round(self.mean, 3),
            "geometric_mean": round(self.geometric_mean, 3),
        }


def checked(engine: Engine, result: Result) -> Result:
    """A picture with the check of its own prompt in its record, as `check`.

    Raises:
        RequestError: the model begins from images; it cannot check.
        PictureError: the VAE or the model overflowed.
    """
    drawn = result.request
    asked = GenerationRequest(
        prompt=drawn.prompt,
        image=result.image,
        width=drawn.width,
        height=drawn.height,
        clip_skip=drawn.clip_skip,
        prompt_syntax=drawn.prompt_syntax,
    )
    found = check(engine, asked.opened())
    return replace(result, info={**result.info, "check": found.to_dict()})


def check_image(engine: Engine, image: Source, prompt: str, seed: int = 0) -> Check:
    """`check` of any image, near the size that the model was trained on.

    Raises:
        RequestError: as `check`; or the image cannot be read.
    """
    read = InputImage.read("image", image, "RGB")
    width, height = engine.model.size_for(read.size)
    return check(engine, GenerationRequest(prompt=prompt, image=read, width=width, height=height, seed=seed))


def check(engine: Engine, request: GenerationRequest) -> Check:
    """How well every word of a prompt fits an image.

    Args:
        request: its prompt, and its image.

    Raises:
        RequestError: there is no image, or the model draws into images or edits them.
        PictureError: the VAE or the model overflowed.
    """
    return end_of(checking(engine, request))


def checking(engine: Engine, request: GenerationRequest) -> Generator[float, None, Check]:
    """The same in parts, for a server that draws in between.

    Yields: the share that is done, 0 to 1, after each call of the U-Net.
    """
    model, prompt = engine.model, request.prompt
    require_drawing(model)
    if not isinstance(request.image, InputImage):
        raise RequestError("image is missing; give the picture that is checked")
    tokens = model.text.prompt(prompt, clip_skip=request.clip_skip, syntax=request.prompt_syntax).tokens
    parts = list(parts_of(prompt, words_of(prompt, tokens), model.vocabulary))
    seen = noised(engine, request)
    prompts = [prompt, *(other for part in parts for other in part.others)]
    rows, later = NOISES * len(prompts), NOISES * (1 + len(parts))
    found = yield from _shares(losses(seen, prompts, FIRST), 0, rows + later)
    better, best, at = [], [], 1
    for part in parts:
        others = found[at : at + len(part.others)]
        at += len(part.others)
        better.append(others.amin(0) - found[0])
        best.append(part.others[int(others.mean(1).argmin())])
    open_ = [i for i, difference in enumerate(better) if abs(_standard_errors(difference)) < DECIDED]
    if open_:
        later = NOISES * (1 + len(open_))
        prompts = [prompt, *(best[i] for i in open_)]
        found = yield from _shares(losses(seen, prompts, SECOND), rows, rows + later)
        for i, other in zip(open_, found[1:], strict=True):
            better[i] = torch.cat((better[i], other - found[0]))
    scores = [float(torch.special.ndtr(torch.tensor(_standard_errors(each)))) for each in better]
    return Check(tuple(Atom(part.word, part.group, score) for part, score in zip(parts, scores, strict=True)))


def _standard_errors(better: Tensor) -> float:
    """How many standard errors of the mean the mean of differences is from zero."""
    error = better.std() / len(better) ** 0.5
    return float(better.mean() / error.clamp(min=1e-12))


def _shares(parts: Generator[int, None, Tensor], before: int, rows: int) -> Generator[float, None, Tensor]:
    """What a generator of rows returns; yields the share of all rows that is done."""
    while True:
        try:
            yield (before + next(parts)) / rows
        except StopIteration as end:
            return end.value


def require_drawing(model: Model) -> None:
    """Raises RequestError for a model that cannot check: one that draws into images or edits them."""
    if model.kind != "draw":
        raise RequestError("this model begins from images; a check needs one that draws from words alone")
