"""Scores what reads pictures: `python -m scripts.evaluate_reading`.

Masks: on composed scenes of two things, what `word_mask` and `change_mask` find is compared with the pixels
that the thing covers. Check: every scene is checked, by the model and by the describer, against its caption,
and against the caption with one noun, colour, relation, ground or place replaced; the table has the area
under the ROC curve: how often a true word has a higher score than a false one. Agreement: two rules for the
part of the picture that a map means. Each is compared with exact masks, also with a floor under the map. On
drawn pictures, the maps while drawing are compared with those of the finished picture. Best: of several
pictures of a prompt those are kept that the checks prefer, and the judge says how many of them are right. The
describer's captions and answers are scored by `scripts.second.describer.evaluate`.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import product
from math import sqrt
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.describer.default import FOLDER, DefaultDescriber
from limelight.pipeline.maps.hysteresis import hysteresis
from limelight.pipeline.reading.agreement import part
from limelight.pipeline.reading.described_check import check_by_describer
from limelight.pipeline.reading.word_mask import look
from scripts.reading.scenes import SEED, Shown, changes, composed, score_of
from scripts.second.scoring.drawing import add_options, fields_of, load, num_nouns, results, seen
from scripts.second.scoring.kept import load_judge
from scripts.second.scoring.statistics import interval
from scripts.second.scoring.tasks import TASKS, plain, right

CHOSEN = ("counting", "attribute binding", "position")  # tasks of whose pictures the best are kept
TRIED = 4  # pictures of a prompt, of which one is kept


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--world", type=Path, default=Path("build/world2"), help="what build_dataset made")
    parser.add_argument("--describer", type=Path, default=FOLDER, help="a folder of its weights")
    parser.add_argument("--scenes", type=int, default=50, help="for `best`: prompts of each task")
    parser.add_argument("--only", choices=PARTS, nargs="+", default=list(PARTS))
    options = parser.parse_args()
    pipe = load(options.model)
    shown = composed(options.world, options.scenes, num_nouns(pipe.model))
    for name in options.only:
        began = time.perf_counter()
        PARTS[name](pipe, shown, options)
        print(f"({name}: {time.perf_counter() - began:.0f} s)\n", flush=True)
    return 0


def score_masks(pipe: TextToImagePipeline, shown: Sequence[Shown], options: argparse.Namespace) -> None:
    print("| mask of a noun | nouns | IoU | share of the thing that it covers |\n|---|--:|--:|--:|")
    for grow, name in ((0, "as found"), (1, "grown by one position, as it is drawn again")):
        pairs = [
            (mask, pipe.word_mask(each.image, thing.noun, prompt=each.prompt, grow=grow))
            for each in shown
            for thing, mask in zip(each.scene.things, each.masks, strict=True)
        ]
        print_masks(name, pairs)
    rng, nouns = np.random.default_rng(SEED), num_nouns(pipe.model)
    others = [changes(each.scene, rng, nouns)[0].prompt for each in shown]
    pairs = [
        (each.masks[0], pipe.change_mask(each.image, each.prompt, other, grow=0))
        for each, other in zip(shown, others, strict=True)
    ]
    print_masks("by a change of the noun (DiffEdit)", pairs)


def print_masks(name: str, pairs: Sequence[tuple[Tensor, Image.Image]]) -> None:
    """A line of the table, from exact masks and those that were found."""
    overlaps, covered = [], []
    for mask, found in pairs:
        drawn, true = np.asarray(found) == 255, mask.numpy()
        overlaps.append((drawn & true).sum() / (drawn | true).sum())
        covered.append((drawn & true).sum() / max(1, true.sum()))
    low, high = interval(np.array(overlaps), np.random.default_rng(0))
    cells = f"{np.mean(overlaps):.3f} ({low:.3f} to {high:.3f}) | {np.mean(covered):.3f}"
    print(f"| {name} | {len(overlaps)} | {cells} |", flush=True)


def score_check(pipe: TextToImagePipeline, shown: Sequence[Shown], options: argparse.Namespace) -> None:
    rng, describer = np.random.default_rng(SEED), DefaultDescriber.from_pretrained(options.describer)
    scores: dict[tuple[str, str, bool], list[float]] = {}
    seconds, nouns = [], num_nouns(pipe.model)
    for each in shown:
        for change in changes(each.scene, rng, nouns):
            for word, prompt, is_true in (
                (change.word, each.prompt, True),
                (change.wrong, change.prompt, False),
            ):
                began = time.perf_counter()
                found = pipe.check(each.image, prompt)
                seconds.append(time.perf_counter() - began)
                by = {"model": found, "describer": check_by_describer(describer, each.image, prompt)}
                for name, one in by.items():
                    score = None if one is None else score_of(one, change, word)
                    if score is not None:
                        scores.setdefault((name, change.kind, is_true), []).append(score)
    began = time.perf_counter()
    pipe(shown[0].prompt)
    times = np.median(seconds) / (time.perf_counter() - began)
    print(f"a check by the model takes {times:.2f} times a picture\n")
    print("| by the | word | checked | area under ROC | mean score if true | if not |")
    print("|---|---|--:|--:|--:|--:|")
    for name, kind in sorted({key[:2] for key in scores}):
        true, false = (np.array(scores.get((name, kind, is_true), [np.nan])) for is_true in (True, False))
        area = ((true[:, None] > false) + (true[:, None] == false) / 2).mean()
        cells = f"{len(true)} + {len(false)} | {area:.3f} | {true.mean():.2f} | {false.mean():.2f}"
        print(f"| {name} | {kind} | {cells} |")


def score_agreement(pipe: TextToImagePipeline, shown: Sequence[Shown], options: argparse.Namespace) -> None:
    scores: dict[tuple[str, str], list[float]] = {}
    for each in shown:
        for thing, mask in zip(each.scene.things, each.masks, strict=True):
            map = read_map(pipe, each.image, thing.noun, each.prompt)
            for rule, of in RULES.items():
                for floor in (0, 1):
                    found = iou(of(map + floor * map.max()), mask)
                    scores.setdefault((rule, f"exact {floor}"), []).append(found)
    requests = [
        GenerationRequest(prompt=each.prompt, seed=seed, record="head", **fields_of(options))
        for seed, each in enumerate(shown)
    ]
    for each, result in zip(shown, results(pipe, requests, "drawn"), strict=True):
        words = [thing.noun for thing in each.scene.things]
        assert result.maps is not None
        drawn = {word: result.maps.word(word) for word in words}
        read = {word: read_map(pipe, result.image, word, each.prompt) for word in words}
        for rule, of in RULES.items():
            for word, other in product(words, words):
                pair = "same" if word == other else "other"
                scores.setdefault((rule, pair), []).append(iou(of(drawn[word]), of(read[other])))
    print("| part of a map | exact mask | with a floor | one word, two maps | the least | two words |")
    print("|---|--:|--:|--:|--:|--:|")
    for rule in RULES:
        exact, floored, same, other = (
            np.array(scores[rule, kind]) for kind in ("exact 0", "exact 1", "same", "other")
        )
        means = f"{exact.mean():.3f} | {floored.mean():.3f} | {same.mean():.3f} | {same.min():.3f}"
        print(f"| {rule} | {means} | {other.mean():.3f} |")


def score_best(pipe: TextToImagePipeline, shown: Sequence[Shown], options: argparse.Namespace) -> None:
    judge, describer = load_judge(options.run), DefaultDescriber.from_pretrained(options.describer)
    print(f"right by the judge, of {TRIED} pictures of each prompt\n")
    print("| task | one of them | best by the model | by the describer | by both | any of them |")
    print("|---|--:|--:|--:|--:|--:|", flush=True)
    for task in (each for each in TASKS if each.name in CHOSEN):
        scenes = task.scenes(len(shown), num_nouns(pipe.model))
        asked = [scene for scene in scenes for _ in range(TRIED)]
        requests = [
            GenerationRequest(prompt=plain(scene), seed=i % TRIED, **fields_of(options))
            for i, scene in enumerate(asked)
        ]
        drawn = list(results(pipe, requests, task.name))
        answers = right(judge, torch.cat([seen(each) for each in drawn]), asked, task)
        checks = []
        for each in drawn:
            by_model = pipe.check(each.image, each.request.prompt).geometric_mean
            described = check_by_describer(describer, each.image, each.request.prompt)
            by_describer = by_model if described is None else described.geometric_mean
            checks.append((by_model, by_describer, sqrt(by_model * by_describer)))
        marks, ranks = answers.reshape(-1, TRIED), np.array(checks).reshape(-1, TRIED, 3)
        kept = [marks[np.arange(len(marks)), ranks[..., i].argmax(1)].mean() for i in range(3)]
        cells = [marks.mean(), *kept, marks.max(1).mean()]
        print(f"| {task.name} | {' | '.join(f'{cell:.3f}' for cell in cells)} |", flush=True)


def joined(map: Tensor) -> Tensor:
    """`hysteresis` of what is above the least value."""
    return hysteresis(map - map.min())


RULES = {"half of the range": part, "hysteresis": joined}


def read_map(pipe: TextToImagePipeline, image: Image.Image, word: str, prompt: str) -> Tensor:
    """The map of a word in a finished picture."""
    return torch.stack([maps.raw.word(word) for maps in look(pipe.engine, image, prompt)]).mean(0)


def iou(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum().clamp(min=1))


Part = Callable[[TextToImagePipeline, Sequence[Shown], argparse.Namespace], None]
PARTS: dict[str, Part] = {
    "masks": score_masks,
    "check": score_check,
    "agreement": score_agreement,
    "best": score_best,
}


if __name__ == "__main__":
    sys.exit(main())
