"""Scores `word_mask`, `check` and `agreement` on scenes of two things: `python -m scripts.evaluate_reading`.

Masks: what `word_mask` finds for each noun is compared with the pixels that the thing covers. Check: every
scene is checked against its caption, and against the caption with one noun or one colour replaced; the table
has the area under the ROC curve: how often a true word has a higher score than a false one. Agreement: two
rules for the part of the picture that a map means. Each is compared with exact masks, also with a floor under
the map. On drawn pictures, the maps while drawing are compared with those of the finished picture.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.maps.hysteresis import hysteresis
from limelight.pipeline.reading.agreement import part
from limelight.pipeline.reading.check import Check
from limelight.pipeline.reading.word_mask import look
from scripts.evaluate_maps import PAIRS
from scripts.training.config import SHIPPED
from scripts.training.data import Batch, World
from scripts.training.scoring.scores import interval, plain
from scripts.training.scoring.truth import truths_of
from scripts.world.scene import Scene, sample_scene
from scripts.world.vocabulary import COLOURS, NOUNS

SEED = 31_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument("--scenes", type=int, default=50)
    parser.add_argument("--only", choices=("masks", "check", "agreement"))
    arguments = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained(device="cpu", max_rows=8)
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed)
    rng = np.random.default_rng(SEED)
    scenes = [sample_scene(rng, PAIRS) for _ in range(arguments.scenes)]
    batch = world.compose(scenes, rng)
    pixels = ((batch.images.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    images = [Image.fromarray(each) for each in pixels]
    if arguments.only in (None, "masks"):
        score_masks(pipe, batch, images)
    if arguments.only in (None, "check"):
        score_check(pipe, scenes, images, rng)
    if arguments.only in (None, "agreement"):
        score_agreement(pipe, batch, images)
    return 0


def score_masks(pipe: TextToImagePipeline, batch: Batch, images: Sequence[Image.Image]) -> None:
    nouns = [truth for truth in truths_of(batch) if truth.kind == "noun"]
    print("| mask of a noun | nouns | IoU | share of the thing that it covers |\n|---|--:|--:|--:|")
    for grow, name in ((0, "as found"), (1, "grown by one position, as it is drawn again")):
        overlaps, covered = [], []
        for truth in nouns:
            prompt = plain(batch.scenes[truth.scene])
            mask = pipe.word_mask(images[truth.scene], truth.word, prompt=prompt, grow=grow)
            found, true = np.asarray(mask) == 255, truth.mask.numpy()
            overlaps.append((found & true).sum() / (found | true).sum())
            covered.append((found & true).sum() / true.sum())
        low, high = interval(np.array(overlaps), np.random.default_rng(0))
        print(
            f"| {name} | {len(nouns)} | {np.mean(overlaps):.3f} ({low:.3f} to {high:.3f}) "
            f"| {np.mean(covered):.3f} |"
        )


def score_check(
    pipe: TextToImagePipeline,
    scenes: Sequence[Scene],
    images: Sequence[Image.Image],
    rng: np.random.Generator,
) -> None:
    scores: dict[tuple[str, bool], list[float]] = {}
    seconds = []
    for scene, image in zip(scenes, images, strict=True):
        for kind, word, wrong in changes(scene, rng):
            for said, is_true in ((word, True), (wrong, False)):
                began = time.perf_counter()
                found = pipe.check(image, plain(scene).replace(word, said, 1))
                seconds.append(time.perf_counter() - began)
                scores.setdefault((kind, is_true), []).append(score_of(found, said))
    began = time.perf_counter()
    pipe(plain(scenes[0]))
    print(f"a check takes {np.median(seconds) / (time.perf_counter() - began):.2f} times a picture\n")
    print("| word | checked | area under ROC | mean score if true | if not |\n|---|--:|--:|--:|--:|")
    for kind in ("noun", "colour"):
        true, false = (np.array(scores[kind, is_true]) for is_true in (True, False))
        area = ((true[:, None] > false) + (true[:, None] == false) / 2).mean()
        print(
            f"| {kind} | {len(true)} + {len(false)} | {area:.3f} | {true.mean():.2f} | {false.mean():.2f} |"
        )


def score_agreement(pipe: TextToImagePipeline, batch: Batch, images: Sequence[Image.Image]) -> None:
    nouns = [truth for truth in truths_of(batch) if truth.kind == "noun"]
    scores: dict[tuple[str, str], list[float]] = {}
    for truth in nouns:
        map = read_map(pipe, images[truth.scene], truth.word, plain(batch.scenes[truth.scene]))
        for rule, of in RULES.items():
            for floor in (0, 1):
                found = iou(of(map + floor * map.max()), truth.mask)
                scores.setdefault((rule, f"exact {floor}"), []).append(found)
    for seed, scene in enumerate(batch.scenes):
        prompt, words = plain(scene), [thing.noun for thing in scene.things]
        result = pipe(prompt, seed=seed, record="head")
        drawn = {word: result.maps.word(word) for word in words}
        read = {word: read_map(pipe, result.image, word, prompt) for word in words}
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
        print(
            f"| {rule} | {exact.mean():.3f} | {floored.mean():.3f} | {same.mean():.3f} | {same.min():.3f} "
            f"| {other.mean():.3f} |"
        )


def joined(map: Tensor) -> Tensor:
    """`hysteresis` of what is above the least value."""
    return hysteresis(map - map.min())


RULES = {"half of the range": part, "hysteresis": joined}


def read_map(pipe: TextToImagePipeline, image: Image.Image, word: str, prompt: str) -> Tensor:
    """The map of a word in a finished picture."""
    return torch.stack([maps.raw.word(word) for maps in look(pipe.engine, image, prompt)]).mean(0)


def iou(one: Tensor, other: Tensor) -> float:
    return float((one & other).sum() / (one | other).sum().clamp(min=1))


def changes(scene: Scene, rng: np.random.Generator) -> list[tuple[str, str, str]]:
    """Kind, a word of the scene's caption, and one that is not true of the scene."""
    thing = scene.things[0]
    said = {each for one in scene.things for each in (one.noun, one.colour)} | {scene.background}
    nouns = [noun.word for noun in NOUNS if noun.word not in said]
    colours = [colour for colour in COLOURS if colour not in said]
    found = [("noun", thing.noun, str(rng.choice(nouns)))]
    return [*found, ("colour", thing.colour, str(rng.choice(colours)))] if thing.colour else found


def score_of(found: Check, said: str) -> float:
    return next(atom.score for atom in found.atoms if atom.word.text == said)


if __name__ == "__main__":
    sys.exit(main())
