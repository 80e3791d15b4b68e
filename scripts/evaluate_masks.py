"""Scores masks of words against the exact masks of composed scenes: `python -m scripts.evaluate_masks`.

Each scene has two things. Its image and its caption go into `TextToImagePipeline.word_mask`, and what is
found for each noun is compared with the pixels that the thing covers.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from limelight.pipeline import TextToImagePipeline
from scripts.evaluate_maps import PAIRS
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.scoring.scores import interval, plain
from scripts.training.scoring.truth import truths_of
from scripts.world.scene import sample_scene

SEED = 31_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="default")
    parser.add_argument("--world", type=Path, default=Path("build/world"), help="what build_dataset made")
    parser.add_argument("--scenes", type=int, default=100)
    arguments = parser.parse_args()
    pipe = TextToImagePipeline.from_pretrained(arguments.model, device="cpu")
    world = World(arguments.world, SHIPPED.mixture, SHIPPED.seed)
    rng = np.random.default_rng(SEED)
    scenes = [sample_scene(rng, PAIRS) for _ in range(arguments.scenes)]
    batch = world.compose(scenes, rng)
    pixels = ((batch.images.permute(0, 2, 3, 1) + 1) * 127.5).round().clamp(0, 255).byte().numpy()
    images = [Image.fromarray(each) for each in pixels]
    nouns = [truth for truth in truths_of(batch) if truth.kind == "noun"]
    print("| mask of a noun | nouns | IoU | share of the thing that it covers |\n|---|--:|--:|--:|")
    for grow, name in ((0, "as found"), (1, "grown by one position, as it is drawn again")):
        overlaps, covered = [], []
        for truth in nouns:
            prompt = plain(scenes[truth.scene])
            mask = pipe.word_mask(images[truth.scene], truth.word, prompt=prompt, grow=grow)
            found, true = np.asarray(mask) == 255, truth.mask.numpy()
            overlaps.append((found & true).sum() / (found | true).sum())
            covered.append((found & true).sum() / true.sum())
        low, high = interval(np.array(overlaps), np.random.default_rng(0))
        print(
            f"| {name} | {len(nouns)} | {np.mean(overlaps):.3f} ({low:.3f} to {high:.3f}) "
            f"| {np.mean(covered):.3f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
