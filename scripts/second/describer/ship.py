"""Writes the trained describer of the second world as a folder that `limelight describe --describer` takes:
`python -m scripts.second.describer.ship --out FOLDER`."""

import argparse
from pathlib import Path

import torch

from scripts.describer.ship import ship
from scripts.second.describer.train import RUN, reader_config
from scripts.second.describer.words import words_of_the_world

CARD = """# The describer of the second edition

It reads pictures of the second edition's world, of 128 pixels a side: a pyramid of convolutions and a causal
decoder with grouped-query attention, trained by `python -m scripts.second.describer.train` on composed
scenes. Apache-2.0, as the rest of the repository; the art that it learned from is listed in the default
model's README.

    {}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", type=Path, default=RUN)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    words = words_of_the_world()
    ship(arguments.run, arguments.out, words, reader_config(words), CARD)


if __name__ == "__main__":
    with torch.inference_mode():
        main()
