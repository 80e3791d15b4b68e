"""Choosing a start by its maps: the score, the message, the picture, and refusals."""

from pathlib import Path
from typing import Any

import pytest
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.requests.fields import MAX_SEED
from limelight.pipeline.results.png import read_record, request_of
from limelight.pipeline.sampling.pick import Picked, Start, things
from limelight.pipeline.text.encoder import words_of
from tests.pipeline.stock import largest_difference


@pytest.fixture(scope="module")
def sd(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


@pytest.fixture(scope="module")
def default() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu")


def request(**fields: Any) -> GenerationRequest:
    given = {"prompt": "an apple and a dog", "seed": 3, "num_steps": 3}
    return GenerationRequest(**(given | fields))


def test_the_best_start_is_drawn_as_if_its_seed_had_been_asked_for(
    sd: TextToImagePipeline, tmp_path: Path
) -> None:
    picked = sd(request(pick=5, record="grid", paint="apple@0,0,0.5,1"))
    seed = picked.request.seed
    assert picked.request == sd.engine.resolve(request(seed=seed, record="grid", paint="apple@0,0,0.5,1"))
    assert largest_difference(picked.image, sd(picked.request).image) <= 1
    record = read_record(picked.save(tmp_path / "a.png"))
    assert sorted(record["pick"]["seeds"]) == [3, 4, 5, 6, 7] and record["pick"]["seeds"][0] == seed
    assert record["pick"]["scores"] == sorted(record["pick"]["scores"], reverse=True)
    assert request_of(record).pick == 1
    assert picked.maps is not None and picked.maps.num_steps == 3


def test_starts_are_tried_in_calls_of_the_prompts_rows_alone(
    sd_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu", max_rows=4)
    rows: list[int] = []
    forward = pipe.model.unet.forward
    monkeypatch.setattr(
        pipe.model.unet, "forward", lambda x, *a, **k: (rows.append(len(x)), forward(x, *a, **k))[1]
    )
    steps = list(pipe.stream([request(pick=6)]))
    assert rows == [4, 2, 2, 2, 2]
    assert steps[-1].result is not None  # a request that records nothing is picked by maps too
    assert len(set(steps[-1].result.info["pick"]["scores"])) > 1
    assert steps[-1].result.maps is None
    assert [step.index for step in steps] == [1, 2, 3]


def test_the_choice_is_the_same_in_any_company_and_number_of_rows(sd: TextToImagePipeline) -> None:
    alone = sd(request(pick=4)).request
    together = sd([request(seed=9), request(pick=4), request(pick=4, paint="dog@0,0,1,.5;hand=firm")])
    assert together[1].request == alone
    assert together[2].request.pick == 1


def test_the_score_of_a_start_is_its_weakest_word_minus_overlaps() -> None:
    starts = [
        Start(1, {"cat": 0.9, "dog": 0.2}, 0.1),
        Start(2, {"cat": 0.5, "dog": 0.6}, 0.9),
        Start(3, {"cat": 0.5, "dog": 0.5}, 0.2),
    ]
    assert [round(start.score, 3) for start in starts] == [0.19, 0.41, 0.48]
    picked = Picked(sorted(starts, key=lambda start: -start.score))
    assert picked.why == ["seed 3: both have a place", "seed 1: *dog* has none"]
    one = Picked([Start(4, {"cat": 0.5}, 0.0), Start(5, {"cat": 0.4}, 0.0)])
    assert one.why == ["seed 4: *cat* has a place", "seed 5: *cat* has 80% of that"]


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("two apples and a red dog on a blue background", ["apples", "dog"]),
        ("a cat above a cat", ["cat"]),
        ("red", ["red"]),
    ],
)
def test_words_with_a_place_are_those_of_things(
    default: TextToImagePipeline, prompt: str, words: list[str]
) -> None:
    encoded = default.model.text.prompt(prompt)
    found = things(words_of(prompt, encoded.tokens), default.model)
    assert list(found) == words
    assert len(set(sum(found.values(), ()))) == sum(map(len, found.values()))


def test_a_prediction_that_is_not_finite_is_the_last_choice(
    sd: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    forward = sd.model.unet.forward

    def broken(x: torch.Tensor, *args: Any, **options: Any) -> torch.Tensor:
        out = forward(x, *args, **options)
        if len(x) == 1 or len(x) == 3:  # starts; and the first of them again, by itself
            out[0] = torch.nan
        return out

    monkeypatch.setattr(sd.model.unet, "forward", broken)
    picked = sd(request(pick=3)).info["pick"]
    assert picked["seeds"][-1] == 3 and picked["scores"][-1] < 0


def test_several_pictures_have_no_start_in_common() -> None:
    assert [each.seed for each in request(pick=8).repeated(3)] == [3, 11, 19]
    assert [each.seed for each in request().repeated(3)] == [3, 4, 5]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"pick": 0}, "pick is 0; must be from 1 to 64"),
        ({"pick": 65}, "pick is 65; must be from 1 to 64"),
        ({"pick": 2, "image": "a.png"}, "pick is 2 and image is given; starts differ in their noise"),
        ({"pick": 2, "seed": MAX_SEED}, "seed + pick - 1 is"),
    ],
)
def test_requests_that_cannot_be_picked_are_refused(fields: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError) as refusal:
        request(**fields)
    assert words in str(refusal.value)
