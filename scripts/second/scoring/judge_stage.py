"""Stage `judge`: trains the detector on composed pictures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor

from scripts.second.scoring.judge import CELL, CELLS, SETTINGS, UNCLEAR, Judge
from scripts.second.scoring.tasks import TASKS, right
from scripts.second.training.config import TrainConfig
from scripts.second.training.data import Batch, World
from scripts.second.world.layout import Layout
from scripts.second.world.sampling import Mixture
from scripts.second.world.vocabulary import COLOURS, STYLES, TIMES
from scripts.training.loop import Stage
from scripts.training.scoring.judge import judge_weights
from scripts.training.scoring.judge_stage import softened
from scripts.training.tools.precision import mixed

UNNAMED = -100
SOFTEST = 56  # pixels a side, of 128
USES = 3  # training steps on each composed batch, softened differently for each
DECODED = 3  # one picture of so many goes through the autoencoder
LATENT_NOISE = 0.3  # most noise of its latents, in their spread
AT_ONCE = 32  # pictures that are encoded and decoded at once


def judge_mixture(mixture: Mixture) -> Mixture:
    """Scenes for the judge: more things, colours and materials than a denoiser learns from, all styles,
    places and plain grounds. Combinations that are held out from training appear too, since the judge must
    know them."""
    return replace(mixture, single=0.3, pair=0.45, three=0.1, coloured=0.5, material=0.2, weather=0.05)


def blurred(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Pictures blurred until only blobs are left."""
    return F.interpolate(F.avg_pool2d(images, 16), scale_factor=16.0, mode="bilinear")


def middles(layout: Layout) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """For every thing: its row of the batch, its slot, and the cell (down, across) of its centre."""
    rows, slots = torch.nonzero(layout.noun >= 0, as_tuple=True)
    down, across = (
        (values[rows, slots] / CELL).long().clamp(0, CELLS - 1) for values in (layout.y, layout.x)
    )
    return rows, slots, down, across


@torch.no_grad()
def partly_decoded(batch: Batch, vae: AutoencoderKL, generator: torch.Generator) -> Batch:
    """The batch with every third picture as the autoencoder draws it from noised latents.

    Args:
        vae: normalised.
        generator: on the device of the pictures.
    """
    images = batch.pictures.images.clone()
    drawn = []
    for part in batch.images[::DECODED].split(AT_ONCE):
        with mixed(part.device):
            z = vae.encode(part).latent_dist.mean.float()
            amount = LATENT_NOISE * torch.rand(len(z), 1, 1, 1, generator=generator, device=z.device)
            spread = z.std((0, 2, 3), keepdim=True)
            z = z + amount * spread * torch.randn(z.shape, generator=generator, device=z.device)
            drawn.append(vae.decode(z).sample.float())
    images[::DECODED] = (torch.cat(drawn) / 2 + 0.5).clamp(0, 1)
    return replace(batch, pictures=replace(batch.pictures, images=images))


def judge_loss(judge: Judge, batch: Batch, rng: np.random.Generator) -> Tensor:
    """The detector's loss: where things are and what they are; blobs must be called unclear."""
    images, layout = batch.images, batch.layout.to(batch.images.device)
    device = images.device
    unclear = torch.from_numpy(rng.random(len(images)) < 0.15).to(device)
    images = torch.where(unclear[:, None, None, None], blurred(images), softened(images, rng, SOFTEST))
    images = images + float(rng.uniform(0, 0.1)) * torch.randn_like(images)
    with mixed(device.type):
        sight = judge(images)
    rows, slots, down, across = middles(layout)
    middle = torch.zeros_like(sight.centre, dtype=torch.float32)
    middle[rows, down, across] = 1
    near = F.max_pool2d(middle, 3, 1, 1) - middle  # neighbours of a centre are neither right nor wrong
    heavy = torch.tensor(20.0, device=device)
    where = F.binary_cross_entropy_with_logits(
        sight.centre.float(), middle, weight=1 - near, pos_weight=heavy
    )
    nouns = torch.where(unclear[rows], UNCLEAR, layout.noun[rows, slots])
    noun = F.cross_entropy(sight.noun[rows, :, down, across].float(), nouns)
    looks = torch.where(layout.material >= 0, len(COLOURS) + layout.material, layout.colour)[rows, slots]
    looks = torch.where(unclear[rows] | (looks < 0), UNNAMED, looks)
    total = F.cross_entropy(
        sight.look[rows, :, down, across].float(), looks, ignore_index=UNNAMED, reduction="sum"
    )
    look = total / (looks != UNNAMED).sum().clamp(min=1)
    hidden = (batch.pictures.covered[rows, slots] > 0.1).float()
    covered = F.binary_cross_entropy_with_logits(sight.covered[rows, down, across].float(), hidden)
    whole = sum(
        F.cross_entropy(getattr(sight, name).float(), torch.tensor(wanted, device=device))
        for name, wanted in _of_scenes(batch).items()
    )
    return 10 * where + noun + look + 0.5 * covered + 0.3 * whole


def _of_scenes(batch: Batch) -> dict[str, list[int]]:
    return {
        "setting": [SETTINGS.index(scene.place or scene.ground) for scene in batch.scenes],
        "time": [TIMES.index(scene.time) for scene in batch.scenes],
        "style": [STYLES.index(scene.style) for scene in batch.scenes],
    }


def judge_stage(config: TrainConfig, world: World, vae: AutoencoderKL | None = None) -> Stage:
    """The stage `judge`.

    Args:
        vae: as `trained_vae` makes it; with it the judge sees decoded pictures too.
    """
    torch.manual_seed(config.seed)
    judge = Judge().to(world.device, memory_format=torch.channels_last)
    latest: list[tuple[int, Batch]] = []

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        number = step // USES
        if not latest or latest[0][0] != number:
            batch = world.batch(number, config.judge.batch)
            if vae is not None:
                generator = torch.Generator(world.device).manual_seed(number)
                batch = partly_decoded(batch, vae, generator)
            latest[:] = [(number, batch)]
        return judge_loss(judge, latest[0][1], np.random.default_rng([config.seed, 4, step])), {}

    def report(step: int) -> dict[str, float]:
        """The share of true renders that the judge reads correctly, task by task."""
        judge.eval()
        rates = {task.name: float(np.mean(right(judge, *task.renders(world, 96), task))) for task in TASKS}
        judge.train()
        return rates

    return Stage(
        name="judge",
        config=config.judge,
        groups=[(list(judge.parameters()), 1.0)],
        modules={"judge": judge},
        loss=loss,
        report=report,
    )


def trained_judge(run: Path) -> Judge:
    """The judge that stage `judge` trained in `run`.

    Raises:
        FileNotFoundError: stage `judge` has not run.
    """
    judge = Judge()
    judge.load_state_dict(judge_weights(run))
    return judge.eval()
