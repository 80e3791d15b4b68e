"""Trains the describer of the second world: `python -m scripts.second.describer.train`.

It needs the art of the second edition (`python -m scripts.build_dataset --edition 2`). A run that was stopped
goes on from its last checkpoint.
"""

import argparse
from pathlib import Path

import torch

from limelight.pipeline.describer.network import ReaderConfig
from limelight.pipeline.describer.vocabulary import Words
from scripts.describer.training import Decoder, describer_stage
from scripts.second.describer.gallery import Gallery
from scripts.second.world.layout import PIXELS
from scripts.training.config import StageConfig
from scripts.training.loop import run

WORLD, RUN = Path("build/world2"), Path("build/describer2")
USES = 3  # steps on each composed batch


def reader_config(words: Words) -> ReaderConfig:
    return ReaderConfig(num_words=len(words.tokens), side=PIXELS)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--autoencoder", type=Path, help="folder of one, through which some pictures go")
    parser.add_argument("--world", type=Path, default=WORLD)
    parser.add_argument("--out", type=Path, default=RUN)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = StageConfig(
        steps=arguments.steps, batch=arguments.batch, learning_rate=arguments.rate, muon=True
    )
    gallery = Gallery(arguments.world, 0)
    decode = Decoder.of(arguments.autoencoder) if arguments.autoencoder else None
    stage = describer_stage(gallery, reader_config(gallery.words), config, decode, uses=USES)
    run(stage, arguments.out, save_every=250, report_every=500)


if __name__ == "__main__":
    main()
