"""Pictures, texts and regions of the describer's training."""

from pathlib import Path

import numpy as np
import pytest
import torch

from limelight.pipeline.describer.network import GRID, PIXELS, Reader, ReaderConfig
from limelight.pipeline.describer.vocabulary import ASK, DESCRIBE, END
from scripts.describer import data
from scripts.describer.captions import caption
from scripts.describer.data import Gallery, words_of_the_world
from scripts.describer.strangers import stranger
from scripts.describer.texts import IGNORED, TEXTS, texts_of
from scripts.describer.training import loss_of
from scripts.describer.view import OWN_COLOURS
from scripts.second.world import tiles as second_tiles
from scripts.second.world.nouns import NOUNS as MORE_NOUNS
from scripts.world.scene import Scene, Thing, is_held_out
from scripts.world.vocabulary import NOUN_INDEX, NOUNS

pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def gallery(world_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Gallery:
    second = tmp_path_factory.mktemp("second")
    side = second_tiles.TILE
    tiles = np.full((len(second_tiles.ARTS), len(MORE_NOUNS), side, side, 4), 200, np.uint8)
    second_tiles.save_tiles(tiles, second)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "POOL", 12)
        return Gallery(world_folder, second, 0)


def test_a_word_looks_at_what_it_names(gallery: Gallery) -> None:
    rng = np.random.default_rng(0)
    shown = gallery.sample(16, rng)
    words = words_of_the_world()
    texts = texts_of(shown, words, gallery.kinds, rng)
    length = texts.ids.shape[1]
    torch.testing.assert_close(texts.regions.sum(1), torch.ones(len(texts.regions)), atol=1e-4, rtol=0)
    for flat, region in zip(texts.looking.tolist(), texts.regions, strict=True):
        row, at = divmod(flat, length)
        view, word = shown.views[row // TEXTS], words.tokens[int(texts.ids[row, at])]
        for thing in view.things:
            if word == thing.noun:
                x, y = int(thing.x * GRID), int(thing.y * GRID)
                assert region.unflatten(0, (GRID, GRID))[y, x] > 0


def test_only_what_is_written_is_learned(gallery: Gallery) -> None:
    rng = np.random.default_rng(1)
    shown = gallery.sample(8, rng, free=True)
    words = words_of_the_world()
    texts = texts_of(shown, words, gallery.kinds, rng)
    describe, ask, end, mark = words.ids([DESCRIBE, ASK, END, "?"])
    for row, (ids, target) in enumerate(zip(texts.ids.tolist(), texts.target.tolist(), strict=True)):
        learned = [word for word in target if word != IGNORED]
        assert learned[-1] == end
        if row % TEXTS == 0:
            assert ids[0] == describe
            said = [words.tokens[word] for word in learned[:-1]]
            assert said == [word for word, _ in caption(shown.views[row // TEXTS], words)]
        else:
            assert ids[0] == ask
            first = target.index(learned[0])
            assert ids[first] == mark and target[:first] == [IGNORED] * first


@pytest.mark.parametrize("held_out", [False, True])
def test_training_shows_no_held_out_combination(gallery: Gallery, held_out: bool) -> None:
    for view in gallery.sample(100, np.random.default_rng(2), held_out=held_out).views:
        things = []
        for thing in view.things:
            own = (NOUNS[NOUN_INDEX[thing.noun]].native, OWN_COLOURS.get(thing.noun))
            things.append(Thing(thing.noun, None if thing.colour in own else thing.colour))
        assert is_held_out(Scene(tuple(things))) is held_out


def test_every_kind_of_stranger_is_a_picture() -> None:
    rng = np.random.default_rng(3)
    tiles = np.full((3, 32, 32, 4), 120, np.uint8)
    for _ in range(60):
        picture = stranger(rng, tiles, PIXELS)
        assert picture.shape == (PIXELS, PIXELS, 3) and picture.dtype == np.float32
        assert 0 <= picture.min() and picture.max() <= 1


def test_a_few_steps_lower_the_loss(gallery: Gallery) -> None:
    rng = np.random.default_rng(4)
    words = words_of_the_world()
    shown = gallery.sample(8, rng)
    texts = texts_of(shown, words, gallery.kinds, rng)
    torch.manual_seed(0)
    config = ReaderConfig(num_words=len(words.tokens), widths=(8, 8, 16, 16), dim=32)
    reader = Reader(config, backend="math")
    optimizer = torch.optim.AdamW(reader.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        loss, parts = loss_of(reader, shown.images, texts, torch.ones(8))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(parts)
    assert losses[-1]["words"] < 0.8 * losses[0]["words"]
    assert losses[-1]["maps"] < losses[0]["maps"] and losses[-1]["known"] < losses[0]["known"]
