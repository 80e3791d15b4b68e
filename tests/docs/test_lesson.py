"""The lesson's prompts draw what its key says."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight import Result, TextToImagePipeline
from scripts.draw_lesson import PICTURES
from tests.default_model import SIDE, part

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/lessons/words-and-places.md").read_text(encoding="utf-8")
MIDDLE = (part(28, 36), part(28, 36))
LEAF = (26 * SIDE // 64, 11 * SIDE // 64)
GROUND = (part(0, 6), part(0, 6))


@pytest.fixture(scope="module")
def drawn() -> dict[str, Result]:
    """By prompt, everything that the lesson has drawn."""
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    commands = re.findall(r'^limelight "([^"]+)" --seed (\d+) --maps lesson/$', TEXT, re.MULTILINE)
    return {prompt: pipe(prompt, seed=int(seed), record="grid") for prompt, seed in commands}


def light(result: Result, word: str) -> torch.Tensor:
    assert result.maps is not None
    return result.maps.word(word)


def test_what_is_typed_on_the_page_and_in_a_terminal_is_the_same(drawn: dict[str, Result]) -> None:
    typed = re.findall(r"(?:Prompt\*|Type): `([^`]+)`(?:\. Type into \*Seed\*: `|, seed `)(\d+)`", TEXT)
    assert {(prompt, int(seed)) for prompt, seed in typed} == {
        (prompt, result.request.seed) for prompt, result in drawn.items()
    }
    assert set(PICTURES.values()) <= {(prompt, result.request.seed) for prompt, result in drawn.items()}


def test_the_key_of_one_thing(drawn: dict[str, Result]) -> None:
    one = drawn["a red apple on a blue background"]
    assert float(light(one, "apple").max()) == pytest.approx(0.57, abs=0.03)  # b
    assert float(light(one, "red").max()) == pytest.approx(0.26, abs=0.03)
    assert float(light(one, "on").max()) < 0.04
    assert one.maps is not None
    at_leaf = list(one.maps.at(*LEAF).items())[:2]  # d
    assert [word for word, _ in at_leaf] == ["apple", "red"]
    assert at_leaf[0][1] == pytest.approx(0.3, abs=0.05)
    red, green, blue = one.image.convert("RGB").getpixel(LEAF)
    assert green > red + 20 and green > blue + 20
    blue_light = light(one, "blue")  # e
    assert float(blue_light.max()) < 0.02
    assert float(blue_light[GROUND].mean()) > 10 * float(blue_light[MIDDLE].mean())


def test_the_key_of_two_things(drawn: dict[str, Result]) -> None:
    two = drawn["a red apple and a yellow banana on a blue background"]
    places = {
        word: np.unravel_index(int(light(two, word).argmax()), (SIDE, SIDE))[1]
        for word in ("red", "apple", "yellow", "banana")
    }
    assert min(places["red"], places["apple"]) > SIDE // 2 > max(places["yellow"], places["banana"])


def test_the_key_of_the_fair_test(drawn: dict[str, Result]) -> None:
    red, none, green = (drawn[f"{a} apple on a blue background"] for a in ("a red", "an", "a green"))
    middles = [
        np.asarray(each.image.convert("RGB"), float)[MIDDLE].mean((0, 1)) for each in (red, none, green)
    ]
    redness = [float(r - g) for r, g, _ in middles]
    assert redness[0] > 100 and redness[1] > 100 and redness[2] < -20  # i
    assert none.maps is not None and red.maps is not None
    assert none.maps.at(SIDE // 2, SIDE // 2)["apple"] == pytest.approx(0.81, abs=0.04)  # j
    shares = red.maps.at(SIDE // 2, SIDE // 2)
    assert (shares["apple"], shares["red"]) == (pytest.approx(0.44, abs=0.03), pytest.approx(0.23, abs=0.03))


def test_a_word_that_is_not_known_lights_up(drawn: dict[str, Result]) -> None:
    assert float(light(drawn["a red zebra on a blue background"], "zebra").max()) > 0.5  # k
