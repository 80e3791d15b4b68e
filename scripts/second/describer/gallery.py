"""Pictures of the second world for the describer."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import torch
from PIL import Image

from scripts.describer.strangers import strangers
from scripts.describer.texts import Shown
from scripts.describer.view import View
from scripts.second.describer.questions import KINDS
from scripts.second.describer.view import Turned, is_readable, seen_style, view_of, without_things
from scripts.second.describer.words import COMMON, NAMED, words_of_the_world
from scripts.second.scoring.judge_stage import blurred
from scripts.second.training.data import Batch, World
from scripts.second.world.layout import PIXELS
from scripts.second.world.nouns import NOUNS
from scripts.second.world.sampling import Mixture, sample_scene
from scripts.second.world.scene import Scene
from scripts.second.world.tiles import load_tiles

MIXTURE = Mixture(
    single=0.4, pair=0.4, three=0.06, related=0.88, coloured=0.45, material=0.14, posed=0.14, sized=0.16,
    worn=0.07, studio=0.3, said=1.0, odd=0.4, sunset=0.15, night=0.18, weather=0.14,
    styles=(("flat", 0.1), ("silhouette", 0.03), ("sketch", 0.03), ("pixel art", 0.03)), nouns=COMMON,
)  # fmt: skip
UNNAMED = 0.07  # the share of things that are shown by art without a word
EMPTY = 0.02
BLURRED = 0.04
POOL = 2000  # pictures of other worlds that are kept
HELD_OUT_ART = 5  # each fifth picture without a word is kept for scores
ALIKE = 0.14  # the mean difference of art and turned art, in 0..1, up to which they look alike


class Gallery:
    """Composes pictures of the world, some with art that has no word, and pictures of other worlds.

    Args:
        held_out: art that training does not show stands for things without a word.
        pool: number of pictures of other worlds.
        device: of pictures and masks.
    """

    def __init__(
        self, folder: Path, seed: int, *, held_out: bool = False, pool: int = POOL, device: str = "cpu"
    ) -> None:
        self.words, self.kinds = words_of_the_world(), KINDS
        self.world = World(folder, replace(MIXTURE, nouns=len(NOUNS)), seed, device)
        tiles = load_tiles(folder)
        self.turned = turned_art(tiles[0, :COMMON])
        unnamed = [noun.word for noun in NOUNS if noun.word not in NAMED]
        self.unnamed = [word for at, word in enumerate(unnamed) if (at % HELD_OUT_ART == 0) == held_out]
        self.strangers = strangers(np.random.default_rng([seed, 1]), tiles[0], pool, PIXELS)

    def sample(
        self, count: int, rng: np.random.Generator, *, free: bool = False, held_out: bool = False
    ) -> Shown:
        """Random pictures whose things can all be seen."""
        random = Random(int(rng.integers(2**63)))
        mixture = replace(MIXTURE, held_out=held_out)
        parts: list[Shown] = []
        missing = count
        while missing > 0:
            scenes = [seen_style(named_scene(random, mixture)) for _ in range(missing)]
            if free:
                scenes = [self._unnamed(scene, random) for scene in scenes]
            parts.append(self.show(scenes, random, free=free))
            missing -= len(parts[-1].views)
        return Shown(
            [view for part in parts for view in part.views],
            torch.cat([part.images for part in parts]),
            torch.cat([part.masks for part in parts]),
        )

    def show(self, scenes: list[Scene], random: Random, *, free: bool = False) -> Shown:
        """Composed scenes, without those of which a thing cannot be seen."""
        batch = self.world.compose(scenes, random)
        read = readable(batch)
        rows = [row for row in range(len(scenes)) if is_readable(read, row)]
        images, masks, views = batch.images.clone(), batch.pictures.things.clone(), list[View]()
        for row in rows:
            chance = random.random() if free else 1.0
            is_blurred = EMPTY < chance < EMPTY + BLURRED and scenes[row].style in ("3d", "flat")
            view = view_of(read, row, self.turned, blurred=is_blurred)
            if is_blurred:
                images[row] = blurred(images[row : row + 1])[0]
            if chance < EMPTY:
                view = without_things(view)
                images[row], masks[row] = self._empty(batch, row), 0
            views.append(view)
        return Shown(views, images[rows], masks[rows])

    def _empty(self, batch: Batch, row: int) -> torch.Tensor:
        """The picture without its things."""
        layout = batch.layout[row : row + 1].to(self.world.device)
        nothing = replace(layout, noun=torch.full_like(layout.noun, -1))
        return self.world.painter.paint(nothing).images[0] * 2 - 1

    def _unnamed(self, scene: Scene, random: Random) -> Scene:
        """The scene with art without a word in the place of some things."""
        things = tuple(
            replace(thing, noun=random.choice(self.unnamed)) if random.random() < UNNAMED else thing
            for thing in scene.things[: 1 if scene.relation == "wearing" else None]
        )
        return replace(scene, things=(*things, *scene.things[len(things) :]))


def readable(batch: Batch) -> Batch:
    """The batch with all that views are read from on the CPU: one copy, not one for each number."""
    things, covered = batch.pictures.things.cpu(), batch.pictures.covered.cpu()
    return replace(
        batch,
        layout=batch.layout.to("cpu"),
        pictures=replace(batch.pictures, things=things, covered=covered),
    )


def named_scene(random: Random, mixture: Mixture) -> Scene:
    """A random scene of which each thing has a word."""
    while True:
        scene = sample_scene(random, mixture)
        if all(thing.noun in NAMED for thing in scene.things):
            return scene


def turned_art(tiles: np.ndarray) -> Turned:
    """The nouns with words that look different on their side (`sleeping`) or `upside down`.

    Args:
        tiles: uint8 (nouns, side, side, 4).
    """
    found = set()
    for noun, tile in zip(NOUNS, tiles, strict=False):
        small = np.asarray(Image.fromarray(tile).resize((32, 32), Image.Resampling.BOX), np.float32) / 255
        drawn = np.concatenate([small[..., :3] * small[..., 3:], small[..., 3:]], -1)
        rows = np.flatnonzero(drawn[..., 3].any(1))
        middle = np.roll(drawn, (len(drawn) - 1 - rows[0] - rows[-1]) // 2, 0)  # art stands on the lower edge
        for pose, quarters in (("sleeping", 1), ("upside down", 2)):
            other = np.rot90(middle, quarters)
            either = np.maximum(middle, other)[..., 3].sum()
            if np.abs(middle - other).mean(-1).sum() / either > ALIKE:
                found.add((noun.word, pose))
    return found
