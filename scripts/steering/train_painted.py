"""Teaches a copy of a model to follow paint: `python -m scripts.steering.train_painted`.

Scenes of two things in random quarters. In some of the pictures the tokens of each noun get `+s` in its
quarter and `-s` outside, as paint does; in some each quarter has a prompt of its own, as regions have. The
U-Net alone is trained; its size and speed stay the same.
"""

import argparse
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from jaxtyping import Float
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextModel

from limelight.pipeline.requests.steering import Region
from limelight.pipeline.sampling.coverage import coverage
from limelight.pipeline.sampling.steering import FEATHER, FLOOR
from limelight.unet import UNet
from scripts.steering.painted_attention import PaintedAttention
from scripts.steering.wishes import QUARTERS, with_article
from scripts.training import loop
from scripts.training.config import SHIPPED, StageConfig
from scripts.training.data import World
from scripts.training.loop import Stage
from scripts.training.text import TextSide
from scripts.training.tools.precision import mixed
from scripts.world.captions import describe
from scripts.world.composer import CELL, PIXELS, SIZES, Layout, arrange
from scripts.world.scene import Mixture, Scene, sample_scene

SIDE = PIXELS // 4  # positions a side of the finest grid
HALF = PIXELS // 2
NATS = (2.0, 6.0)


@dataclass(frozen=True)
class Shares:
    """The shares of kinds of pictures; the rest are two things in quarters, without paint or regions.

    Attributes:
        usual: scenes of the model's own training, so that it forgets nothing.
    """

    usual: float = 0.2
    painted: float = 0.45
    regions: float = 0.25


@dataclass(frozen=True)
class Given:
    """The paint and regions of a batch, and the prompts of the regions."""

    paint: Float[Tensor, "b m k k"]
    shares: Float[Tensor, "b 3 k k"]
    prompts: list[tuple[str, str]]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=Path("pipeline/default_model"))
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument("--run", type=Path, default=Path("build/painted"), help="checkpoint and log")
    parser.add_argument("--out", type=Path, default=Path("build/painted/model"), help="a diffusers folder")
    parser.add_argument("--steps", type=int, default=620, help="of 16 pictures")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed + 77)
    config = StageConfig(steps=arguments.steps, batch=16, learning_rate=2e-4, warmup=50, decay=0.4)
    unet = UNet.from_pretrained(arguments.model / "unet").train().to(memory_format=torch.channels_last)
    stage = painted_stage(config, world, arguments.model, unet)
    loop.run(stage, arguments.run, log_every=20, save_every=50, report_every=10**9)
    shutil.copytree(arguments.model, arguments.out, dirs_exist_ok=True)
    weights = {name: weight.detach().half().contiguous() for name, weight in unet.state_dict().items()}
    save_file(weights, arguments.out / "unet/diffusion_pytorch_model.safetensors", metadata={"format": "pt"})
    return 0


def painted_stage(config: StageConfig, world: World, model: Path, unet: UNet) -> Stage:
    """The U-Net learns v of scenes, some of them painted, from the weights that it has."""
    text = TextSide(SHIPPED, model / "tokenizer")
    text.encoder = CLIPTextModel.from_pretrained(model / "text_encoder", dtype=torch.float32).eval()
    vae = AutoencoderKL.from_pretrained(model / "vae", torch_dtype=torch.float32).eval()
    noising = DDIMScheduler.from_pretrained(model / "scheduler")

    def loss(step: int) -> tuple[Tensor, dict[str, float]]:
        rng = np.random.default_rng([world.seed, 5, step])
        generator = torch.Generator().manual_seed(2**41 + step)
        scenes, captions, layout, quarters = sketched(config.batch, world.mixture, rng)
        images = world.atlas.draw(layout).images * 2 - 1
        with torch.no_grad():
            latents = vae.encode(images).latent_dist.sample(generator) * vae.config.scaling_factor
        captions = ["" if rng.random() < SHIPPED.unet.drop_caption else each for each in captions]
        given = steer_some(scenes, captions, quarters, text, rng)
        contexts = [text.encode(list(each)) for each in (captions, *zip(*given.prompts, strict=True))]
        attention = PaintedAttention({}, paint=given.paint, shares=given.shares)
        timesteps = torch.from_numpy((rng.beta(*SHIPPED.unet.timesteps, config.batch) * 1000).astype(int))
        noise = torch.randn(latents.shape, generator=generator)
        noisy = noising.add_noise(latents, noise, timesteps)
        with mixed("cpu"):
            predicted = unet(noisy, timesteps, torch.cat(contexts, 1), attention=attention)
        return (predicted.float() - noising.get_velocity(latents, noise, timesteps)).square().mean(), {}

    groups = [(list(unet.parameters()), 1.0)]
    return Stage(
        name="painted",
        config=config,
        groups=groups,
        modules={"unet": unet},
        loss=loss,
        report=lambda step: {},
    )


