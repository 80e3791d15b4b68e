"""Trains the second edition, stage by stage: `python -m scripts.second.train {vae,text,unet,judge}`."""

import argparse
import sys
from pathlib import Path

import torch

from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.training.text import TextSide
from scripts.training import loop


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("vae", "text", "unet", "judge"))
    parser.add_argument("--world", type=Path, default=Path("build/world2"), help="what build_dataset made")
    parser.add_argument("--run", type=Path, default=Path("build/train2"), help="checkpoints, logs, samples")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--steps", type=int, help="another number of steps; goes on where it stopped")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config, device = TWO_CORES, arguments.device
    if arguments.steps:
        config = config.with_steps(arguments.stage, arguments.steps)
    tokenizer = arguments.world / "tokenizer"
    if arguments.stage == "vae":
        from scripts.second.training.vae import vae_stage

        world = World(arguments.world, config.vae.mixture, config.seed, device)
        stage, _ = vae_stage(config, world, arguments.run)
    elif arguments.stage == "text":
        from scripts.second.training.reading import text_stage

        stage = text_stage(config, TextSide(config.text, tokenizer, device))
    elif arguments.stage == "judge":
        from scripts.second.scoring.judge_stage import judge_mixture, judge_stage

        world = World(arguments.world, judge_mixture(config.mixture), config.seed, device)
        stage = judge_stage(config, world)
    else:
        from scripts.second.training.unet import unet_stage

        world = World(arguments.world, config.mixture, config.seed, device)
        stage = unet_stage(config, world, TextSide(config.text, tokenizer, device), arguments.run)
    loop.run(stage, arguments.run, log_every=25, save_every=100, report_every=250)
    return 0


if __name__ == "__main__":
    sys.exit(main())
