"""Composed scenes that are read, their masks, and captions that are not true of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

import numpy as np
from jaxtyping import Bool
from PIL import Image
from torch import Tensor

from limelight.pipeline.reading.check import Check
from scripts.second.scoring.tasks import JOINTS, plain
from scripts.second.scoring.truth import mask_of
from scripts.second.training.config import TWO_CORES
from scripts.second.training.data import World
from scripts.second.world.nouns import NOUNS
from scripts.second.world.places import GROUNDS, PLACES
from scripts.second.world.sampling import sample_scene
from scripts.second.world.scene import Scene
from scripts.second.world.vocabulary import COLOURS

SEED = 31_000
OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above", "front": "behind"}


@dataclass(frozen=True)
class Shown:
    """A composed scene of two things, its caption, its picture, and the mask of each thing."""

    scene: Scene
    prompt: str
    image: Image.Image
    masks: tuple[Bool[Tensor, "h w"], Bool[Tensor, "h w"]]


@dataclass(frozen=True)
class Change:
    """A word of a scene's caption, one that is not true of the scene, and the caption with it."""

    kind: str
    word: str
    wrong: str
    prompt: str


def composed(folder: Path, count: int, nouns: int) -> list[Shown]:
    """Scenes of two things that training never showed together, on grounds and in places."""
    mixture = replace(TWO_CORES.mixture, nouns=nouns, single=0.0, pair=1.0, three=0.0, worn=0.0, sized=0.0)
    mixture = replace(mixture, coloured=0.6, material=0.0, weather=0.0, said=1.0, styles=(), held_out=True)
    rng, world = Random(SEED), World(folder, mixture, TWO_CORES.seed)
    batch = world.compose([sample_scene(rng, mixture) for _ in range(count)], rng)
    pixels = (batch.pictures.images.permute(0, 2, 3, 1) * 255).round().byte().numpy()
    return [
        Shown(scene, plain(scene), Image.fromarray(image), (mask_of(batch, row, 0), mask_of(batch, row, 1)))
        for row, (scene, image) in enumerate(zip(batch.scenes, pixels, strict=True))
    ]


def changes(scene: Scene, rng: np.random.Generator, nouns: int) -> list[Change]:
    """The scene's caption with another noun, another colour if it names one, the opposite relation if it has
    one, and another ground or place."""
    first, *others = scene.things
    setting = scene.place or scene.ground
    said = {setting, *(word for thing in scene.things for word in (thing.noun, thing.colour))}

    def other(words: Sequence[str]) -> str:
        return str(rng.choice([word for word in words if word not in said]))

    noun = other([each.word for each in NOUNS[:nouns]])
    wrong = replace(scene, things=(replace(first, noun=noun), *others))
    found = [Change("noun", first.noun, noun, plain(wrong))]
    if first.colour:
        colour = other(tuple(COLOURS))
        wrong = replace(scene, things=(replace(first, colour=colour), *others))
        found.append(Change("colour", first.colour, colour, plain(wrong)))
    if scene.relation in OPPOSITE:
        opposite = OPPOSITE[scene.relation]
        phrases = [JOINTS.get(each, each) for each in (scene.relation, opposite)]
        found.append(Change("relation", *phrases, plain(replace(scene, relation=opposite))))
    if scene.place:
        place = other([each.word for each in PLACES])
        return [*found, Change("place", setting, place, plain(replace(scene, place=place)))]
    ground = other(tuple(GROUNDS))
    return [*found, Change("ground", setting, ground, plain(replace(scene, ground=ground)))]


def score_of(found: Check, change: Change, word: str) -> float | None:
    """The least score of the atoms that say a word; None if it was not checked. Grounds and places stand at
    the end of a caption, other words at its beginning."""
    said = [atom for atom in found.atoms if set(word.split()) <= set(atom.word.text.split())]
    if change.kind in ("ground", "place"):
        said = said[-1:]
    elif said:
        start = said[0].word.span[0]
        said = [atom for atom in said if atom.word.span[0] - start < len(word) + 10]
    return min((atom.score for atom in said), default=None)
