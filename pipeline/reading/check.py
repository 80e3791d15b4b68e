"""Checks word by word whether a picture shows what its prompt says, with the denoiser alone and no other
model.

A word fits where the model predicts the noise in a picture better with it than with another word in its
place. Source: Li et al. 2023, "Your Diffusion Model is Secretly a Zero-Shot Classifier", arXiv:2303.16203;
the noise is shared by all that is compared, as in its section 3.3.
"""

import math
from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.errors import NonFinitePrediction, RequestError
from limelight.pipeline.latents.vae import encode, normalise, pixels_of
from limelight.pipeline.models.model import Model
from limelight.pipeline.requests.input_image import InputImage
from limelight.pipeline.requests.request import GenerationRequest
from limelight.pipeline.requests.values import Source
from limelight.pipeline.results.result import Result
from limelight.pipeline.sampling.begin import begin
from limelight.pipeline.sampling.engine import Engine
from limelight.pipeline.sampling.job import Job
from limelight.pipeline.sampling.predict import predict
from limelight.pipeline.text.encoder import Word, words_of
from limelight.pipeline.text.small_words import SMALL_WORDS

TIMESTEPS = (300, 600)
NOISES = 4  # at each timestep
OTHERS = 2  # words that are tried in the place of one
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Atom:
    """A word of the prompt, and how well it fits the picture.

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
    """The words of a prompt that can be checked, in order."""

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
    return _end_of(checking(engine, request))


def checking(engine: Engine, request: GenerationRequest) -> Generator[float, None, Check]:
    """The same in parts, for a server that draws in between.

    Yields: the share that is done, 0 to 1, after each call of the U-Net.
    """
    model = engine.model
    require_drawing(model)
    if not isinstance(request.image, InputImage):
        raise RequestError("image is missing; give the picture that is checked")
    tokens = model.text.prompt(
        request.prompt, clip_skip=request.clip_skip, syntax=request.prompt_syntax
    ).tokens
    tried = [
        (word, group, others_of(word, group, request, model))
        for word in words_of(request.prompt, tokens)
        if (group := group_of(word, model)) is not None
    ]
    prompts = [request.prompt, *(text for _, _, others in tried for text in others)]
    losses = yield from _losses(engine, request, prompts)
    atoms, at = [], 1
    for word, group, others in tried:
        better = losses[at : at + len(others)].amin(0) - losses[0]
        at += len(others)
        error = better.std() / len(better) ** 0.5
        atoms.append(Atom(word, group, float(torch.special.ndtr(better.mean() / error.clamp(min=1e-12)))))
    return Check(tuple(atoms))


def _end_of(parts: Generator[float, None, T]) -> T:
    """What a generator returns at its end."""
    while True:
        try:
            next(parts)
        except StopIteration as end:
            return end.value


def require_drawing(model: Model) -> None:
    """Raises RequestError for a model that cannot check: one that draws into images or edits them."""
    if model.kind != "draw":
        raise RequestError("this model begins from images; a check needs one that draws from words alone")


def group_of(word: Word, model: Model) -> str | None:
    """The group of a word in the model's vocabulary, empty for a model without one; None for a word that
    names nothing that could be seen."""
    text = word.text.casefold()
    if text in SMALL_WORDS:
        return None
    if model.vocabulary is None:
        return ""
    if text in model.vocabulary.plurals.values():
        return "nouns"
    groups = (name for name, words in model.vocabulary.groups.items() if name != "others" and text in words)
    return next(groups, None)


def others_of(word: Word, group: str, request: GenerationRequest, model: Model) -> list[str]:
    """The prompt with others of its group in the place of a word, always the same; without the word where
    there is no group."""
    others: Sequence[str] = ("",)
    if group and model.vocabulary is not None:
        typed = request.prompt.casefold().split()
        words: Iterable[str] = model.vocabulary.groups[group]
        plurals = model.vocabulary.plurals
        if group == "nouns" and word.text.casefold() not in plurals:
            words = plurals.values()  # stars are compared with cats, not with a cat
        known = [each for each in words if each not in typed]
        others = Random(word.text).sample(known, min(OTHERS, len(known)))
    start, end = word.span
    return [request.prompt[:start] + other + request.prompt[end:] for other in others]


def losses_of(engine: Engine, request: GenerationRequest, prompts: Sequence[str]) -> Float[Tensor, "p k"]:
    """The mean squared error of the prediction for each prompt and each of k noised images.

    Source: Ho et al. 2020, arXiv:2006.11239, eq. 14; of v, Salimans & Ho 2022, arXiv:2202.00512, app. D.
    """
    return _end_of(_losses(engine, request, prompts))


@torch.inference_mode()
def _losses(
    engine: Engine, request: GenerationRequest, prompts: Sequence[str]
) -> Generator[float, None, Tensor]:
    """`losses_of` in parts; yields the share that is done."""
    model = engine.model
    asked = GenerationRequest(
        prompt=request.prompt,
        width=request.width,
        height=request.height,
        clip_skip=request.clip_skip,
        prompt_syntax=request.prompt_syntax,
        guidance_scale=1.0,
    )
    resolved = engine.resolve(asked)
    width, height = resolved.width, resolved.height
    assert width is not None and height is not None and isinstance(request.image, InputImage)
    clean = normalise(model.vae, encode(model.vae, pixels_of(request.image.pixels, width, height), None))
    attention = engine.attention(width, height)
    generator = torch.Generator("cpu").manual_seed(request.seed)
    noised = [
        _noised(model, clean, torch.randn(clean.shape, generator=generator), timestep)
        for timestep in TIMESTEPS
        for _ in range(NOISES)
    ]
    jobs: list[Job] = []
    for prompt in prompts:
        job, _ = begin(0, replace(resolved, prompt=prompt), model, attention, engine.max_rows)
        jobs += [
            replace(job, asked=replace(job.asked, x=x, timestep=timestep, roles=["prompt"]))
            for x, _, timestep in noised
        ]
    losses: list[float] = []
    for first in range(0, len(jobs), engine.max_rows):
        for found in predict(model, jobs[first : first + engine.max_rows]):
            if isinstance(found, NonFinitePrediction):
                raise found
            target = noised[len(losses) % len(noised)][1]
            losses.append(float((found.float() - target.to(found.device)).square().mean()))
        yield len(losses) / len(jobs)
    return torch.tensor(losses).unflatten(0, (len(prompts), len(noised)))


def _noised(model: Model, clean: Tensor, noise: Tensor, timestep: int) -> tuple[Tensor, Tensor, Tensor]:
    """The noised latent, what the model should predict for it, and the timestep."""
    schedule = model.schedulers.make("ddim")
    alpha = float(schedule.alphas_cumprod[timestep]) ** 0.5
    sigma = (1 - alpha**2) ** 0.5
    noise = noise.to(clean.device)
    x = alpha * clean + sigma * noise
    kind = schedule.config.prediction_type
    target = noise if kind == "epsilon" else clean if kind == "sample" else alpha * noise - sigma * clean
    return x, target, torch.tensor(timestep, device=clean.device)
