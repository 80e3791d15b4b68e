"""Trains a small network on the GPU that `scripts.gpu.train` uses, in a process of its own: `python -m
scripts.gpu.companion {judge,describer,enlarger} --data DIR --out DIR --seconds S`.

DIR of `--data` is what `python -m scripts.second.pack` made, for the enlarger with `--enlarger`. All three
learn from decoded pictures too; the autoencoder is in --data, or comes into the folder of `--vae`. The
checkpoint is in a folder in --data, from which a second call goes on. In `--out`: NAME.safetensors, which
`python -m scripts.gpu.collect --join RUN` makes a checkpoint of RUN.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from scripts.describer.training import Decoder, describer_stage
from scripts.gpu.tools import companions
from scripts.second.autoencoder.ready import trained_vae, vae_if_trained
from scripts.second.describer.gallery import POOL, Gallery
from scripts.second.describer.train import USES, reader_config
from scripts.second.enlarger.stage import Pairs, enlarger_mixture, enlarger_stage
from scripts.second.enlarger.tiles import load_large
from scripts.second.scoring.judge_stage import judge_mixture, judge_stage
from scripts.second.training.config import ONE_GPU, TrainConfig
from scripts.second.training.data import World
from scripts.second.training.packed import NAME
from scripts.second.world.nouns import CORE
from scripts.training import loop
from scripts.training.config import StageConfig
from scripts.training.tools import checkpoint
from scripts.training.tools.log import Log

NEVER = 10**9  # steps
REPORT = 40.0  # seconds that must be left for a report


@dataclass(frozen=True, kw_only=True)
class Job:
    """What a stage is made from. `vae`: the folder of the autoencoder. `tiny`: few nouns and few other
    pictures, to test it."""

    config: TrainConfig
    data: Path
    vae: Path
    folder: Path
    device: str
    steps: int
    batch: int
    tiny: bool


def main(argv: Sequence[str] | None = None) -> int:
    began = time.monotonic()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=companions.COMPANIONS)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument(
        "--vae",
        type=Path,
        help="wait for the autoencoder that `scripts.gpu.train --vae` writes here (default: --data)",
    )
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--seconds", type=float, default=520, help="time for everything, from the start")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--tiny", action="store_true", help="two small steps, to test it")
    options = parser.parse_args(argv)
    torch.set_num_threads(1)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    make, steps, batch = STAGES[options.name]
    job = Job(
        config=tiny(ONE_GPU) if options.tiny else ONE_GPU,
        data=options.data,
        vae=options.vae or options.data,
        folder=options.data / options.name,
        device=options.device,
        steps=options.steps or (2 if options.tiny else steps),
        batch=options.batch or (2 if options.tiny else batch),
        tiny=options.tiny,
    )
    end = began + options.seconds
    try:
        if options.vae:
            wait(options.vae / NAME, end)
        stage = make(job)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(f"{options.name}: ready after {time.monotonic() - began:.1f} s", flush=True)
    train(stage, job.folder, options.out, end)
    return 0


def wait(file: Path, end: float) -> None:
    """Returns as soon as the file is there.

    Raises:
        FileNotFoundError: it is not there when the clock (`time.monotonic`) shows `end`.
    """
    while not file.exists():
        if time.monotonic() > end:
            raise FileNotFoundError(f"{file} has not come in time; see what scripts.gpu.train logged")
        time.sleep(0.2)


def train(stage: loop.Stage, folder: Path, out: Path, end: float) -> None:
    """Trains until the steps are done or the clock (`time.monotonic`) shows `end`, writes the weights, and
    then reports if there is time."""
    quiet = replace(stage, report=lambda step: {})
    loop.run(quiet, folder, save_every=NEVER, report_every=NEVER, seconds=end - time.monotonic())
    state, log = checkpoint.load(folder / f"{stage.name}.pt"), Log(folder, stage.name)
    assert state is not None  # the loop has saved it
    step = state["step"]
    log.write(step)
    print(companions.write(out, stage.name, stage.modules, step, log.path), flush=True)
    if end - time.monotonic() > REPORT:
        log.write(step, **stage.report(step))
        companions.write(out, stage.name, stage.modules, step, log.path)


def tiny(config: TrainConfig) -> TrainConfig:
    """The same networks, few nouns, and an autoencoder that is normalised by few pictures."""
    vae = replace(config.vae, measured=4, mixture=replace(config.vae.mixture, nouns=CORE))
    return replace(config, mixture=replace(config.mixture, nouns=CORE), vae=vae)


def _sized(stage: StageConfig, job: Job) -> StageConfig:
    return replace(stage, steps=job.steps, batch=job.batch)


def judge(job: Job) -> loop.Stage:
    config = replace(job.config, judge=_sized(job.config.judge, job))
    world = World(job.data, judge_mixture(config.mixture), config.seed, job.device)
    return judge_stage(config, world, vae_if_trained(config, world, job.vae))


def describer(job: Job) -> loop.Stage:
    gallery = Gallery(job.data, job.config.seed, pool=8 if job.tiny else POOL, device=job.device)
    vae = vae_if_trained(job.config, gallery.world, job.vae)
    return describer_stage(
        gallery,
        reader_config(gallery.words),
        StageConfig(steps=job.steps, batch=job.batch, learning_rate=2e-3, muon=True),
        Decoder(vae) if vae is not None else None,
        uses=USES,
        device=job.device,
    )


def enlarger(job: Job) -> loop.Stage:
    config, tiles = replace(job.config, enlarger=_sized(job.config.enlarger, job)), load_large(job.data)
    world = World(job.data, config.vae.mixture, config.seed, job.device)
    vae = trained_vae(config, world, job.vae)
    mixture = replace(
        enlarger_mixture(config.vae.mixture), nouns=min(config.vae.mixture.nouns, tiles.shape[1])
    )
    return enlarger_stage(
        config, Pairs(tiles, mixture, vae, config.seed, config.vae.latent_noise), job.folder
    )


STAGES: dict[str, tuple[Callable[[Job], loop.Stage], int, int]] = {
    "judge": (judge, 1500, 256),
    "describer": (describer, 5000, 64),
    "enlarger": (enlarger, 6000, 8),
}
"""What makes each stage, its steps, its batch."""


if __name__ == "__main__":
    sys.exit(main())
