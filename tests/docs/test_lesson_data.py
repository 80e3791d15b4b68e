"""The key of docs/lessons/training-data.md says what its prompts draw, and what training showed."""

import re
from collections.abc import Mapping
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch

from limelight import GenerationRequest, TextToImagePipeline
from scripts.draw_lesson import ROWS
from scripts.training.scoring.judge import Found, trained_judge
from scripts.world.vocabulary import BACKGROUNDS, COLOURS, COUNTS, NOUNS, colour_is_held_out

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/lessons/training-data.md").read_text(encoding="utf-8")
NEVER_SHOWN = (("red", "moon"), ("yellow", "cactus"), ("green", "elephant"), ("blue", "pineapple"))


@pytest.fixture(scope="module")
def pipe() -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained("default", device="cpu")


@pytest.fixture(scope="module")
def drawn(pipe: TextToImagePipeline) -> Mapping[tuple[str, int], np.ndarray]:
    """By what lies on the white background and seed, everything that the lesson draws: h w 3, 0 to 255."""
    typed = re.findall(r"`([^`]+) on a white background`", TEXT)
    asked = [(what, 7) for what in typed if what != "an umbrella"]
    asked += [("an umbrella", seed) for seed in (1, 2, 3, 4, 7)] + [("a duck", 7)]
    requests = [GenerationRequest(prompt=f"{what} on a white background", seed=seed) for what, seed in asked]
    pictures = [np.asarray(result.image.convert("RGB"), float) for result in pipe(requests)]
    return dict(zip(asked, pictures, strict=True))


@pytest.fixture(scope="module")
def seen(drawn: Mapping[tuple[str, int], np.ndarray]) -> dict[tuple[str, int], list[tuple[str, str, Found]]]:
    """What the judge sees on each picture: noun, colour, and the thing."""
    stacked = np.stack(list(drawn.values()))
    images = torch.tensor(stacked, dtype=torch.float32).permute(0, 3, 1, 2) / 127.5 - 1
    found, _ = trained_judge().look(images)
    named = [[(NOUNS[each.noun].word, list(COLOURS)[each.colour], each) for each in some] for some in found]
    return dict(zip(drawn, named, strict=True))


def test_what_training_showed_is_as_the_lesson_says(pipe: TextToImagePipeline) -> None:
    assert (len(NOUNS), len(COLOURS), len(BACKGROUNDS)) == (56, 8, 12)
    assert list(COUNTS.values()) == ["two", "three", "four"]  # k
    assert all(colour_is_held_out(noun, colour) for colour, noun in NEVER_SHOWN)
    assert not colour_is_held_out("pineapple", "green")
    assert "black" in BACKGROUNDS and "black" not in COLOURS  # e
    assert {noun.word: noun.native for noun in NOUNS}["umbrella"] == "purple"  # d
    vocabulary = pipe.model.vocabulary
    assert vocabulary is not None
    words = {word for group in vocabulary.groups.values() for each in group for word in each.split()}
    assert words.isdisjoint({"horse", "girl", "tiger", "duck", "door", "sad", "five"})
    assert {"cat", "hat", "with", "four", "black"} <= words
    scores = (ROOT / "docs/model.md").read_text(encoding="utf-8")  # i
    shares = [re.search(rf"\| {row} \| (0\.\d+)", scores) for row in ("colours, held out", "colours")]
    said = re.search(r"left out (\d+) % are right, of colours that were not (\d+) %", TEXT)
    assert said and [round(100 * float(share[1])) for share in shares if share] == [
        int(n) for n in said.groups()
    ]


@pytest.mark.slow
def test_words_that_it_does_not_know_all_draw_the_same(drawn) -> None:
    strange = [drawn[what, 7] for what in ("a horse", "a girl", "a tiger")]  # b
    assert all(2 < np.abs(one - other).mean() < 5.5 for one, other in combinations(strange, 2))
    assert np.abs(drawn["a girl", 7] - drawn["a cat", 7]).mean() == pytest.approx(23, abs=2)


@pytest.mark.slow
def test_what_a_prompt_does_not_say_is_filled_from_the_data(drawn, seen) -> None:
    for seed in (1, 2, 3, 4):
        assert [noun for noun, _, _ in seen["an umbrella", seed]] == ["umbrella"]  # d
        picture = drawn["an umbrella", seed]
        red, green, blue = picture[np.abs(picture - 250).max(-1) > 60].mean(0)
        assert blue > red + 20 > green + 30  # purple
    assert [noun for noun, _, _ in seen["a black cat", 7]] == ["cat"]  # e
    assert [noun for noun, _, _ in seen["a sad sun", 7]] == ["sun"]  # f


@pytest.mark.slow
def test_a_black_cat_is_orange(drawn) -> None:
    red, green, blue = drawn["a black cat", 7][20:34, 26:38].mean((0, 1))
    assert red > 200 and red > green > blue + 40


@pytest.mark.slow
def test_three_of_four_that_were_never_shown_are_right(seen) -> None:
    right = [
        (colour, noun)
        for colour, noun in NEVER_SHOWN
        if [each[:2] for each in seen[f"a {colour} {noun}", 7]] == [(noun, colour)]
    ]
    assert right == [*NEVER_SHOWN[:3]]  # g
    assert "pineapple" not in [noun for noun, _, _ in seen["a green pineapple", 7]]  # h


@pytest.mark.slow
def test_words_mean_what_they_meant_in_training(drawn, seen) -> None:
    houses = seen["a house with a door", 7]  # j
    assert [noun for noun, _, _ in houses] == ["house", "house"]
    hat, cat = sorted(seen["a cat with a hat", 7], key=lambda each: each[2].x)
    assert (hat[0], cat[0]) == ("hat", "cat")
    assert cat[2].x - hat[2].x > 24 and abs(cat[2].y - hat[2].y) < 8  # side by side
    assert (_pieces(drawn["four apples", 7]), _pieces(drawn["five apples", 7])) == (4, 1)  # k


@pytest.mark.slow
def test_the_pictures_of_the_page_are_those_of_the_lesson(drawn) -> None:
    rows = ("lesson-nobody.png", "lesson-data.png", "lesson-unseen.png")
    shown = {
        (prompt.removesuffix(" on a white background"), seed)
        for row in rows
        for _, prompt, seed, _ in ROWS[row]
    }
    assert shown <= set(drawn)
    assert all(f"images/{row}" in TEXT for row in rows)


def _pieces(picture: np.ndarray) -> int:
    """How many parts of more than 40 pixels that are not white hang together."""
    is_thing = np.abs(picture - np.median(picture, (0, 1))).max(-1) > 45
    count = 0
    while is_thing.any():
        piece = np.zeros_like(is_thing)
        piece[tuple(np.argwhere(is_thing)[0])] = True
        while (grown := _grown(piece) & is_thing).sum() > piece.sum():
            piece = grown
        count += piece.sum() > 40
        is_thing = is_thing & ~piece
    return int(count)


def _grown(piece: np.ndarray) -> np.ndarray:
    """The piece with its neighbours above, below, left and right."""
    wide = np.pad(piece, 1)
    return piece | wide[2:, 1:-1] | wide[:-2, 1:-1] | wide[1:-1, 2:] | wide[1:-1, :-2]
