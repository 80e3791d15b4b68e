"""The describer of a folder: spans, maps, sizes of pictures, and what cannot be loaded."""

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from limelight.pipeline.describer.default import UNKNOWN, DefaultDescriber, places_of, unseen
from limelight.pipeline.describer.load import load_describer
from limelight.pipeline.describer.network import GRID, Reader, ReaderConfig
from limelight.pipeline.describer.phrases import Token
from limelight.pipeline.describer.questions import Question, read
from limelight.pipeline.describer.vocabulary import Words
from limelight.pipeline.describer.writing import Written
from limelight.pipeline.errors import ModelError, RequestError


def picture(width: int = 64, height: int = 64) -> Image.Image:
    noise = torch.randint(0, 256, (height, width, 3), generator=torch.Generator().manual_seed(3))
    return Image.fromarray(noise.byte().numpy())


def test_words_have_their_characters_and_a_map(describer: DefaultDescriber) -> None:
    found = describer.describe(picture())
    assert found.words and found.known > 0.99
    for word in found.words:
        assert found.text[slice(*word.span)] == word.text
        assert word.map is None or word.map.shape == (GRID, GRID)
        region = word.region(100, 50)
        assert region is None or (region.shape == (50, 100) and float(region.max()) == pytest.approx(1))


def test_an_answer_has_the_words_of_its_question(describer: DefaultDescriber) -> None:
    question = "Is there a red apple?"
    answer = describer.ask(picture(), question)
    assert [word.text for word in answer.asked] == ["red", "apple"]
    assert all(question[slice(*word.span)] == word.text and word.map is not None for word in answer.asked)


TURNED = {"left": "top", "top": "left", "right": "bottom", "bottom": "right", "middle": "middle"}


def spot(row: int, column: int) -> torch.Tensor:
    map = torch.full((GRID, GRID), 1e-4)
    map[row : row + 2, column : column + 2] = 1
    return map


@pytest.mark.parametrize(
    ("map", "several", "places"),
    [
        (spot(7, 1), False, {"left"}),
        (spot(7, 13), False, {"right"}),
        (spot(1, 1), False, {"top", "left"}),
        (spot(13, 8), False, {"bottom"}),
        (spot(7, 7), False, {"middle"}),
        (spot(7, 1) + spot(7, 13), True, set()),  # one on each side
        (spot(7, 7), True, set()),
    ],
)
def test_a_thing_stands_where_the_centre_of_its_map_is(
    map: torch.Tensor, several: bool, places: set[str]
) -> None:
    assert places_of(map, several=several) == places
    assert places_of(map.T, several=several) == {TURNED[place] for place in places}


