"""Trains the describer in the box: `python -m scripts.describer.train`.

Hidden matrices are trained by Muon, the rest by AdamW. It needs the art of both editions:
`python -m scripts.build_dataset`, and the same with `--edition 2`.
"""

import argparse
from pathlib import Path

import torch

from limelight.pipeline.describer.network import ReaderConfig
from limelight.pipeline.models.locate import locate_model
from scripts.describer.data import Gallery
from scripts.describer.training import Decoder, describer_stage
from scripts.training.config import StageConfig
from scripts.training.loop import run


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--batch", type=int, default=96)
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--out", type=Path, default=Path("build/describer"))
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    config = StageConfig(
        steps=arguments.steps, batch=arguments.batch, learning_rate=arguments.rate, muon=True
    )
    gallery = Gallery(Path("build/world"), Path("build/world2"), 0)
    reader = ReaderConfig(num_words=len(gallery.words.tokens))
    stage = describer_stage(gallery, reader, config, Decoder.of(locate_model("default") / "vae"))
    run(stage, arguments.out, save_every=250, report_every=500)


if __name__ == "__main__":
    main()