def sketched(
    count: int, usual: Mixture, rng: np.random.Generator, shares: Shares = Shares()
) -> tuple[list[Scene], list[str], Layout, list[tuple[int, int] | None]]:
    """Scenes, captions, layout, and for scenes of two things in quarters the numbers of their quarters."""
    pairs = Mixture(single=0.0, pair=1.0, related=0.0)
    is_usual = rng.random(count) < shares.usual
    scenes = [sample_scene(rng, usual if own else pairs) for own in is_usual]
    captions = [describe(scene, rng) for scene in scenes]
    layout, quarters = arrange(scenes, rng), [None if own else _quarters(rng) for own in is_usual]
    for row, pair in enumerate(quarters):
        for slot, quarter in enumerate(pair or ()):
            _put(layout, row, slot, quarter, rng)
    return scenes, captions, layout, quarters


def _quarters(rng: np.random.Generator) -> tuple[int, int]:
    first, second = (int(each) for each in rng.choice(len(QUARTERS), 2, replace=False))
    return first, second


def _put(layout: Layout, row: int, slot: int, quarter: int, rng: np.random.Generator) -> None:
    """A thing of 24 to 32 pixels, whole in its quarter. Of 20 pixels the judge names 6 in 10 renders."""
    side = int(rng.choice([24, 28, 32]))
    left, top = (HALF * int(edge * 2) for edge in QUARTERS[quarter][:2])
    room = (HALF - side) // CELL
    layout.size[row, slot] = SIZES.index(side)
    layout.x[row, slot] = left + CELL * int(rng.integers(room + 1))
    layout.y[row, slot] = top + CELL * int(rng.integers(room + 1))


def steer_some(
    scenes: list[Scene],
    captions: list[str],
    quarters: list[tuple[int, int] | None],
    text: TextSide,
    rng: np.random.Generator,
    shares: Shares = Shares(),
) -> Given:
    """Paints some of the pictures whose things lie in quarters, and gives regions to others; a dropped
    caption gets neither."""
    ids, grid = text.ids(captions), (SIDE, SIDE)
    boxes = [Region("a thing", box=box) for box in QUARTERS]
    hard, soft = ([coverage(box, grid, feather=edge) for box in boxes] for edge in (0.0, FEATHER))
    paint = torch.zeros(*ids.shape, *grid)
    weights = torch.zeros(len(scenes), 3, *grid)
    weights[:, 0] = 1
    prompts = [("", "")] * len(scenes)
    likely = np.array([shares.painted, shares.regions]).cumsum() / (1 - shares.usual)
    for row, (scene, pair) in enumerate(zip(scenes, quarters, strict=True)):
        kind = rng.random()
        nouns = text.nouns.find(ids[row].tolist())
        if pair is None or kind >= likely[1] or len(nouns) != 2:
            continue
        if kind < likely[0]:
            strength = rng.uniform(*NATS)
            for (span, _), quarter in zip(nouns, pair, strict=True):
                paint[row, span] = strength * (2 * hard[quarter] - 1)
        else:
            first, second = ((1 - FLOOR) * soft[quarter] for quarter in pair)
            total = (first + second).clamp(min=1 - FLOOR) / (1 - FLOOR)
            weights[row, 1], weights[row, 2] = first / total, second / total
            weights[row, 0] = 1 - weights[row, 1] - weights[row, 2]
            prompts[row] = (_prompt(scene, 0), _prompt(scene, 1))
    return Given(paint, weights, prompts)


def _prompt(scene: Scene, number: int) -> str:
    thing = scene.things[number]
    return with_article(f"{thing.colour} {thing.noun}" if thing.colour else thing.noun)


if __name__ == "__main__":
    sys.exit(main())
