"""The describer of the second world is trained, shipped and loaded."""

from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline.describer.load import load_describer
from limelight.pipeline.describer.network import Reader
from scripts.describer.scores import answers_right, captions_right, named_rightly, regions_right
from scripts.describer.ship import ship
from scripts.describer.training import describer_stage
from scripts.second.describer.gallery import Gallery, turned_art
from scripts.second.describer.train import reader_config
from scripts.second.world.layout import PIXELS
from scripts.second.world.nouns import NOUNS
from scripts.second.world.scene import Scene, Thing
from scripts.second.world.tiles import ARTS, save_tiles
from scripts.training.config import StageConfig
from scripts.training.loop import run

SIDE = 24  # pixels of the art: it is small, to be read fast


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    """Every noun a coloured square with a notch at its right."""
    folder = tmp_path_factory.mktemp("small")
    tiles = np.zeros((len(ARTS), len(NOUNS), SIDE, SIDE, 4), np.uint8)
    shades = np.random.default_rng(0).integers(40, 230, (len(NOUNS), 3))
    tiles[:, :, 2:-2, 2:-2, :3] = shades[:, None, None]
    tiles[:, :, 2:-2, 2:-2, 3] = 255
    tiles[:, :, 6:12, 14:, 3] = 0
    save_tiles(tiles, folder)
    return Gallery(folder, 0, pool=4)


def test_free_pictures_have_things_without_a_word_and_empty_grounds(gallery: Gallery) -> None:
    views = gallery.sample(160, np.random.default_rng(0), free=True).views
    assert any(thing.noun is None for view in views for thing in view.things)
    assert any(not view.things for view in views)
    plain = gallery.sample(40, np.random.default_rng(0))
    assert len(plain.views) == len(plain.images) == len(plain.masks) == 40
    assert all(thing.noun for view in plain.views for thing in view.things)
    assert plain.images.shape[1:] == (3, PIXELS, PIXELS) and plain.images.abs().max() <= 1


def test_a_picture_whose_thing_cannot_be_seen_is_left_out(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenes = [Scene(things=(Thing(noun="apple"),)), Scene(things=(Thing(noun="car"),))]
    compose = gallery.world.compose

    def hiding(scenes: list[Scene], rng: Random):  # type: ignore[no-untyped-def]
        batch = compose(scenes, rng)
        covered = batch.pictures.covered.clone()
        covered[0] = 0.9
        return replace(batch, pictures=replace(batch.pictures, covered=covered))

    monkeypatch.setattr(gallery.world, "compose", hiding)
    assert [view.things[0].noun for view in gallery.show(scenes, Random(0)).views] == ["car"]


def test_art_that_looks_the_same_when_turned_has_no_pose() -> None:
    bar, flag = np.zeros((2, 32, 32, 4), np.uint8)
    bar[20:, 4:28] = 255
    flag[12:, 4:28, 3] = 255
    flag[12:22, 4:28, :3] = 255
    names = NOUNS[0].word, NOUNS[1].word
    found = turned_art(np.stack([bar, flag]))
    assert found == {(names[0], "sleeping"), (names[1], "sleeping"), (names[1], "upside down")}


def test_two_steps_are_trained_shipped_and_loaded(gallery: Gallery, tmp_path: Path) -> None:
    config = replace(reader_config(gallery.words), widths=(8, 8, 16, 16), dim=32, layers=2)
    stage = describer_stage(
        gallery, config, StageConfig(steps=2, batch=4, learning_rate=1e-3, muon=True), None, uses=2
    )
    stage.report = lambda step: {}
    run(stage, tmp_path, log_every=1)
    ship(tmp_path, tmp_path / "shipped", gallery.words, config, "A card. {}")
    describer = load_describer(tmp_path / "shipped", device="cpu")
    shown = gallery.sample(4, np.random.default_rng(1))
    describer.reader.encoder.known[-1].bias.data.fill_(9.0)  # type: ignore[attr-defined]
    picture = ((shown.images[0] + 1) * 127.5).byte().permute(1, 2, 0).numpy()
    assert describer.describe(Image.fromarray(picture)).known > 0.9
    assert describer.ask(Image.fromarray(picture), "where is this?").text is not None


def test_scores_count_every_kind(gallery: Gallery) -> None:
    torch.manual_seed(0)
    config = replace(reader_config(gallery.words), widths=(8, 8, 16, 16), dim=32, layers=1)
    reader = Reader(config).eval()
    shown = gallery.sample(12, np.random.default_rng(2))
    rates = captions_right(reader, gallery.words, shown)
    assert {"thing", "count", "place", "style", "whole caption"} <= set(rates)
    few = replace(shown, views=shown.views[:2], images=shown.images[:2], masks=shown.masks[:2])
    answers = answers_right(reader, gallery.words, gallery.kinds, few, np.random.default_rng(3))
    assert {"where is this", "made of", "is it at", "is there"} <= set(answers)
    assert {"thing", "place"} <= set(regions_right(reader, gallery.words, shown))
    assert named_rightly(reader, gallery.words, shown, lambda thing: thing.noun is not None)[1] > 0


def test_the_network_is_small_enough(gallery: Gallery) -> None:
    reader = Reader(reader_config(gallery.words))
    assert 2 * sum(x.numel() for x in reader.state_dict().values()) <= 5_000_000  # bytes in float16
