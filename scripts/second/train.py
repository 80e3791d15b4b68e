"""Trains the second edition, stage by stage: `python -m scripts.second.train
{vae,keep-vae,text,coarse,decoder,unet,judge,enlarger,export}`.

On two cores it begins with the first edition's weights. `text` teaches its text encoder the new words.
`coarse` trains its denoiser on its own latents, while `vae` trains an autoencoder whose first channels
imitate them. `unet` goes on with the weights of `coarse` (if it has run) and the latents of `vae`. `decoder`
and `enlarger` need `vae`; `judge` sees decoded pictures too if `vae` has run. `keep-vae` stores the
autoencoder in the repository: where `vae` has not run, the stored one is used.

`torchrun --nproc-per-node 2 -m scripts.second.train unet` trains in two processes, each with batches of its
own; so do `vae` and `coarse`.
"""

import argparse
import sys
from pathlib import Path

import torch

from scripts.second.autoencoder.kept import keep
from scripts.second.autoencoder.ready import trained_vae, vae_if_trained
from scripts.second.autoencoder.training import decoder_stage, vae_stage
from scripts.second.enlarger.stage import Pairs, enlarger_mixture, enlarger_stage
from scripts.second.enlarger.tiles import LARGE_TILE
from scripts.second.scoring.judge_stage import judge_mixture, judge_stage
from scripts.second.training.config import ONE_GPU, TWO_CORES, TrainConfig
from scripts.second.training.data import World
from scripts.second.training.denoising import Denoising
from scripts.second.training.export import export, parts_of_run
from scripts.second.training.reading import text_stage
from scripts.second.training.text import TextSide
from scripts.second.training.unet import coarse_stage, unet_stage
from scripts.second.world.sampling import Mixture
from scripts.second.world.tiles import render_tiles
from scripts.training import loop
from scripts.training.tools import parallel

RANKS_APART = 10**6
STAGES = ("vae", "decoder", "text", "coarse", "unet", "judge", "enlarger")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=(*STAGES, "keep-vae", "export"))
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument(
        "--run", type=Path, default=Path("build/train2"), help="folder for checkpoints, logs and samples"
    )
    parser.add_argument(
        "--out", type=Path, default=Path("build/model2"), help="folder that `export` writes the model to"
    )
    parser.add_argument(
        "--average",
        default="average-0.9998",
        help="the average of the weights that `export` writes, such as average-0.999",
    )
    parser.add_argument(
        "--gpu", action="store_true", help="use the larger network that scripts.gpu.train trains"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile the denoiser: minutes for the first step, then 13 %% faster on a CPU",
    )
    parser.add_argument(
        "--steps",
        type=int,
        help="number of training steps; a stage that was stopped goes on from its checkpoint",
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    rank, _ = parallel.join()
    config = ONE_GPU if options.gpu else TWO_CORES
    if options.steps:
        config = config.with_steps(options.stage, options.steps)
    try:
        if options.stage == "keep-vae":
            keep(trained_vae(config, _world(options, config.vae.mixture, config), options.run))
        elif options.stage == "export":
            world = _world(options, config.vae.mixture, config)
            parts = parts_of_run(config, world, options.run, options.average)
            export(config, parts, options.world / "tokenizer", options.out, config.mixture.nouns)
        else:
            stage = _stage(options, config, rank)
            loop.run(stage, options.run, rank=rank, log_every=25, save_every=100, report_every=250)
    except FileNotFoundError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        parallel.close()
    return 0


def _world(options: argparse.Namespace, mixture: Mixture, config: TrainConfig, rank: int = 0) -> World:
    """The world of the configuration's seed; of several processes each needs scenes of its own."""
    return World(options.world, mixture, config.seed + RANKS_APART * rank, options.device)


def _stage(options: argparse.Namespace, config: TrainConfig, rank: int = 0) -> loop.Stage:
    run, text = options.run, TextSide(config.text, options.world / "tokenizer", options.device)
    if options.stage == "vae":
        return vae_stage(config, _world(options, config.vae.mixture, config, rank), run)[0]
    if options.stage == "decoder":
        world = _world(options, config.vae.mixture, config)
        return decoder_stage(config, world, trained_vae(config, world, run), run)
    if options.stage == "text":
        return text_stage(config, text)
    if options.stage == "enlarger":
        world = _world(options, config.vae.mixture, config)
        vae, mixture = trained_vae(config, world, run), enlarger_mixture(config.vae.mixture)
        tiles = render_tiles(options.world / "archives", LARGE_TILE)
        return enlarger_stage(config, Pairs(tiles, mixture, vae, config.seed, config.vae.latent_noise), run)
    if options.stage == "judge":
        world = _world(options, judge_mixture(config.mixture), config)
        return judge_stage(config, world, vae_if_trained(config, world, run))
    stage, world = (
        coarse_stage if options.stage == "coarse" else unet_stage,
        _world(options, config.mixture, config),
    )
    made = stage(config, world, text, run, rank)
    denoising = made.modules["denoising"]
    assert isinstance(denoising, Denoising)
    if options.compile:
        denoising.predict = torch.compile(denoising.predict, fullgraph=True)
    return made


if __name__ == "__main__":
    sys.exit(main())
