"""The training of the describer as a stage of the common loop."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.describer.network import Reader, ReaderConfig
from scripts.describer.data import worn
from scripts.describer.scores import captions_right
from scripts.describer.texts import IGNORED, Gallery, Shown, Texts, as_images, texts_of
from scripts.training.config import StageConfig
from scripts.training.loop import Stage
from scripts.training.tools.precision import mixed

MAP_WEIGHT = 0.2
KNOWN_WEIGHT = 0.5
STRANGERS = 0.14  # the share of pictures of other worlds
DECODED = 32  # one picture of so many went through an autoencoder
LATENT_NOISE = 0.1
REPORTED = 256  # scenes of a report


Decode = Callable[[Tensor, float], Tensor]


def new_reader(config: ReaderConfig) -> Reader:
    """Random weights; written-out attention, whose gradients are the fastest for so few positions."""
    return Reader(config, backend="math").to(memory_format=torch.channels_last)


class Decoder:
    """Encodes pictures with an autoencoder and decodes them again, on its device."""

    def __init__(self, vae: AutoencoderKL) -> None:
        self.vae = vae.eval().requires_grad_(False)

    @classmethod
    def of(cls, folder: Path) -> "Decoder":
        """With the autoencoder in a folder, as diffusers saves an `AutoencoderKL`."""
        return cls(AutoencoderKL.from_pretrained(folder))

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
    with mixed(images.device):
        seen = reader.look(images.contiguous(memory_format=torch.channels_last))
        logits, maps = reader(texts.ids, seen)
    words = F.cross_entropy(logits.float().flatten(0, 1), texts.target.flatten(), ignore_index=IGNORED)
    looked = maps.flatten(0, 1)[texts.looking].float()
    places = F.kl_div((looked + 1e-6).log(), texts.regions, reduction="batchmean")
    world = F.binary_cross_entropy_with_logits(seen.known.float(), known)
    total = words + MAP_WEIGHT * places + KNOWN_WEIGHT * world
    return total, {"words": words.item(), "maps": places.item(), "known": world.item()}


def batch_of(
    gallery: Gallery, shown: Shown, decode: Decode | None, rng: np.random.Generator
) -> tuple[Tensor, Texts, Tensor]:
    """Pictures, texts, and 1 for each picture of the world. Those of other worlds have no words to learn."""
    size = len(shown.views)
    texts = texts_of(shown, gallery.words, gallery.kinds, rng)
    images = worn(shown.images, rng)
    if decode is not None:
        count = max(1, size // DECODED)
        images[:count] = decode(shown.images[:count], float(rng.uniform(0, LATENT_NOISE)))
    strange = torch.from_numpy(rng.random(size) < STRANGERS)
    picked = rng.integers(len(gallery.strangers), size=int(strange.sum()))
    images[strange] = as_images(gallery.strangers[picked]).to(images.device)
    per_text = strange.repeat_interleave(len(texts.ids) // size)
    texts.target[per_text] = IGNORED
    kept = ~per_text[texts.looking // texts.ids.shape[1]]
    texts = Texts(texts.ids, texts.target, texts.looking[kept], texts.regions[kept])
    return images, texts.to(images.device), (~strange).float().to(images.device)


def describer_stage(
    gallery: Gallery,
    reader: ReaderConfig,
    config: StageConfig,
    decode: Decode | None,
    *,
    uses: int = 1,
    seed: int = 0,
    device: str = "cpu",
) -> Stage:
    """The stage `describer`.

    Args:
        uses: steps on each composed batch, with other questions and softness each time.
        device: that of the gallery's pictures.
    """
    torch.manual_seed(seed)
    network = new_reader(reader).to(device)
    latest: list[tuple[int, Shown]] = []

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        number = step // uses
        rng = np.random.default_rng([seed, 5, number])
        if not latest or latest[0][0] != number:
            latest[:] = [(number, gallery.sample(config.batch, rng, free=True))]
        if step % uses:
            rng = np.random.default_rng([seed, 7, step])
        return loss_of(network, *batch_of(gallery, latest[0][1], decode, rng))

    def report(step: int) -> dict[str, float]:
        shown = gallery.sample(REPORTED, np.random.default_rng([seed, 6]))
        network.eval()
        rates = captions_right(network, gallery.words, shown)
        network.train()
        return rates

    return Stage(
        name="describer",
        config=config,
        groups=[(list(network.parameters()), 1.0)],
        modules={"describer": network},
        loss=loss,
        report=report,
    )
