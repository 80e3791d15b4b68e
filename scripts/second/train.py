"""Trains the second edition, stage by stage: `python -m scripts.second.train {vae}`."""

import argparse
import sys
from pathlib import Path

import torch

from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.training import loop


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=("vae",))
    parser.add_argument("--world", type=Path, default=Path("build/world2"), help="what build_dataset made")
    parser.add_argument("--run", type=Path, default=Path("build/train2"), help="checkpoints, logs, samples")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = TWO_CORES
    from scripts.second.training.vae import vae_stage

    world = World(arguments.world, config.vae.mixture, config.seed, arguments.device)
    stage, _ = vae_stage(config, world, arguments.run)
    loop.run(stage, arguments.run, log_every=25, save_every=100, report_every=250)
    return 0


if __name__ == "__main__":
    sys.exit(main())
