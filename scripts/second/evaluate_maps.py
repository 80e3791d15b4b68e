"""Scores the second edition's cross-attention maps against the masks of composed scenes: `python -m
scripts.second.evaluate_maps --model DIR`.

The best aggregation and its threshold are found on one half of the scenes; the table is of the other half, of
pairs that training never showed together.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

from limelight.pipeline import TextToImagePipeline
from scripts.evaluate_maps import COLUMNS, row
from scripts.second.scoring.truth import KINDS, record
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.world.sampling import sample_scene
from scripts.training.scoring.map_scores import best_threshold, by_grid, centred, masks_of, search

SEED = 30_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", required=True)
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument(
        "--scenes",
        type=int,
        default=200,
        help="number of scenes: the aggregation is chosen on one half, the scores are reported on the other",
    )
    parser.add_argument("--timesteps", type=int, nargs="+", default=[100, 250, 400, 550, 700])
    options = parser.parse_args()
    model = TextToImagePipeline.from_pretrained(options.model, device="cpu").model
    world = World(options.world, TWO_CORES.mixture, TWO_CORES.seed)
    mixture = replace(
        TWO_CORES.mixture, single=0.0, pair=1.0, three=0.0, worn=0.0, coloured=0.5, said=1.0, held_out=True
    )
    rng = Random(SEED)
    scenes = [sample_scene(rng, mixture) for _ in range(options.scenes)]
    middle, tokenizer = len(scenes) // 2, str(options.world / "tokenizer")
    validation, test = (
        record(model, world, tokenizer, part, options.timesteps, SEED + number)
        for number, part in enumerate((scenes[:middle], scenes[middle:]))
    )
    finest = max(side for _, side, _ in test.heads)
    plain = by_grid(test, f"mean of the {finest}x{finest} sites", lambda side: side == finest)
    best = search(validation, plain)
    ways = {"a Gaussian in the middle": centred, plain.name: plain, best.name: best}
    print(f"| maps of | put together by | words | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 3)}")
    for kind in KINDS:
        chosen, judged = (recorded.of_kind(kind) for recorded in (validation, test))
        if not chosen.truths or not judged.truths:
            continue
        for name, way in ways.items():
            threshold = best_threshold(way(chosen), masks_of(chosen.truths))
            cells = row(judged, way(judged), threshold)
            print(f"| {kind} words | {name} | {len(judged.truths)} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
