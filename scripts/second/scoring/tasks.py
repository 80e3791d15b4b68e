"""The tasks that a model is scored on: the six of GenEval (Ghosh et al. 2023) in the words of this world, and
place, time, style, in front and behind, material."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random

import numpy as np
from jaxtyping import Float
from torch import Tensor

from limelight.pipeline.describer.vocabulary import article
from scripts.second.scoring.judge import LOOKS, Found, Judge, Seen
from scripts.second.training.data import World
from scripts.second.world.nouns import NOUN_INDEX, NOUNS
from scripts.second.world.phrases import BARE
from scripts.second.world.places import PLACE_INDEX, PLACES
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.second.world.scene import Scene, Thing
from scripts.second.world.vocabulary import COUNTS

SEED = 20_000
BATCH = 64
APART = 18.0  # least distance of two centres, in pixels, for one to count as left of or above the other
OFFSETS: dict[str, Callable[[Found, Found], float]] = {
    "left": lambda a, b: b.x - a.x,
    "right": lambda a, b: a.x - b.x,
    "above": lambda a, b: b.y - a.y,
    "below": lambda a, b: a.y - b.y,
}
PLAIN = Mixture(
    single=1.0, pair=0.0, three=0.0, coloured=0.0, material=0.0, posed=0.0, sized=0.0, worn=0.0, weather=0.0,
    sunset=0.0, night=0.0, said=1.0, odd=0.0, styles=(),
)  # fmt: skip


@dataclass(frozen=True)
class Task:
    """A kind of prompt, and the rule by which a picture answers it."""

    name: str
    mixture: Mixture
    answers: Callable[[Scene, Seen], bool]
    suits: Callable[[Scene], bool] = lambda scene: True

    def scenes(self, count: int, nouns: int | None = None) -> list[Scene]:
        """The first `count` scenes of this task, made of the first `nouns` nouns; always the same."""
        mixture = self.mixture if nouns is None else replace(self.mixture, nouns=nouns)
        rng, chosen = Random(f"{SEED} {self.name}"), []
        while len(chosen) < count:
            scene = sample_scene(rng, mixture)
            if self.suits(scene):
                chosen.append(scene)
        return chosen

    def renders(self, world: World, count: int) -> tuple[Float[Tensor, "b 3 h w"], list[Scene]]:
        """True renders of the first scenes, of range -1..1."""
        scenes = self.scenes(count, world.mixture.nouns)
        return world.compose(scenes, Random(f"{SEED} renders")).images, scenes


def seen(thing: Thing, found: list[Found]) -> list[Found]:
    """The thing as the judge saw it; its colour or material counts only where the prompt names one."""
    wanted = thing.colour or thing.material
    look = LOOKS.index(wanted) if wanted else None
    return [f for f in found if f.noun == NOUN_INDEX[thing.noun] and look in (None, f.look)]


def _all_seen(scene: Scene, picture: Seen) -> bool:
    return all(seen(thing, picture.things) for thing in scene.things)


def _counted(scene: Scene, picture: Seen) -> bool:
    return len(seen(scene.things[0], picture.things)) == len(picture.things) == scene.things[0].count


def _related(scene: Scene, picture: Seen) -> bool:
    first, second = (seen(thing, picture.things) for thing in scene.things)
    offset = OFFSETS[scene.relation or ""]
    return any(offset(a, b) > APART for a in first for b in second)


def _before(scene: Scene, picture: Seen) -> bool:
    near, far = scene.things if scene.relation == "front" else scene.things[::-1]
    fronts, backs = (seen(thing, picture.things) for thing in (near, far))
    return any(not a.is_covered and b.is_covered for a in fronts for b in backs)


def _placed(scene: Scene, picture: Seen) -> bool:
    return picture.setting == scene.place and _all_seen(scene, picture)


def _timed(scene: Scene, picture: Seen) -> bool:
    return picture.time == scene.time and _placed(scene, picture)


def _styled(scene: Scene, picture: Seen) -> bool:
    return picture.style == scene.style and _all_seen(scene, picture)


def _is_related(scene: Scene) -> bool:
    return scene.relation in OFFSETS


def _is_unrelated(scene: Scene) -> bool:
    return scene.relation is None


_STUDIO = replace(PLAIN, studio=1.0)
_PLACE = replace(PLAIN, studio=0.0)
_TWO = replace(_STUDIO, single=0.0, pair=1.0)
_COLOURED, _MATERIAL = replace(_STUDIO, coloured=1.0), replace(_STUDIO, coloured=0.0, material=1.0)
_FLAT = replace(_PLACE, styles=(("flat", 1.0),))
_TIMES = replace(_PLACE, sunset=0.5, night=0.5)


def _kept(task: Task) -> Task:
    """The same task with combinations that are held out from training."""
    return replace(task, name=f"{task.name}, held out", mixture=replace(task.mixture, held_out=True))


_TASKS = (
    Task("single object", _STUDIO, _all_seen),
    Task("two objects", replace(_TWO, related=0.0), _all_seen),
    Task("counting", replace(_STUDIO, single=0.0), _counted),
    Task("colours", _COLOURED, _all_seen),
    Task("position", replace(_TWO, related=1.0), _related, _is_related),
    Task("attribute binding", replace(_TWO, coloured=1.0, related=0.0), _all_seen, _is_unrelated),
    Task("place", _PLACE, _placed),
    Task("time", _TIMES, _timed, lambda scene: scene.time != "day"),
    Task("style", _FLAT, _styled),
    Task(
        "in front, behind", replace(_TWO, related=1.0), _before, lambda s: s.relation in ("front", "behind")
    ),
    Task("material", _MATERIAL, _all_seen),
)
GENEVAL = 6  # the first tasks are GenEval's; their mean is the overall score
TASKS = (*_TASKS, *(_kept(task) for task in _TASKS if task.name not in ("single object", "counting", "time")))


JOINTS = {
    "left": "to the left of",
    "right": "to the right of",
    "front": "in front of",
    "on": "on top of",
    "next": "next to",
}


def plain(scene: Scene) -> str:
    """The scene as a newcomer would type it."""
    relation = scene.relation or "and"
    text = phrase(scene.things[0])
    for number, thing in enumerate(scene.things[1:]):
        text += f" {JOINTS.get(relation, relation) if number == 0 else 'and'} {phrase(thing)}"
    if scene.place is None:
        text += f" on {article(scene.ground)} {scene.ground} background"
    else:
        text += f" {PLACES[PLACE_INDEX[scene.place]].phrases[0]}"
    text += {"day": "", "sunset": " at sunset", "night": " at night"}[scene.time]
    return text + (f", {scene.style}" if scene.style != "3d" else "")


def phrase(thing: Thing) -> str:
    noun = NOUNS[NOUN_INDEX[thing.noun]]
    if thing.count > 1:
        return f"{COUNTS[thing.count]} {noun.plural}"
    words = " ".join(
        word for word in (thing.size, thing.pose, thing.material, thing.colour, noun.word) if word
    )
    return words if words in BARE else f"{article(words)} {words}"


def right(judge: Judge, images: Float[Tensor, "b 3 h w"], scenes: list[Scene], task: Task) -> np.ndarray:
    """Whether each picture (range -1..1) answers its scene: 0 or 1."""
    pictures = [picture for part in images.split(BATCH) for picture in judge.look(part)]
    return np.array([task.answers(scene, p) for scene, p in zip(scenes, pictures, strict=True)], float)
