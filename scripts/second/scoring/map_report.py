"""The report on a model's maps: which aggregation of heads is best, and how well each agrees with masks."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from limelight.pipeline.models.best_maps import BestMaps
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
    whole,
)
from scripts.second.scoring.map_table import COLUMNS, print_words, row
from scripts.second.scoring.recorded import Recorded


def read_options(description: str | None, world: Path) -> argparse.Namespace:
    """The command's options.

    Args:
        world: default of the folder that `scripts.build_dataset` wrote.
    """
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="default", help="a folder in diffusers layout, or `default`")
    parser.add_argument("--world", type=Path, default=world, help="folder that scripts.build_dataset wrote")
    parser.add_argument("--scenes", type=int, default=200, help="half to choose by, half to report on")
    parser.add_argument("--timesteps", type=int, nargs="+", default=[100, 250, 400, 550, 700])
    parser.add_argument(
        "--save", action="store_true", help="store the best heads of one grid in the model's folder"
    )
    parser.add_argument("--words", action="store_true", help="also a line for every noun")
    return parser.parse_args()


def report(
    validation: Recorded,
    test: Recorded,
    kinds: Sequence[str],
    own: BestMaps,
    *,
    save: Path | None,
    words: bool,
) -> None:
    """Prints the table.

    Args:
        validation: what to choose by.
        test: what to report on.
        kinds: of words, each with lines of its own where both have it.
        own: the model's own maps; with `save` new ones are searched for.
        save: the model's folder, where those are then stored, with their scores.
        words: whether there is also a line for every noun.
    """
    finest = max(side for _, side, _ in test.heads)
    plain = by_grid(test, f"mean of the {finest}x{finest} sites", lambda side: side == finest)
    best = search(validation, plain)
    default = default_of(own, test) if save is None else _searched(validation)
    everything = by_grid(test, "mean of all sites, heads, steps (DAAM's rule)", lambda side: True)
    ways = {"the whole picture": whole, "a Gaussian in the middle": centred}
    ways |= {way.name: way for way in (everything, plain, default, best)}
    print(f"| maps of | put together by | words | {' | '.join(COLUMNS)} |\n|{'---|' * (len(COLUMNS) + 3)}")
    for kind in kinds:
        chosen, judged = (recorded.of_kind(kind) for recorded in (validation, test))
        if not chosen.truths or not judged.truths:
            continue
        for name, way in ways.items():
            threshold = best_threshold(way(chosen), masks_of(chosen.truths))
            cells = row(judged, way(judged), threshold)
            print(f"| {kind} words | {name} | {len(judged.truths)} | {' | '.join(cells)} |", flush=True)
    steps = ", ".join(str(test.timesteps[i]) for i in best.timesteps)
    print(f"\n{best.name}: timesteps {steps}; {best.end:g} of the end token; the mean of these heads:")
    for site, side, head in (test.heads[i] for i in best.heads):
        print(f"- {site}, head {head} ({side}x{side})")
    if save is not None:
        scores = _scores(default, validation, test)
        print(f"\n{best_maps_of(default, test, scores).write(save)}: {scores}")
    if words:
        print_words(test.of_kind("noun"), best)


def _searched(validation: Recorded) -> Aggregation:
    """The best heads of one grid, as a model's folder can store them."""
    sides, nouns = sorted({side for _, side, _ in validation.heads}), validation.of_kind("noun")
    grids = [by_grid(validation, "", lambda side, one=one: side == one) for one in sides]
    return search_default(validation, max(grids, key=lambda grid: mean_iou(grid, nouns)))


def _scores(default: Aggregation, validation: Recorded, test: Recorded) -> dict[str, float]:
    nouns, chosen = (each.of_kind("noun") for each in (test, validation))
    threshold = best_threshold(default(chosen), masks_of(chosen.truths))
    maps, masks = default(nouns), masks_of(nouns.truths)
    return {
        "nouns": len(nouns.truths),
        "iou": round(iou(maps, masks, threshold).mean().item(), 3),
        "pointing": round(pointing(maps, masks).mean().item(), 3),
    }
