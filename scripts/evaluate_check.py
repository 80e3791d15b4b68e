"""Scores the denoiser's check of words on composed scenes: `python -m scripts.evaluate_check`.

Every scene has two things. It is checked against its caption, and against the caption with one noun or one
colour replaced. The table has the area under the ROC curve: how often a word that is true has a higher score
than one that is not.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.sampling.check import Check
from scripts.evaluate_maps import PAIRS
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.scoring.scores import plain
from scripts.world.scene import Scene, sample_scene
from scripts.world.vocabulary import COLOURS, NOUNS

SEED = 32_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument("--scenes", type=int, default=100)
    arguments = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained(device="cpu", max_rows=12)
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed)
    rng = np.random.default_rng(SEED)
    scenes = [sample_scene(rng, PAIRS) for _ in range(arguments.scenes)]
    images = world.compose(scenes, rng).images.permute(0, 2, 3, 1)
    pixels = ((images + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    scores: dict[tuple[str, bool], list[float]] = {}
    seconds = []
    for scene, image in zip(scenes, map(Image.fromarray, pixels), strict=True):
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
    return 0


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
