"""Edits of the words of a picture, in the words of the world: requests and the pictures that they should
give."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from scripts.second.scoring.judge import LOOKS, Found, Seen
from scripts.second.scoring.tasks import plain
from scripts.second.training.data import World
from scripts.second.world.nouns import CORE, NOUN_INDEX, NOUNS
from scripts.second.world.places import GROUNDS, PLACES
from scripts.second.world.scene import Scene, Thing
from scripts.second.world.vocabulary import COLOURS

KINDS = ("noun", "colour", "ground", "place", "added thing", "weight 0")
_COLOURS, _GROUNDS, _PLACES = tuple(COLOURS), tuple(GROUNDS), tuple(place.word for place in PLACES)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One edit.

    Attributes:
        scene: that `base` describes.
        words: whose places change.
        plain: a prompt that asks for the edited picture by itself.
        scales: attention weights of words.
        noun: that should be there afterwards; with `colour`, in that colour.
        gone: a noun that should be there no longer.
        setting: the ground or the place that should be there afterwards; None where it should stay.
        others: nouns that should stay.
    """

    kind: str
    seed: int
    scene: Scene
    base: str
    edit: str
    words: tuple[str, ...]
    plain: str
    others: tuple[str, ...]
    scales: dict[str, float] = field(default_factory=dict)
    noun: str | None = None
    colour: str | None = None
    gone: str | None = None
    setting: str | None = None

    def is_done(self, seen: Seen) -> bool:
        """Whether the judge sees what the edit asks for."""
        if self.setting is not None:
            return seen.setting == self.setting
        if self.gone is not None:
            return not named(self.gone, seen)
        look = None if self.colour is None else LOOKS.index(self.colour)
        return any(each.look == look or look is None for each in named(self.noun or "", seen))


def named(noun: str, seen: Seen) -> list[Found]:
    """The things of a noun among those that the judge found."""
    return [each for each in seen.things if each.noun == NOUN_INDEX[noun]]


def cases(count: int, seed: int, nouns: int = CORE) -> list[Case]:
    """`count` edits of pictures of the first `nouns` nouns, the kinds in turn; always the same for a seed."""
    rng = np.random.default_rng(seed)
    return [_MAKERS[KINDS[i % len(KINDS)]](rng, seed + i, nouns) for i in range(count)]


def _some(rng: np.random.Generator, options: Sequence[str], count: int = 1) -> list[str]:
    return [options[int(i)] for i in rng.choice(len(options), count, replace=False)]


def _clear(nouns: int) -> list[str]:
    """The first nouns, without those that name a ground or a place too: an orange, a moon."""
    return [noun.word for noun in NOUNS[:nouns] if noun.word not in (*_GROUNDS, *_PLACES)]


def _scene(rng: np.random.Generator, nouns: int, count: int, *, is_plain: bool = False) -> Scene:
    """Things on a plain ground, or in half of the scenes in a place."""
    things = tuple(Thing(noun=word) for word in _some(rng, _clear(nouns), count))
    (ground,), (place,) = _some(rng, _GROUNDS), _some(rng, _PLACES)
    return Scene(things=things, ground=ground, place=place if not is_plain and rng.random() < 0.5 else None)


def _other_noun(rng: np.random.Generator, nouns: int, scene: Scene) -> str:
    there = [thing.noun for thing in scene.things]
    return _some(rng, [word for word in _clear(nouns) if word not in there])[0]


def _with(scene: Scene, *things: Thing) -> Scene:
    return replace(scene, things=(*things, *scene.things[len(things) :]))


def _of(scene: Scene, seed: int, edit: str) -> dict[str, Any]:
    """The fields of a case whose edit is described by its whole prompt."""
    return {"seed": seed, "scene": scene, "base": plain(scene), "edit": edit, "plain": edit}


def _noun(rng: np.random.Generator, seed: int, nouns: int) -> Case:
    scene = _scene(rng, nouns, 2)
    new = _other_noun(rng, nouns, scene)
    edit = plain(_with(scene, Thing(noun=new)))
    return Case(
        **_of(scene, seed, edit),
        kind="noun",
        words=(new,),
        others=(scene.things[1].noun,),
        noun=new,
    )


def _colour(rng: np.random.Generator, seed: int, nouns: int) -> Case:
    scene = _scene(rng, nouns, 2)
    one, other = (thing.noun for thing in scene.things)
    own = NOUNS[NOUN_INDEX[one]].colour
    (colour,) = _some(rng, [each for each in _COLOURS if each not in (scene.ground, own)])
    edit = plain(_with(scene, Thing(noun=one, colour=colour)))
    return Case(
        **_of(scene, seed, edit),
        kind="colour",
        words=(one,),
        others=(one, other),
        noun=one,
        colour=colour,
    )


def _setting(rng: np.random.Generator, seed: int, scene: Scene, new: Scene, words: tuple[str, ...]) -> Case:
    return Case(
        **_of(scene, seed, plain(new)),
        kind="place" if new.place else "ground",
        words=words,
        others=tuple(thing.noun for thing in scene.things),
        setting=new.place or new.ground,
    )


def _ground(rng: np.random.Generator, seed: int, nouns: int) -> Case:
    scene = _scene(rng, nouns, 2, is_plain=True)
    (new,) = _some(rng, [each for each in _GROUNDS if each != scene.ground])
    return _setting(rng, seed, scene, replace(scene, ground=new), (new, "background"))


def _place(rng: np.random.Generator, seed: int, nouns: int) -> Case:
    old, new = _some(rng, _PLACES, 2)
    scene = replace(_scene(rng, nouns, 2), place=old)
    return _setting(rng, seed, scene, replace(scene, place=new), (new,))


def _added(rng: np.random.Generator, seed: int, nouns: int) -> Case:
    scene = _scene(rng, nouns, 1)
    new = _other_noun(rng, nouns, scene)
    edit = plain(replace(scene, things=(*scene.things, Thing(noun=new))))
    return Case(
        **_of(scene, seed, edit),
        kind="added thing",
        words=(new,),
        others=(scene.things[0].noun,),
        noun=new,
    )


def _weight(rng: np.random.Generator, seed: int, nouns: int) -> Case:
    scene = _scene(rng, nouns, 2)
    one, other = (thing.noun for thing in scene.things)
    base = plain(scene)
    return Case(
        kind="weight 0",
        seed=seed,
        scene=scene,
        base=base,
        edit=base,
        words=(one,),
        plain=base.replace(one, f"({one}:0)", 1),
        others=(other,),
        scales={one: 0.0},
        gone=one,
    )


_MAKERS: dict[str, Callable[[np.random.Generator, int, int], Case]] = {
    "noun": _noun,
    "colour": _colour,
    "ground": _ground,
    "place": _place,
    "added thing": _added,
    "weight 0": _weight,
}


def composed(asked: Sequence[Case], world: World) -> list[Image.Image]:
    """A composed picture of each edit's first prompt, always the same for its seed."""
    images = []
    for case in asked:
        batch = world.compose([case.scene], Random(case.seed))
        values = (batch.pictures.images[0].permute(1, 2, 0) * 255).round().byte().numpy()
        images.append(Image.fromarray(values))
    return images
