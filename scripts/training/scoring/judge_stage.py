"""Stage `judge`: trains the detector on composed pictures."""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from scripts.training.config import TrainConfig
from scripts.training.data import Batch, World
from scripts.training.loop import Stage
from scripts.training.scoring.judge import CELL, UNCLEAR, Judge
from scripts.training.scoring.scores import TASKS, right
from scripts.training.tools.precision import mixed
from scripts.training.vae import HELD_OUT_STEP
from scripts.world.composer import SIZES, Layout
from scripts.world.scene import Mixture, sample_scene
from scripts.world.vocabulary import BACKGROUNDS

MIXTURE = Mixture(single=0.3, pair=0.5, coloured=0.72)
UNNAMED = -100
SOFTEST = 28  # pixels a side, of 64


def centres(
    layout: Layout,
) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " n"], Int[Tensor, " n"]]:
    """For every thing: its row of the batch, its slot, and the cell (down, across) of its centre."""
    rows, slots = torch.nonzero(layout.noun >= 0, as_tuple=True)
    side = torch.tensor(SIZES, device=layout.size.device)[layout.size[rows, slots]]
    down = (layout.y[rows, slots] + side // 2) // CELL
    across = (layout.x[rows, slots] + side // 2) // CELL
    return rows, slots, down, across


def blurred(images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    """Pictures blurred until only blobs are left."""
    return F.interpolate(F.avg_pool2d(images, 8), scale_factor=8.0, mode="bilinear")


def softened(
    images: Float[Tensor, "b 3 h w"], rng: np.random.Generator, softest: int
) -> Float[Tensor, "b 3 h w"]:
    """Makes three of four pictures as soft as drawn ones often are: scaled down to `softest` or more pixels a
    side, and up again."""
    parts = list(images.chunk(4))
    for number in range(1, len(parts)):
        side = int(rng.integers(softest, images.shape[-1]))
        small = F.interpolate(parts[number], size=(side, side), mode="bilinear", antialias=True)
        parts[number] = F.interpolate(small, size=images.shape[2:], mode="bilinear")
    return torch.cat(parts)


def judge_loss(judge: Judge, batch: Batch, rng: np.random.Generator) -> Tensor:
    """The detector's loss: where things are and what they are; blobs must be called unclear."""
    images = batch.images
    unclear = torch.from_numpy(rng.random(len(images)) < 0.15).to(images.device)
    images = torch.where(unclear[:, None, None, None], blurred(images), softened(images, rng, SOFTEST))
    images = images + float(rng.uniform(0, 0.15)) * torch.from_numpy(
        rng.standard_normal(tuple(images.shape), np.float32)
    ).to(images.device)
    with mixed(images.device.type):
        sight = judge(images)
    rows, slots, down, across = centres(batch.layout)
    middle = torch.zeros_like(sight.centre)
    middle[rows, down, across] = 1
    near = F.max_pool2d(middle, 3, 1, 1) - middle  # neighbours of a centre are neither right nor wrong
    where = F.binary_cross_entropy_with_logits(
        sight.centre.float(), middle, weight=1 - near, pos_weight=torch.tensor(20.0, device=images.device)
    )
    nouns = torch.where(unclear[rows], UNCLEAR, batch.layout.noun[rows, slots])
    colours = torch.where(
        unclear[rows] | (batch.layout.colour[rows, slots] < 0), UNNAMED, batch.layout.colour[rows, slots]
    )
    noun = F.cross_entropy(sight.noun[rows, :, down, across].float(), nouns)
    colour = F.cross_entropy(
        sight.colour[rows, :, down, across].float(), colours, ignore_index=UNNAMED, reduction="sum"
    ) / (colours != UNNAMED).sum().clamp(min=1)
    named = [row for row, scene in enumerate(batch.scenes) if scene.background]
    wanted = [list(BACKGROUNDS).index(batch.scenes[row].background or "") for row in named]
    ground = F.cross_entropy(sight.ground[named].float(), torch.tensor(wanted, device=images.device))
    return 10 * where + noun + colour + 0.5 * ground


def judge_stage(config: TrainConfig, world: World) -> Stage:
    torch.manual_seed(config.seed)
    judge = Judge().to(world.device)

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([config.seed, 4, step])
        batch = world.compose([sample_scene(rng, MIXTURE) for _ in range(config.judge.batch)], rng)
        return judge_loss(judge, batch, rng), {}

    def report(step: int) -> dict[str, float]:
        """The share of true renders that the judge reads correctly, task by task."""
        judge.eval()
        rates = {}
        for number, task in enumerate(TASKS):
            scenes = task.scenes(128)
            batch = world.compose(scenes, np.random.default_rng([HELD_OUT_STEP, number]))
            rates[task.name] = right(judge, batch.images, scenes, task)["right"].mean().item()
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
