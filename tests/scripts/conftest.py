"""A world of plain tiles: every noun a disc of its own hue, so no art has to be fetched."""

import colorsys

import numpy as np
import pytest

from scripts.training.data import World
from scripts.world.scene import Mixture
from scripts.world.tiles import TILE, save_tiles
from scripts.world.vocabulary import NOUNS, STYLES


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory):
    """A folder as `build_dataset` makes it, without the tokenizer."""
    folder = tmp_path_factory.mktemp("world")
    rows, columns = np.mgrid[:TILE, :TILE]
    disc = np.hypot(rows - TILE / 2, columns - TILE / 2) < TILE / 2 - 2
    tiles = np.zeros((len(STYLES), len(NOUNS), TILE, TILE, 4), np.uint8)
    for number in range(len(NOUNS)):
        rgb = colorsys.hsv_to_rgb(number / len(NOUNS), 0.9, 0.9)
        tiles[:, number] = np.where(disc[..., None], np.array([*rgb, 1]) * 255, 0)
    save_tiles(tiles, folder)
    return folder


@pytest.fixture(scope="session")
def world(world_folder) -> World:
    return World(world_folder, Mixture(), 0)