@pytest.mark.parametrize(
    ("place", "said", "seen"),
    [
        ("left", "a red apple and two cars", ["apple", "cars"]),
        ("right", "a blue apple", ["apple"]),
        ("top", "two cars and a blue apple", ["cars", "apple"]),
        ("middle", "nothing", []),
    ],
)
def test_what_stands_somewhere_has_its_words_and_their_maps(
    place: str, said: str, seen: list[str], describer: DefaultDescriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = describer.words.ids("a red apple , two cars and a blue apple".split())
    begun = len(describer._begun(read("what is there?", describer.words)))
    maps = torch.zeros(begun + len(ids), GRID, GRID)
    for at, map in ((2, spot(7, 1)), (5, spot(1, 1)), (9, spot(1, 13))):
        maps[begun + at] = map
    text = Written(ids, [1.0] * len(ids), maps.flatten(1), torch.zeros(len(describer.words.tokens)))
    monkeypatch.setattr(describer, "_written", lambda *_: text)
    answer = describer.ask(picture(), f"what is at the {place}?")
    assert answer.text == said
    nouns = [word for word in answer.words if word.text in ("apple", "cars")]
    assert [word.text for word in nouns] == seen
    for word in nouns:
        assert word.map is not None and said[slice(*word.span)] == word.text
        assert place in places_of(word.map, several=False)


@pytest.mark.parametrize("is_denied", [True, False])
def test_nothing_is_said_of_a_thing_that_is_not_there(
    is_denied: bool, describer: DefaultDescriber, monkeypatch: pytest.MonkeyPatch
) -> None:
    there = Question(tuple(map(Token, ("is", "there", "a", "red", "car"))))
    (yes, no), _ = describer.chances(picture(), [(there, "yes"), (there, "no")])
    tokens = describer.words.tokens
    if is_denied != (no > yes):  # the other answer is the likelier one
        other = {"yes": "no", "no": "yes"}
        swapped = replace(describer.words, tokens=tuple(other.get(token, token) for token in tokens))
        monkeypatch.setattr(describer, "words", swapped)
    question = "what is left of the red car?"
    answer = describer.ask(picture(), question)
    asked = [question[slice(*word.span)] for word in answer.asked]
    assert (answer.text == "there is no red car") == is_denied
    assert asked == (["red", "car"] if is_denied else ["left of", "car"])


@pytest.mark.parametrize("size", [(8, 8), (9, 300), (640, 480), (64, 96)])
def test_a_picture_of_any_size_keeps_its_shape(describer: DefaultDescriber, size: tuple[int, int]) -> None:
    found = describer.describe(picture(*size))
    maps = [word.map for word in found.words if word.map is not None]
    ratio = min(size) / max(size)
    for map in maps:
        assert max(map.shape) == GRID and min(map.shape) == pytest.approx(GRID * ratio, abs=2)
        assert (map.shape[1] >= map.shape[0]) == (size[0] >= size[1])


def test_a_picture_of_another_world_gets_no_words(folder: Path) -> None:
    describer = DefaultDescriber.from_pretrained(folder)
    with torch.no_grad():
        describer.reader.encoder.known[-1].bias.fill_(-9.0)
    found = describer.describe(picture())
    assert (found.text, found.words) == (UNKNOWN, ()) and found.known < 0.01
    assert describer.ask(picture(), "how many cars are there?").text == UNKNOWN


def test_the_chances_of_all_answers_sum_to_one(describer: DefaultDescriber) -> None:
    question = Question(tuple(map(Token, ("is", "there", "a", "car"))))
    chances, known = describer.chances(picture(), [(question, word) for word in describer.words.tokens])
    assert sum(chances) == pytest.approx(1, abs=1e-4) and known > 0.99


def test_a_folder_of_its_kind_is_loaded_by_name(folder: Path) -> None:
    found = load_describer(str(folder), device="cpu")
    assert isinstance(found, DefaultDescriber) and found.describe(picture()).words


def test_what_is_no_picture_is_refused(describer: DefaultDescriber, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"no picture")
    with pytest.raises(RequestError, match=r"a\.png"):
        describer.describe(path)


def test_what_is_no_describer_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        DefaultDescriber.from_pretrained(tmp_path)
    os.mkfifo(tmp_path / "model.safetensors")
    with pytest.raises(ModelError, match="FIFO"):
        DefaultDescriber.from_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    (tmp_path / "config.json").write_text('{"words": {}}')
    with pytest.raises(ModelError, match="cannot be read"):
        DefaultDescriber.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    (tmp_path / "model.safetensors").write_bytes(b"12345678")
    with pytest.raises(ModelError, match="holds no describer"):
        DefaultDescriber.from_pretrained(tmp_path)


def test_a_describer_of_larger_pictures_is_loaded(more_words: Words, tmp_path: Path) -> None:
    config = ReaderConfig(num_words=len(more_words.tokens), side=128, widths=(8, 8, 16, 16), dim=32)
    reader = Reader(config)
    save_file(reader.state_dict(), tmp_path / "model.safetensors")
    stored = {"reader": config.to_dict(), "words": more_words.to_dict()}
    (tmp_path / "config.json").write_text(json.dumps(stored))
    describer = DefaultDescriber.from_pretrained(tmp_path)
    assert describer.words == more_words
    with torch.no_grad():
        describer.reader.encoder.known[-1].bias.fill_(9.0)
    maps = [word.map for word in describer.describe(picture(640, 480)).words if word.map is not None]
    assert all(map.shape == (12, GRID) for map in maps)


def test_words_about_time_weather_and_style_are_nowhere(more_words: Words) -> None:
    tokens = "a fox in the snow at night in falling snow , flat style".split()
    assert [tokens[at] for at in sorted(unseen(tokens, more_words))] == [
        *("at", "night", "in", "falling", "snow", "flat", "style")
    ]

    assert unseen(["night"], more_words) == unseen(["snow"], more_words) == {0}
    assert not unseen("in the snow".split(), more_words)


def test_words_without_more_groups_are_stored_as_before(words: Words) -> None:
    assert set(words.to_dict()) == {"tokens", "nouns", "colours", "grounds"}
    assert Words.from_dict(words.to_dict()) == words
