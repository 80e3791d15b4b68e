"""Words of the prompt and of a description are paired by meaning, and their parts of the picture compared."""

import json

import pytest
import torch
from torch import Tensor

from limelight.attention.recording.recording import Frame, Recording
from limelight.pipeline.describer.description import Description, SeenWord
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.selection import Selection
from limelight.pipeline.reading.agreement import Agreement, agreement, part
from limelight.pipeline.segments import word_spans
from limelight.pipeline.text.clip_encoder import Token

SIDE = 8
EMPTY = torch.zeros(SIDE, SIDE)


def box(x0: int, y0: int, x1: int, y1: int, value: float = 0.1) -> Tensor:
    map = torch.zeros(SIDE, SIDE)
    map[y0:y1, x0:x1] = value
    return map


def maps_of(prompt: str, words: list[Tensor]) -> HeatMaps:
    """One token for each word; the start token has the rest."""
    spans = [(0, 0), *word_spans(prompt)]
    maps = torch.stack([1 - sum(words, EMPTY), *words])
    recording = Recording("grid", len(spans))
    recording.append(Frame(grids={(SIDE, SIDE): maps}, num_sites={(SIDE, SIDE): 1}))
    tokens = tuple(Token("x", span) for span in spans)
    return HeatMaps(prompt, tokens, (SIDE, SIDE), Selection(recording))


def described(text: str, words: list[Tensor | None]) -> Description:
    spans = word_spans(text)
    seen = [SeenWord(text[slice(*span)], span, map) for span, map in zip(spans, words, strict=True)]
    return Description(text, tuple(seen))


def pairs(found: Agreement) -> list[tuple[str, str, float | None]]:
    return [(pair.prompt.text, pair.caption.text, pair.iou) for pair in found.pairs]


def test_words_of_one_meaning_are_paired_and_the_rest_is_listed() -> None:
    left = box(0, 0, 4, 4)
    maps = maps_of("two grey stars on a Car", [EMPTY, left, left, EMPTY, EMPTY, box(4, 4, 8, 8)])
    text = "a gray star, and a tree by the cars"
    half = box(2, 0, 6, 4, 0.7)  # of 16 pixels 8 are common, of 24 together
    words = [None, left, half, None, None, half, None, None, box(4, 4, 8, 8)]
    found = agreement(maps, described(text, words))
    assert pairs(found) == [
        ("grey", "gray", 1.0),
        ("stars", "star", pytest.approx(8 / 24)),
        ("Car", "cars", 1.0),
    ]
    assert [word.text for word in found.only_prompt] == []
    assert [word.text for word in found.only_caption] == ["tree"]


def test_words_of_the_prompt_that_are_not_seen_are_listed() -> None:
    maps = maps_of("a red apple", [EMPTY, box(0, 0, 2, 2), box(0, 0, 4, 4)])
    found = agreement(maps, described("a blue pear", [None, box(0, 0, 2, 2), box(0, 0, 4, 4)]))
    assert found.pairs == ()
    assert [word.text for word in found.only_prompt] == ["red", "apple"]
    assert [word.text for word in found.only_caption] == ["blue", "pear"]


def test_equal_words_are_paired_where_they_are() -> None:
    """Whatever the order of the description; a word is paired once."""
    first, second = box(0, 0, 4, 8), box(4, 0, 8, 8)
    maps = maps_of("a red apple and a red car", [EMPTY, first, first, EMPTY, EMPTY, second, second])
    text = "a red car, a red apple, red"
    found = agreement(maps, described(text, [None, second, second, None, first, first, box(0, 0, 2, 2)]))
    assert pairs(found) == [
        ("red", "red", 1.0),
        ("apple", "apple", 1.0),
        ("red", "red", 1.0),
        ("car", "car", 1.0),
    ]
    assert [pair.caption.span[0] for pair in found.pairs] == [text.rindex("red a"), 17, 2, 6]
    assert [word.span for word in found.only_caption] == [(24, 27)]


def test_words_that_are_apart_have_no_overlap_and_words_without_a_map_none_known() -> None:
    maps = maps_of("apple star", [box(0, 0, 4, 4), box(4, 4, 8, 8)])
    found = agreement(maps, described("star apple", [None, box(4, 4, 8, 8)]))
    assert pairs(found) == [("apple", "apple", 0.0), ("star", "star", None)]


def test_a_pair_without_a_map_gives_way_to_one_with() -> None:
    maps = maps_of("apple", [box(0, 0, 4, 4)])
    found = agreement(maps, described("apple apples", [None, box(4, 4, 8, 8)]))
    assert pairs(found) == [("apple", "apples", 0.0)]


def test_a_description_of_another_grid_covers_the_whole_picture() -> None:
    maps = maps_of("apple", [box(0, 0, 4, 8)])
    coarse = torch.tensor([[1.0, 0.0]])  # its left half, blurred at the middle
    found = agreement(maps, described("apple", [coarse]))
    assert [pair.iou for pair in found.pairs] == [pytest.approx(1.0, abs=0.25)]


def test_a_floor_takes_no_part() -> None:
    map = box(2, 2, 5, 5)
    assert torch.equal(part(map), map > 0)
    assert torch.equal(part(map + 3.0), map > 0)
    assert not part(torch.full((SIDE, SIDE), 0.5)).any()


def test_it_is_ready_for_json() -> None:
    maps = maps_of("an apple on blue", [EMPTY, box(0, 0, 4, 4), EMPTY, box(0, 0, 8, 2)])
    found = agreement(maps, described("apples and cat", [box(2, 0, 6, 4), None, None]))
    assert json.loads(json.dumps(found.to_dict())) == {
        "pairs": [
            {
                "prompt": {"word": "apple", "span": [3, 8]},
                "caption": {"word": "apples", "span": [0, 6]},
                "iou": 0.333,
            }
        ],
        "only_prompt": [{"word": "blue", "span": [12, 16]}],
        "only_caption": [{"word": "cat", "span": [11, 14]}],
    }
