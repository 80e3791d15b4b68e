"""Trains variants of the recipe for a short while each, and prints a table of their losses and scores:
`python -m scripts.ablate_model`."""

import argparse
import sys
from pathlib import Path

import torch

from scripts.training.ablations import VARIANTS, ablate, results
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.scoring.judge import trained_judge

COLUMNS = ("loss", "caption", "coloured thing", "ground", "minutes")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument(
        "--judge", type=Path, help="where stage `judge` has run; without it, the judge that is kept"
    )
    parser.add_argument(
        "--run", type=Path, default=Path("build/ablate"), help="where stages `clip` and `vae` have run"
    )
    parser.add_argument("--steps", type=int, default=500, help="steps of 16 pictures for each variant")
    parser.add_argument("--only", nargs="*", choices=tuple(VARIANTS), help="these variants; default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    judge = trained_judge(arguments.judge).to(arguments.device)
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed, arguments.device)
    for name in arguments.only or VARIANTS:
        found = ablate(
            name, SHIPPED, arguments.steps, world, arguments.world / "tokenizer", arguments.run, judge
        )
        print(name, found, flush=True)
    print(table(results(arguments.run)))
    return 0


def table(found: dict[str, dict[str, float]]) -> str:
    """Markdown, a row for each variant."""
    lines = [f"| variant | {' | '.join(COLUMNS)} |", "|---|" + "--:|" * len(COLUMNS)]
    for name, values in found.items():
        lines.append(f"| {name} | " + " | ".join(f"{values[key]:.3f}" for key in COLUMNS) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
