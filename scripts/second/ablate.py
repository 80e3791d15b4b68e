"""Trains variants of the recipe of the second edition, each for a short while with two seeds, and prints a
table of their scores: `python -m scripts.second.ablate {unet,vae}`."""

import argparse
import sys
from pathlib import Path

import torch

from scripts.second.ablations.runs import ablate, results
from scripts.second.ablations.variants import UNET, VAE
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World

COLUMNS = {
    "unet": ("loss", "little noise", "much noise", "caption", "minutes"),
    "vae": ("psnr", "psnr_things", "psnr_noised", "psnr_nested", "minutes"),
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("unet", "vae"))
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument(
        "--run",
        type=Path,
        default=Path("build/train2"),
        help="folder of a run whose stages `vae` and `text` are done",
    )
    parser.add_argument("--steps", type=int, default=400, help="training steps of each variant")
    parser.add_argument("--only", nargs="*", help="names of the variants to train; default: all")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    variants = VAE if options.part == "vae" else UNET
    unknown = [name for name in options.only or () if name not in variants]
    if unknown:
        parser.error(f"no variant {unknown[0]!r}; there are {', '.join(map(repr, variants))}")
    mixture = TWO_CORES.vae.mixture if options.part == "vae" else TWO_CORES.mixture
    world = World(options.world, mixture, TWO_CORES.seed)
    for seed in options.seeds:
        for name in options.only or variants:
            found = ablate(
                options.part,
                name,
                seed,
                TWO_CORES,
                options.steps,
                world,
                options.world / "tokenizer",
                options.run,
            )
            print(name, seed, found, flush=True)
    print(table(results(options.run, options.part), COLUMNS[options.part]))
    return 0


def table(found: dict[str, dict[str, list[float]]], columns: tuple[str, ...]) -> str:
    """Markdown with a row for each variant: the mean over seeds and half of their range."""
    lines = [f"| variant | {' | '.join(columns)} |", "|---|" + "--:|" * len(columns)]
    for name, values in found.items():
        cells = []
        for key in columns:
            seen = values[key]
            half = (max(seen) - min(seen)) / 2
            cells.append(f"{sum(seen) / len(seen):.3f}" + (f" ± {half:.3f}" if len(seen) > 1 else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
