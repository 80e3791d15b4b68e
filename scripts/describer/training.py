"""The training of the describer as a stage of the common loop."""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.describer.network import Reader, ReaderConfig
from limelight.pipeline.describer.vocabulary import Words
from limelight.pipeline.models.locate import locate_model
from scripts.describer.data import (
    IGNORED,
    STRANGERS,
    Gallery,
    Texts,
    scenes_of,
    texts_of,
    words_of_the_world,
    worn,
)
from scripts.training.config import StageConfig
from scripts.training.loop import Stage
from scripts.training.tools.precision import mixed

MAP_WEIGHT = 0.2
KNOWN_WEIGHT = 0.5
DECODED = 32  # one picture of so many went through the default model's autoencoder
LATENT_NOISE = 0.1
REPORTED = 256  # scenes of a report


def new_reader(words: Words) -> Reader:
    """Random weights; written-out attention, whose gradients are the fastest for so few positions."""
    reader = Reader(ReaderConfig(num_words=len(words.tokens)), backend="math")
    return reader.to(memory_format=torch.channels_last)


class Decoder:
    """Encodes pictures with the default model's autoencoder and decodes them again."""

    def __init__(self) -> None:
        from diffusers import AutoencoderKL

        self.vae = AutoencoderKL.from_pretrained(locate_model("default") / "vae").eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(self, images: Float[Tensor, "b 3 h w"], noise: float) -> Float[Tensor, "b 3 h w"]:
        """The pictures after the autoencoder, whose latents get noise of this share of their spread."""
        z = self.vae.encode(images).latent_dist.mean
        return self.vae.decode(z + noise * z.std() * torch.randn_like(z)).sample.clamp(-1, 1)


def loss_of(
    reader: Reader, images: Float[Tensor, "b 3 h w"], texts: Texts, known: Float[Tensor, " b"]
) -> tuple[Tensor, dict[str, float]]:
    """The cross-entropy of the written words, of the pictures' being known, and the divergence of the maps of
    words from the regions that they name."""
    with mixed("cpu"):
        seen = reader.look(images.contiguous(memory_format=torch.channels_last))
        logits, maps = reader(texts.ids, seen)
    words = F.cross_entropy(logits.float().flatten(0, 1), texts.target.flatten(), ignore_index=IGNORED)
    looked = maps.flatten(0, 1)[texts.looking].float()
    places = F.kl_div((looked + 1e-6).log(), texts.regions, reduction="batchmean")
    world = F.binary_cross_entropy_with_logits(seen.known.float(), known)
    total = words + MAP_WEIGHT * places + KNOWN_WEIGHT * world
    return total, {"words": words.item(), "maps": places.item(), "known": world.item()}


def batch_of(
    gallery: Gallery, words: Words, decode: Decoder, size: int, rng: np.random.Generator
) -> tuple[Tensor, Texts, Tensor]:
    """Pictures, texts, and 1 for each picture of the world. Those of other worlds have no words to learn."""
    shown = gallery.show(scenes_of(rng, size), rng)
    texts = texts_of(shown, words, rng)
    images = worn(shown.images, rng)
    count = size // DECODED
    images[:count] = decode(shown.images[:count], float(rng.uniform(0, LATENT_NOISE)))
    strange = torch.from_numpy(rng.random(size) < STRANGERS)
    picked = rng.integers(len(gallery.strangers), size=size)
    images = torch.where(strange[:, None, None, None], gallery.strangers[picked], images)
    per_text = strange.repeat_interleave(len(texts.ids) // size)
    texts.target[per_text] = IGNORED
    kept = ~per_text[texts.looking // texts.ids.shape[1]]
    texts = Texts(texts.ids, texts.target, texts.looking[kept], texts.regions[kept])
    return images, texts, (~strange).float()


def describer_stage(world: Path, second: Path, config: StageConfig, seed: int = 0) -> tuple[Stage, Words]:
    """The stage `describer`, and its words."""
    from scripts.describer.scores import captions_right

    torch.manual_seed(seed)
    words = words_of_the_world()
    gallery, decode, reader = Gallery(world, second, seed), Decoder(), new_reader(words)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([seed, 5, step])
        return loss_of(reader, *batch_of(gallery, words, decode, config.batch, rng))

    def report(step: int) -> dict[str, float]:
        rng = np.random.default_rng([seed, 6])
        shown = gallery.show(scenes_of(rng, REPORTED), rng, free=False)
        reader.eval()
        rates = captions_right(reader, words, shown)
        reader.train()
        return rates

    stage = Stage(
        name="describer",
        config=config,
        groups=[(list(reader.parameters()), 1.0)],
        modules={"describer": reader},
        loss=loss,
        report=report,
    )
    return stage, words
