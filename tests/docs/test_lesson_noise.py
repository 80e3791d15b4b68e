"""The key of docs/lessons/noise-and-steps.md says what its prompts draw."""

import re
from pathlib import Path

import numpy as np
import pytest

from limelight import GenerationRequest, TextToImagePipeline
from scripts.draw_lesson import ROWS
from tests.default_model import SIDE, part

pytestmark = pytest.mark.long

TEXT = (Path(__file__).parents[2] / "docs/lessons/noise-and-steps.md").read_text(encoding="utf-8")
APPLE, CAT, DOG = (
    "a red apple on a blue background",
    "a cat on a green background",
    "a dog on a green background",
)
STEPS = (1, 2, 4, 8)
GROUND = (part(0, 6), part(0, 6))


@pytest.fixture(scope="module")
def drawn() -> dict[tuple[str, int, int], np.ndarray]:
    """By prompt, seed and steps, everything that the lesson draws: h w 3, 0 to 255."""
    asked = [(APPLE, seed, 25) for seed in (7, 8, 9, 10)] + [("", seed, 25) for seed in (7, 8)]
    asked += [(APPLE, 7, steps) for steps in STEPS] + [(CAT, 3, 25), (DOG, 3, 25)]
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    requests = [GenerationRequest(prompt=prompt, seed=seed, num_steps=n) for prompt, seed, n in asked]
    pictures = [np.asarray(result.image.convert("RGB"), float) for result in pipe(requests)]
    return dict(zip(asked, pictures, strict=True))


def test_the_pictures_of_the_page_are_those_of_the_lesson(drawn) -> None:
    shown = [ROWS[name] for name in ("lesson-seeds.png", "lesson-steps.png", "lesson-pair.png")]
    assert {tuple(each[1:]) for row in shown for each in row} == set(drawn)
    assert all(
        f"images/{name}" in TEXT for name in ("lesson-seeds.png", "lesson-steps.png", "lesson-pair.png")
    )


def test_seeds_change_the_place_and_words_the_thing(drawn) -> None:
    for seed in (7, 8, 9, 10):  # d
        apple = drawn[APPLE, seed, 25]
        red, green, blue = apple[part(28, 40), part(28, 36)].mean((0, 1))
        assert red > green + 100 and red > blue + 100
        red, green, blue = apple[GROUND].mean((0, 1))
        assert blue > red + 80
        assert _leaf(apple)[1] < SIDE // 2  # at the left
    places = {tuple(np.round(_leaf(drawn[APPLE, seed, 25]))) for seed in (7, 8, 9, 10)}
    assert len(places) == 4
    red, green, blue = drawn["", 7, 25][GROUND].mean((0, 1))  # f: pink
    assert red > 220 and red > blue > green
    red, green, blue = drawn["", 8, 25][GROUND].mean((0, 1))  # teal
    assert green > red + 60 and blue > red + 60


def test_more_steps_change_less_and_less(drawn) -> None:
    match = re.search(r"1 step by (\d+), 2 steps by (\d+), 4 steps by (\d+),\s+8 steps by (\d+)", TEXT)
    assert match
    for steps, said in zip(STEPS, map(int, match.groups()), strict=True):  # h
        off = np.abs(drawn[APPLE, 7, steps] - drawn[APPLE, 7, 25]).mean()
        assert off == pytest.approx(said, abs=1.5)


def test_one_word_changes_the_thing_and_not_the_ground(drawn) -> None:
    cat, dog = drawn[CAT, 3, 25], drawn[DOG, 3, 25]
    assert np.abs(cat - dog)[part(0, 10)].mean() < 2  # l
    assert np.abs(cat - dog)[part(20, 50), part(20, 50)].mean() > 20


def _leaf(picture: np.ndarray) -> tuple[float, float]:
    """Row and column of the middle of what is green."""
    red, green, blue = np.moveaxis(picture, -1, 0)
    rows, columns = np.nonzero((green > red + 20) & (green > blue + 20))
    return float(rows.mean()), float(columns.mean())
