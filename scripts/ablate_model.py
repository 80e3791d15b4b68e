"""Which part of the recipe does what: `python -m scripts.ablate_model` trains every variant for a short while
and prints a table."""

import argparse
import json
import sys
from pathlib import Path

import torch

from scripts.training.ablations import VARIANTS, ablate
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.judge import trained_judge

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
    parser.add_argument("--steps", type=int, default=500, help="of 16 pictures, for each variant")
    parser.add_argument("--only", nargs="*", choices=tuple(VARIANTS), help="these variants; default: all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    judge = trained_judge(arguments.judge).to(arguments.device)
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed, arguments.device)
    results = arguments.run / "ablations.json"
    for name in arguments.only or VARIANTS:
        found = ablate(
            name, SHIPPED, arguments.steps, world, arguments.world / "tokenizer", arguments.run, judge
        )
        known = json.loads(results.read_text()) if results.exists() else {}
        results.write_text(json.dumps(known | {name: found}, indent=1))
        print(name, found, flush=True)
    print(table(json.loads(results.read_text())))
    return 0


def table(results: dict[str, dict[str, float]]) -> str:
    """Markdown, a row for each variant measured so far."""
    lines = [f"| variant | {' | '.join(COLUMNS)} |", "|---|" + "--:|" * len(COLUMNS)]
    for name in (name for name in VARIANTS if name in results):
        lines.append(f"| {name} | " + " | ".join(f"{results[name][key]:.3f}" for key in COLUMNS) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
