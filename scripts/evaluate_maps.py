"""Scores cross-attention maps against the masks of composed scenes: `python -m scripts.evaluate_maps`.

Scenes are composed, noised to several timesteps and predicted once each. The best aggregation and its
threshold are found on one half of the scenes; the table is of the other half, nouns in pairs that training
never showed.
"""

import argparse
import sys
from pathlib import Path

import numpy as np

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.models.locate import locate_model
from scripts.second.scoring.map_scores import (
    best_maps_of,
    best_threshold,
    by_grid,
    centred,
    default_of,
    iou,
    masks_of,
    mean_iou,
    pointing,
    search,
    search_default,
    whole,
)
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.scoring.truth import record
from scripts.world.scene import Mixture, sample_scene

PAIRS = Mixture(single=0.0, pair=1.0, coloured=0.6, background_named=1.0, flat=0.0, held_out=True)
SEED = 30_000
KINDS = ("noun", "colour", "ground")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument("--scenes", type=int, default=200, help="half to choose by, half to report on")
    parser.add_argument("--timesteps", type=int, nargs="+", default=[100, 250, 400, 550, 700])
    parser.add_argument(
        "--save", action="store_true", help="store the best heads of one grid in the model's folder"
    )
    parser.add_argument("--words", action="store_true", help="also a line for every noun")
    arguments = parser.parse_args()
    model = TextToImagePipeline.from_pretrained(arguments.model, device="cpu").model
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed)
    rng = np.random.default_rng(SEED)
    scenes = [sample_scene(rng, PAIRS) for _ in range(arguments.scenes)]
    middle = len(scenes) // 2
    validation, test = (
        record(model, world, part, arguments.timesteps, SEED + i)
        for i, part in enumerate((scenes[:middle], scenes[middle:]))
    )
    finest = max(side for _, side, _ in test.heads)
    plain = by_grid(test, f"mean of the {finest}x{finest} sites", lambda side: side == finest)
    best = search(validation, plain)
    default = default_of(model.best_maps, test)
    if arguments.save:
        sides = sorted({side for _, side, _ in test.heads})
        grids = [by_grid(validation, "", lambda side, one=one: side == one) for one in sides]
        nouns = validation.of_kind("noun")
        default = search_default(validation, max(grids, key=lambda grid: mean_iou(grid, nouns)))
    ways = {
        "the whole picture": whole,
        "a Gaussian in the middle": centred,
        "mean of all sites, heads, steps (DAAM's rule)": by_grid(test, "", lambda side: True),
        plain.name: plain,
        default.name: default,
        best.name: best,
    }
    print(f"| maps of | put together by | words | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 3)}")
    for kind in KINDS:
        chosen, judged = (recorded.of_kind(kind) for recorded in (validation, test))
        for name, way in ways.items():
            threshold = best_threshold(way(chosen), masks_of(chosen.truths))
            cells = row(judged, way(judged), threshold)
            print(f"| {kind}s | {name} | {len(judged.truths)} | {' | '.join(cells)} |")
    steps = ", ".join(str(test.timesteps[i]) for i in best.timesteps)
    print(f"\n{best.name}: timesteps {steps}; {best.end:g} of the end token; the mean of these heads:")
    for site, side, head in (test.heads[i] for i in best.heads):
        print(f"- {site}, head {head} ({side}x{side})")
    if arguments.save:
        nouns, chosen = (each.of_kind("noun") for each in (test, validation))
        threshold = best_threshold(default(chosen), masks_of(chosen.truths))
        maps, masks = default(nouns), masks_of(nouns.truths)
        scores = {
            "nouns": len(nouns.truths),
            "iou": round(iou(maps, masks, threshold).mean().item(), 3),
            "pointing": round(pointing(maps, masks).mean().item(), 3),
        }
        print(f"\n{best_maps_of(default, test, scores).write(locate_model(arguments.model))}: {scores}")
    if arguments.words:
        print_words(test.of_kind("noun"), best)
    return 0


if __name__ == "__main__":
    sys.exit(main())
