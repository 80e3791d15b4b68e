"""Scores the second edition's cross-attention maps against the masks of composed scenes: `python -m
scripts.second.evaluate_maps --model DIR`.

Scenes are composed, noised to several timesteps and predicted once each. The best aggregation and its
threshold are found on one half of the scenes; the table is of the other half, of pairs that training never
showed together.
"""

import sys
from dataclasses import replace
from pathlib import Path
from random import Random

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.models.locate import locate_model
from scripts.second.scoring.drawing import num_nouns
from scripts.second.scoring.map_report import read_options, report
from scripts.second.scoring.truth import KINDS, record
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.world.sampling import sample_scene

SEED = 30_000


def main() -> int:
    options = read_options(__doc__, Path("build/world2"))
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
    save = locate_model(options.model) if options.save else None
    report(validation, test, KINDS, model.best_maps, save=save, words=options.words)
    return 0


if __name__ == "__main__":
    sys.exit(main())
