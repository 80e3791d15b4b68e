"""The tasks that a model is scored on, after GenEval (Ghosh et al. 2023), in the words of this world."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from torch import Tensor

from scripts.training.scoring.judge import Found, Judge
from scripts.world.scene import Mixture, Scene, Thing, sample_scene
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, COUNTS, NOUN_INDEX, NOUNS

SEED = 20_000
BATCH = 128


@dataclass(frozen=True)
class Task:
    """A kind of prompt, and the rule by which a picture answers it."""

    name: str
    mixture: Mixture
    answers: Callable[[Scene, list[Found]], bool]
    suits: Callable[[Scene], bool] = lambda scene: True

    def scenes(self, count: int) -> list[Scene]:
        """The first `count` scenes of this task; always the same."""
        rng, chosen = np.random.default_rng(SEED), []
        while len(chosen) < count:
            scene = sample_scene(rng, self.mixture)
            if self.suits(scene):
                chosen.append(scene)
        return chosen


def _seen(thing: Thing, found: list[Found]) -> list[Found]:
    """The thing as the judge saw it; its colour counts only where the prompt names one."""
    wanted = tuple(COLOURS).index(thing.colour) if thing.colour else None
    return [f for f in found if f.noun == NOUN_INDEX[thing.noun] and wanted in (None, f.colour)]


def _all_seen(scene: Scene, found: list[Found]) -> bool:
    return all(_seen(thing, found) for thing in scene.things)


def _counted(scene: Scene, found: list[Found]) -> bool:
    return len(_seen(scene.things[0], found)) == len(found) == scene.things[0].count


def _placed(scene: Scene, found: list[Found]) -> bool:
    first, second = (_seen(thing, found) for thing in scene.things)
    offsets = {
        "left": lambda a, b: b.x - a.x,
        "right": lambda a, b: a.x - b.x,
        "above": lambda a, b: b.y - a.y,
        "below": lambda a, b: a.y - b.y,
    }
    return any(offsets[scene.relation or ""](a, b) > PLACED for a in first for b in second)


PLACED = 12.0  # least distance of two centres, in pixels, for one to count as left of or above the other
_PLAIN = {"background_named": 1.0, "flat": 0.0, "sized": 0.0}
_ONE = _PLAIN | {"single": 1.0, "pair": 0.0}
_TWO = _PLAIN | {"single": 0.0, "pair": 1.0}
_MANY = _PLAIN | {"single": 0.0, "pair": 0.0}


def _unplaced(scene: Scene) -> bool:
    return scene.relation is None


def _has_place(scene: Scene) -> bool:
    return scene.relation in PLACES


PLACES = {"left": "to the left of", "right": "to the right of", "above": "above", "below": "below"}
TASKS = (
    Task("single object", Mixture(**_ONE, coloured=0.0), _all_seen),
    Task("two objects", Mixture(**_TWO, coloured=0.0), _all_seen, _unplaced),
    Task("counting", Mixture(**_MANY, coloured=0.0), _counted),
    Task("colours", Mixture(**_ONE, coloured=1.0), _all_seen),
    Task("position", Mixture(**_TWO, coloured=0.0), _placed, _has_place),
    Task("attribute binding", Mixture(**_TWO, coloured=1.0), _all_seen, _unplaced),
    Task("two objects, held out", Mixture(**_TWO, coloured=0.0, held_out=True), _all_seen, _unplaced),
    Task("colours, held out", Mixture(**_ONE, coloured=1.0, held_out=True), _all_seen),
    Task("position, held out", Mixture(**_TWO, coloured=0.0, held_out=True), _placed, _has_place),
)
GENEVAL = 6  # the first tasks are GenEval's; their mean is the overall score


def plain(scene: Scene) -> str:
    """The scene as a newcomer would type it."""
    phrases = [_phrase(thing) for thing in scene.things]
    joined = f" {PLACES.get(scene.relation or '', 'and')} ".join(phrases)
    return f"{joined} on {_article(scene.background or '')} {scene.background} background"


def _phrase(thing: Thing) -> str:
    if thing.count > 1:
        return f"{COUNTS[thing.count]} {NOUNS[NOUN_INDEX[thing.noun]].plural}"
    words = [word for word in (thing.colour, thing.noun) if word]
    return " ".join([_article(words[0]), *words])


def _article(word: str) -> str:
    return "an" if word[:1] in tuple("aeiou") else "a"


def right(
    judge: Judge, images: Float[Tensor, "b 3 h w"], scenes: list[Scene], task: Task
) -> dict[str, np.ndarray]:
    """Whether each picture (range -1..1) answers its scene, and whether its ground is right."""
    found, grounds = [], []
    for part in images.split(BATCH):
        things, ground = judge.look(part)
        found += things
        grounds += ground
    answers = [task.answers(scene, things) for scene, things in zip(scenes, found, strict=True)]
    names = tuple(BACKGROUNDS)
    same = [names[ground] == scene.background for scene, ground in zip(scenes, grounds, strict=True)]
    return {"right": np.array(answers, float), "ground": np.array(same, float)}
