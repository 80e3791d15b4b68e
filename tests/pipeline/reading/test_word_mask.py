"""A word's mask lies on the thing that the word names."""

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.maps.hysteresis import dilated, hysteresis
from limelight.pipeline.maps.selection import NoSuchMap

PROMPT = "a red apple to the left of a yellow star"


def test_a_mask_grows_from_strong_positions_to_connected_weaker_ones() -> None:
    map = torch.tensor([[1.0, 0.5, 0.1, 0.5], [0.0, 0.5, 0.3, 0.5]])
    assert hysteresis(map).int().tolist() == [[1, 1, 0, 0], [0, 1, 0, 0]]
    map[0, 2] = 0.45
    assert hysteresis(map).int().tolist() == [[1, 1, 1, 1], [0, 1, 0, 1]]
    assert not hysteresis(torch.zeros(2, 2)).any()


def test_dilation_reaches_so_many_rows_and_columns() -> None:
    mask = torch.zeros(5, 7, dtype=torch.bool)
    mask[2, 3] = True
    wide = dilated(mask, 1, 2)
    assert wide.nonzero().amin(0).tolist() == [1, 1]
    assert wide.nonzero().amax(0).tolist() == [3, 5]
    assert wide.sum() == 15


@pytest.fixture(scope="module")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu")


@pytest.fixture(scope="module")
def picture(pipe: TextToImagePipeline) -> Image.Image:
    return pipe(PROMPT, seed=4, num_steps=10).image


def test_words_are_found_on_the_sides_where_they_are(pipe: TextToImagePipeline, picture: Image.Image) -> None:
    masks = {}
    for word in ("apple", "star"):
        mask = pipe.word_mask(picture, word, prompt=PROMPT, grow=0)
        assert mask.mode == "L" and mask.size == picture.size
        masks[word] = np.asarray(mask) == 255
    middles = {word: np.nonzero(mask)[1].mean() / picture.width for word, mask in masks.items()}
    assert middles["apple"] < 0.4
    assert middles["star"] > 0.6
    assert not (masks["apple"] & masks["star"]).any()
    # on the apple it is red, and elsewhere nothing is
    red = np.asarray(picture).astype(int) @ [1, -1, -1] > 20
    assert (masks["apple"] & red).sum() / (masks["apple"] | red).sum() > 0.6


def test_a_grown_mask_contains_the_thing_and_its_edge(
    pipe: TextToImagePipeline, picture: Image.Image
) -> None:
    tight, wide = (np.asarray(pipe.word_mask(picture, "apple", grow=n)) == 255 for n in (0, 1))
    assert (wide | tight).sum() == wide.sum() > tight.sum()


def test_a_word_that_the_prompt_lacks_is_refused(pipe: TextToImagePipeline, picture: Image.Image) -> None:
    with pytest.raises(NoSuchMap, match="car"):
        pipe.word_mask(picture, "car", prompt=PROMPT)
    with pytest.raises(RequestError):
        pipe.word_mask("no such file.png", "car")


def test_a_mask_has_the_size_of_its_image(pipe: TextToImagePipeline, picture: Image.Image) -> None:
    for size in ((70, 67), (300, 301)):  # no multiples of 8, and far larger than the model's own
        mask = pipe.word_mask(picture.resize(size), "star", prompt=PROMPT)
        small = pipe.word_mask(picture, "star", prompt=PROMPT).resize(size)
        assert mask.size == size
        both = np.asarray(mask) / 255 * (np.asarray(small) / 255)
        assert both.sum() > 0.7 * max(np.asarray(mask).sum(), np.asarray(small).sum()) / 255
