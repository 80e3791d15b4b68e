"""Scores the second edition's cross-attention maps against the masks of composed scenes: `python -m
scripts.second.evaluate_maps --model DIR`.

Scenes are composed, noised to several timesteps and predicted once each. The best aggregation and its
threshold are found on one half of the scenes; the table is of the other half, of pairs that training never
showed together.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from random import Random

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.models.locate import locate_model
from scripts.second.scoring.drawing import num_nouns
from scripts.second.scoring.map_scores import (
    Aggregation,
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
)
from scripts.second.scoring.map_table import COLUMNS, print_words, row
from scripts.second.scoring.recorded import Recorded
from scripts.second.scoring.truth import KINDS, record
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.world.sampling import sample_scene

SEED = 30_000


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default", help="a folder in diffusers layout, or `default`")
    parser.add_argument(
        "--world", type=Path, default=Path("build/world2"), help="folder that scripts.build_dataset wrote"
    )
    parser.add_argument("--scenes", type=int, default=200, help="half to choose by, half to report on")
    parser.add_argument("--timesteps", type=int, nargs="+", default=[100, 250, 400, 550, 700])
    parser.add_argument(
        "--save", action="store_true", help="store the best heads of one grid in the model's folder"
    )
    parser.add_argument("--words", action="store_true", help="also a line for every noun")
    options = parser.parse_args()
    model = TextToImagePipeline.from_pretrained(options.model, device="cpu").model
    mixture = replace(TWO_CORES.mixture, nouns=num_nouns(model), single=0.0, pair=1.0, three=0.0, worn=0.0)
    mixture = replace(mixture, coloured=0.5, said=0.5, held_out=True)
    world, rng = World(options.world, mixture, TWO_CORES.seed), Random(SEED)
    scenes = [sample_scene(rng, mixture) for _ in range(options.scenes)]
    middle, tokenizer = len(scenes) // 2, str(options.world / "tokenizer")
    validation, test = (
        record(model, world, tokenizer, part, options.timesteps, SEED + number)
        for number, part in enumerate((scenes[:middle], scenes[middle:]))
    )
    print(f"{len(validation.truths)} words to choose by, {len(test.truths)} to report on", file=sys.stderr)
    finest = max(side for _, side, _ in test.heads)
    plain = by_grid(test, f"mean of the {finest}x{finest} sites", lambda side: side == finest)
    best = search(validation, plain)
    default = _searched(validation) if options.save else default_of(model.best_maps, test)
    everything = by_grid(test, "mean of all sites, heads, steps (DAAM's rule)", lambda side: True)
    ways = {way.name: way for way in (everything, plain, default, best)}
    print(f"| maps of | put together by | words | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 3)}")
    for kind in KINDS:
        chosen, judged = (recorded.of_kind(kind) for recorded in (validation, test))
        if not chosen.truths or not judged.truths:
            continue
        for name, way in {"a Gaussian in the middle": centred, **ways}.items():
            threshold = best_threshold(way(chosen), masks_of(chosen.truths))
            cells = row(judged, way(judged), threshold)
            print(f"| {kind} words | {name} | {len(judged.truths)} | {' | '.join(cells)} |", flush=True)
    steps = ", ".join(str(test.timesteps[i]) for i in best.timesteps)
    print(f"\n{best.name}: timesteps {steps}; {best.end:g} of the end token; the mean of these heads:")
    for site, side, head in (test.heads[i] for i in best.heads):
        print(f"- {site}, head {head} ({side}x{side})")
    if options.save:
        _save(default, validation, test, locate_model(options.model))
    if options.words:
        print_words(test.of_kind("noun"), best)
    return 0


def _searched(validation: Recorded) -> Aggregation:
    """The best heads of one grid, as a model's folder can store them."""
    sides, nouns = sorted({side for _, side, _ in validation.heads}), validation.of_kind("noun")
    grids = [by_grid(validation, "", lambda side, one=one: side == one) for one in sides]
    return search_default(validation, max(grids, key=lambda grid: mean_iou(grid, nouns)))


def _save(default: Aggregation, validation: Recorded, test: Recorded, folder: Path) -> None:
    """Writes the aggregation into a model's folder, with its scores."""
    nouns, chosen = (each.of_kind("noun") for each in (test, validation))
    threshold = best_threshold(default(chosen), masks_of(chosen.truths))
    maps, masks = default(nouns), masks_of(nouns.truths)
    scores = {
        "nouns": len(nouns.truths),
        "iou": round(iou(maps, masks, threshold).mean().item(), 3),
        "pointing": round(pointing(maps, masks).mean().item(), 3),
    }
    print(f"\n{best_maps_of(default, test, scores).write(folder)}: {scores}")


if __name__ == "__main__":
    sys.exit(main())
