"""A second world of plain tiles: every noun a disc of its own hue, so no art has to be fetched."""

import colorsys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from limelight.pipeline.models.locate import DEFAULT_MODEL
from scripts.build_dataset import SECOND_MAX_TOKENS
from scripts.second.training.config import TWO_CORES, PoolConfig, TrainConfig
from scripts.second.training.data import World
from scripts.second.world.captions import every_word
from scripts.second.world.nouns import CORE, NOUNS
from scripts.second.world.tiles import ARTS, TILE, save_tiles
from scripts.training.config import StageConfig
from scripts.world.tokenizer import save_tokenizer


@pytest.fixture(scope="session")
def world_folder(tmp_path_factory) -> Path:
    """A folder as `build_dataset --edition 2` makes it; the tokenizer has the published model's merges."""
    folder = tmp_path_factory.mktemp("world2")
    rows, columns = np.mgrid[:TILE, :TILE]
    disc = np.hypot(rows - TILE / 2, columns - TILE / 2) < TILE / 2 - 2
    tiles = np.zeros((len(ARTS), len(NOUNS), TILE, TILE, 4), np.uint8)
    for number in range(len(NOUNS)):
        rgb = colorsys.hsv_to_rgb(number / len(NOUNS), 0.9, 0.9)
        tiles[:, number] = np.where(disc[..., None], np.array([*rgb, 1]) * 255, 0)
    save_tiles(tiles, folder)
    lines = (DEFAULT_MODEL / "tokenizer" / "merges.txt").read_text().splitlines()[1:]
    merges = [(left, right) for left, right in (line.split() for line in lines)]
    save_tokenizer(merges, every_word(), folder / "tokenizer", SECOND_MAX_TOKENS)
    return folder


@pytest.fixture(scope="session")
def world(world_folder) -> World:
    return World(world_folder, replace(TWO_CORES.mixture, nouns=CORE), 0)


@pytest.fixture(scope="session")
def tiny() -> TrainConfig:
    """Everything as small as it gets."""

    def stage(batch: int) -> StageConfig:
        return StageConfig(steps=4, batch=batch, learning_rate=1e-3, warmup=2, muon=True)

    vae = replace(
        TWO_CORES.vae, channels=(8, 8, 16, 16), stage=stage(1), mixture=TWO_CORES.mixture, measured=4
    )
    text = replace(TWO_CORES.text, width=32, layers=1, heads=2, stage=stage(8))
    pool = PoolConfig(chunk=4, window=2, uses=2, encode=4)
    unet = replace(
        TWO_CORES.unet, channels=(16, 16, 16), heads=2, groups=8, pool=pool, stage=stage(2), held_out=4
    )
    return replace(TWO_CORES, inherits=None, vae=vae, text=text, unet=unet)
