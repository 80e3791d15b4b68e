"""A world of plain tiles, every noun a disc of its own hue, so that no art has to be fetched; and a model."""

import colorsys
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import UNet2DConditionModel

from limelight.pipeline.models.locate import DEFAULT_MODEL
from scripts.training.config import SHIPPED
from scripts.training.data import World
from scripts.training.text import TextSide
from scripts.training.unet import scheduler, unet_config
from scripts.training.vae import build_vae
from scripts.world.captions import every_word
from scripts.world.scene import Mixture
from scripts.world.tiles import TILE, save_tiles
from scripts.world.tokenizer import save_tokenizer
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


@pytest.fixture(scope="session")
def first_edition(tmp_path_factory) -> Path:
    """The folder of a model as `scripts.training` makes it, with random weights, whatever the default model
    is; the tokenizer has the published model's merges."""
    folder = tmp_path_factory.mktemp("first")
    lines = (DEFAULT_MODEL / "tokenizer" / "merges.txt").read_text().splitlines()[1:]
    merges = [(left, right) for left, right in (line.split() for line in lines)]
    save_tokenizer(merges, every_word(), folder / "tokenizer")
    torch.manual_seed(0)
    TextSide(SHIPPED, folder / "tokenizer").encoder.save_pretrained(folder / "text_encoder")
    UNet2DConditionModel.from_config(unet_config(SHIPPED)).save_pretrained(folder / "unet")
    build_vae(SHIPPED).save_pretrained(folder / "vae")
    scheduler(SHIPPED).save_pretrained(folder / "scheduler")
    return folder
