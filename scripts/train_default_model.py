"""Trains the default model, stage by stage: `python -m scripts.train_default_model
{clip,vae,decoder,unet,judge,keep-judge,export,adopt}`."""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import torch

from scripts.training import loop
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.tools import parallel


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    stages = ("clip", "vae", "decoder", "unet", "judge", "keep-judge", "export", "adopt")
    parser.add_argument("stage", choices=stages)
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument("--run", type=Path, default=Path("build/train"), help="checkpoints, logs, samples")
    parser.add_argument(
        "--out", type=Path, default=Path("pipeline/default_model"), help="where `export` writes"
    )
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that compose scenes ahead (`unet`)")
    parser.add_argument("--compile", action="store_true", help="torch.compile the denoiser (`unet`)")
    parser.add_argument(
        "--steps", type=int, help="number of steps of stage `unet`; it continues where it stopped"
    )
    parser.add_argument(
        "--learning-rate",
        type=float,
        help="learning rate of stage `unet`; use a lower one to continue from a model",
    )
    parser.add_argument(
        "--model",
        type=Path,
        default=Path("pipeline/default_model"),
        help="the model that `adopt` begins a run from",
    )
    arguments = parser.parse_args()
    if arguments.stage == "adopt":
        from scripts.training.adopt import adopt

        adopt(arguments.model, arguments.run)
        return 0
    if arguments.stage == "keep-judge":
        from scripts.training.scoring.judge import keep_judge

        keep_judge(arguments.run)
        return 0
    torch.set_num_threads(arguments.threads)
    rank, size = parallel.join()
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed + 1_000_003 * rank, arguments.device)
    if arguments.stage == "export":
        from scripts.training.export import export

        export(SHIPPED, world, arguments.world / "tokenizer", arguments.run, arguments.out)
        return 0
    if arguments.stage == "vae":
        from scripts.training.vae import vae_stage

        stage, _ = vae_stage(SHIPPED, world, arguments.run)
    elif arguments.stage == "decoder":
        from scripts.training.vae import decoder_stage
        from scripts.training.vae_ready import trained_vae

        stage = decoder_stage(SHIPPED, world, trained_vae(SHIPPED, world, arguments.run), arguments.run)
    elif arguments.stage == "clip":
        from scripts.training.clip import clip_stage

        stage = clip_stage(SHIPPED, world, arguments.world / "tokenizer")
    elif arguments.stage == "judge":
        from scripts.training.scoring.judge_stage import judge_stage

        stage = judge_stage(SHIPPED, world)
    else:
        from scripts.training.unet import unet_stage

        given = {"steps": arguments.steps, "learning_rate": arguments.learning_rate}
        planned = replace(SHIPPED.unet.stage, **{name: value for name, value in given.items() if value})
        unet = replace(SHIPPED.unet, stage=planned)
        stage = unet_stage(
            replace(SHIPPED, unet=unet),
            world,
            arguments.world / "tokenizer",
            arguments.run,
            rank=rank,
            size=size,
            workers=arguments.workers,
            compiled=arguments.compile,
        )
    loop.run(stage, arguments.run, rank=rank)
    parallel.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
