"""Scores cross-attention maps against the masks of composed scenes: `python -m scripts.evaluate_maps`.

Scenes are composed, noised to several timesteps and predicted once each. The best aggregation and its
threshold are found on one half of the scenes; the table is of the other half, nouns in pairs that training
never showed.
"""

import sys
from pathlib import Path

import numpy as np

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.models.locate import locate_model
from scripts.second.scoring.map_report import read_options, report
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.scoring.truth import record
from scripts.world.scene import Mixture, sample_scene

PAIRS = Mixture(single=0.0, pair=1.0, coloured=0.6, background_named=1.0, flat=0.0, held_out=True)
SEED = 30_000
KINDS = ("noun", "colour", "ground")


def main() -> int:
    options = read_options(__doc__, Path("build/world"))
    model = TextToImagePipeline.from_pretrained(options.model, device="cpu").model
    world, rng = World(options.world, SHIPPED.mixture, SHIPPED.seed), np.random.default_rng(SEED)
    scenes = [sample_scene(rng, PAIRS) for _ in range(options.scenes)]
    middle = len(scenes) // 2
    validation, test = (
        record(model, world, part, options.timesteps, SEED + number)
        for number, part in enumerate((scenes[:middle], scenes[middle:]))
    )
    save = locate_model(options.model) if options.save else None
    report(validation, test, KINDS, model.best_maps, save=save, words=options.words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
