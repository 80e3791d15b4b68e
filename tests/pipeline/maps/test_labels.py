"""Each pixel belongs to the word that it attends to most, or to none."""

import numpy as np
import pytest
import torch
from torch import Tensor

from limelight.attention.recording.recording import Frame, Recording
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.labels import label
from limelight.pipeline.maps.selection import NoSuchMap, Selection
from limelight.pipeline.text.clip_encoder import Token

SIDE = 8


def maps_of(prompt: str, words: dict[str, Tensor]) -> HeatMaps:
    """Maps in which each word has one token, and the start token has the rest."""
    spans = [(0, 0)]
    for text in words:
        start = prompt.index(text, spans[-1][1])
        spans.append((start, start + len(text)))
    rest = 1 - sum(words.values(), torch.zeros(SIDE, SIDE))
    recording = Recording("grid", len(spans))
    grids = {(SIDE, SIDE): torch.stack([rest, *words.values()])}
    recording.append(Frame(grids=grids, num_sites={(SIDE, SIDE): 1}))
    tokens = tuple(Token("x", span) for span in spans)
    return HeatMaps(prompt, tokens, (SIDE, SIDE), Selection(recording))


def box(x0: int, y0: int, x1: int, y1: int, value: float) -> Tensor:
    map = torch.zeros(SIDE, SIDE)
    map[y0:y1, x0:x1] = value
    return map


@pytest.fixture
def maps() -> HeatMaps:
    return maps_of(
        "a cat on the Car",
        {
            "a": torch.full((SIDE, SIDE), 0.5),
            "cat": box(0, 0, 4, 4, 0.4),
            "on": torch.zeros(SIDE, SIDE),
            "the": torch.zeros(SIDE, SIDE),
            "Car": box(2, 2, 6, 6, 0.3) + box(7, 7, 8, 8, 0.1),
        },
    )


def test_the_largest_probability_wins_and_weak_ones_belong_to_no_word(maps: HeatMaps) -> None:
    labels = label(maps)
    assert labels.words == ("cat", "Car")
    expected = np.zeros((SIDE, SIDE), int)
    expected[2:6, 2:6] = 2
    expected[:4, :4] = 1  # 0.4 against 0.3
    assert labels.values.tolist() == expected.tolist()  # 0.1 is below 0.4 of 0.4
    assert labels.scores == pytest.approx((0.4, 0.3))
    assert labels.mask("Car").sum() == 12


def test_a_lower_threshold_takes_more(maps: HeatMaps) -> None:
    assert label(maps, threshold=0.2).values[7, 7] == 2
    assert label(maps, threshold=1.0).values.max() == 1


def test_slivers_belong_to_no_word() -> None:
    wide = HeatMaps("dot", *_large(0.9))
    assert label(wide).values.max() == 0


def _large(value: float) -> tuple[tuple[Token, ...], tuple[int, int], Selection]:
    """A word at one of 64 x 64 positions: less than 0.2 % of them."""
    map = torch.zeros(64, 64)
    map[0, 0] = value
    recording = Recording("grid", 2)
    recording.append(Frame(grids={(64, 64): torch.stack([1 - map, map])}, num_sites={(64, 64): 1}))
    return (Token("x", (0, 0)), Token("x", (0, 3))), (64, 64), Selection(recording)


def test_only_the_named_words_compete(maps: HeatMaps) -> None:
    labels = label(maps, ["Car"])
    assert (labels.values > 0).sum() == 16
    assert label(maps, ["a", "cat"]).values.min() == 1
    with pytest.raises(NoSuchMap, match="dog"):
        label(maps, ["dog"])
    with pytest.raises(NoSuchMap, match="'a'; pixels were given to Car"):
        labels.mask("a")
    with pytest.raises(ValueError, match=r"threshold is 1\.5; must be from 0 to 1"):
        label(maps, threshold=1.5)


def test_a_prompt_without_nouns_has_no_labels() -> None:
    labels = label(maps_of("a", {"a": torch.ones(SIDE, SIDE)}))
    assert labels.words == ()
    assert labels.values.shape == (SIDE, SIDE)
    assert labels.values.max() == 0
