"""Regions that follow a word of the prompt: their place, their start, and what leaves them unchanged."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.maps.hysteresis import hysteresis
from limelight.pipeline.requests.steering import Region
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.coverage import coverage
from limelight.pipeline.sampling.steering import place_of_word, start_steering
from tests.pipeline.stock import largest_difference

FOLLOWS = ("a car@word=dog;start=0.5;weight=2;negative_prompt=grey", "a cat@0,0,0.3,1")


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


def request(**fields: Any) -> GenerationRequest:
    given = {"prompt": "an apple and a dog", "seed": 3, "num_steps": 4, "width": 32, "height": 24}
    return GenerationRequest(**(given | fields))


def test_a_region_is_written_with_a_word_and_comes_back_from_json() -> None:
    (region,) = request(regions=FOLLOWS[:1]).regions
    assert region == Region("a car", word="dog", start=0.5, weight=2.0, negative_prompt="grey")
    stored = json.loads(json.dumps(request(regions=FOLLOWS).to_dict()))
    assert GenerationRequest.from_dict(stored) == request(regions=FOLLOWS)


@torch.inference_mode()
def test_the_region_lies_where_the_word_is_seen_from_its_start_on(sd: TextToImagePipeline) -> None:
    seen = sd(request(record="grid", record_extras=("refined",), num_steps=2)).maps
    assert seen is not None
    resolved = sd.engine.resolve(request(regions=FOLLOWS))
    steering = start_steering(resolved, sd.model, sd.model.text.prompt(resolved.prompt))
    grid, roles = (12, 16), ["negative", "prompt"]
    _, before = steering.rows(roles, 0.25, seen)  # type: ignore[arg-type]
    assert before is not None and before.groups[0].weight(grid).max() == 0
    for progress in (0.5, 0.75):  # once found, it stays
        negative, prompt = steering.rows(roles, progress, seen)  # type: ignore[arg-type]
        assert negative is not None and prompt is not None and prompt.weight is not None
        place = Region("x", mask=place_of_word(seen, "dog"))
        covered = coverage(place, grid).flatten()
        own = prompt.groups[0].weight(grid)
        assert (own[covered > 0.99] > 0.3).all() and own.max() <= 0.8 + 1e-6
        total = prompt.weight(grid) + sum(group.weight(grid) for group in prompt.groups)
        torch.testing.assert_close(total, torch.ones(12 * 16))
        assert torch.equal(negative.groups[0].weight(grid), own)


def test_the_place_of_a_word_is_what_its_map_says(sd: TextToImagePipeline) -> None:
    maps = sd(request(record="grid", record_extras=("refined",))).maps
    assert maps is not None
    mask = place_of_word(maps, "dog")
    expected = hysteresis(maps.raw.refined.word("dog")).numpy()
    levels = np.frombuffer(mask.levels, np.uint8).reshape(mask.height, mask.width)
    assert (mask.width, mask.height) == (32, 24)
    assert np.array_equal(levels > 127, expected)


@pytest.mark.parametrize("record", [{}, {"record": "grid"}, {"record": "head", "record_extras": ("steps",)}])
def test_maps_that_are_asked_for_do_not_change_the_picture(
    sd: TextToImagePipeline, record: dict[str, Any]
) -> None:
    plain = sd(request(regions=FOLLOWS))
    result = sd(request(regions=FOLLOWS, **record))
    assert largest_difference(result.image, plain.image) == 0
    assert (result.maps is not None) == bool(record)
    assert largest_difference(plain.image, sd(request(regions=FOLLOWS[1:])).image) > 1


def test_a_picture_is_the_same_in_any_company_and_from_its_record(
    sd: TextToImagePipeline, tmp_path: Path
) -> None:
    asked = request(regions=FOLLOWS, hires_scale=1.5)
    others = [request(seed=9), request(prompt="a BREAK b", regions=("a car@word=b",), pick=2)]
    together = sd([others[0], asked, others[1]])
    assert largest_difference(together[1].image, sd(asked).image) <= 1
    again = request_of(read_record(together[1].save(tmp_path / "a.png")))
    assert largest_difference(sd(again).image, together[1].image) <= 1


@pytest.mark.parametrize(
    ("region", "words"),
    [
        ("a car@word=dgo", "regions has 'dgo', which the prompt does not have; did you mean dog?"),
        ("a car@word=", "the region 'a car' needs a box or a mask, one of the two; none is given"),
        ({"prompt": "x", "word": "dog", "box": (0, 0, 0.5, 1)}, "has a word and a box or a mask; give one"),
        ("a car@word=dog;start=1", "the start of the region 'a car' is 1.0; must be from 0.01 to 0.99"),
        ({"prompt": "x", "word": 5}, "the word of a region is 5; must be text"),
    ],
)
def test_words_that_cannot_be_followed_are_refused(region: Any, words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(regions=[region])
    assert words in str(refusal.value)


def test_a_mask_has_some_white_where_a_map_is_not_all_zero() -> None:
    map = torch.zeros(4, 6)
    map[1, 2], map[1, 3], map[3, 5] = 1.0, 0.5, 0.45
    found = hysteresis(map)
    assert found.nonzero().tolist() == [[1, 2], [1, 3]]
    assert Image.fromarray(found.numpy()).getbbox() == (2, 1, 4, 2)
