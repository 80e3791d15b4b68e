import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from limelight.attention.recording.recording import Frame, Recording
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.numbers import concentration, outliers, overlap, stretched
from limelight.pipeline.maps.selection import NoSuchMap, Selection
from limelight.pipeline.text.clip_encoder import Token
from limelight.pipeline.text.encoder import parts_of


def spot(y: int, x: int, side: int = 8) -> torch.Tensor:
    map = torch.zeros(side, side)
    map[y, x] = 0.3
    return map


def test_concentration_is_0_where_a_map_is_even_and_1_where_it_is_one_position() -> None:
    assert concentration(torch.full((4, 6), 0.2)) == pytest.approx(0, abs=1e-6)
    assert concentration(spot(2, 3)) == pytest.approx(1)
    half = torch.zeros(4, 4)
    half[:2] = 1
    assert concentration(half) == pytest.approx(1 - math.log(8) / math.log(16))
    assert concentration(torch.zeros(4, 4)) == pytest.approx(0, abs=1e-6)
    assert concentration(torch.ones(1, 1)) == 0


def test_overlap_is_1_of_equal_maps_whatever_their_size_and_0_of_separate_ones() -> None:
    assert overlap(spot(2, 3), 5 * spot(2, 3)) == pytest.approx(1)
    assert overlap(spot(2, 3), spot(3, 2)) == 0
    assert overlap(spot(0, 0) + spot(1, 1), spot(0, 0)) == pytest.approx(0.5)


@settings(deadline=None)
@given(st.lists(st.floats(0, 1, width=32), min_size=6, max_size=6))
def test_numbers_stay_between_0_and_1(values: list[float]) -> None:
    map = torch.tensor(values).reshape(2, 3)
    assert -1e-9 <= concentration(map) <= 1 + 1e-9
    assert -1e-9 <= overlap(map, map.flip(0)) <= 1 + 1e-9
    assert 0 <= stretched(map).min() and stretched(map).max() <= 1


def test_the_site_with_the_most_different_map_is_named() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = {f"{i}": spot(2, 2)[None] + 0.01 * torch.rand(1, 8, 8, generator=generator) for i in range(7)}
    assert outliers(maps, 3.5) == {}
    maps["odd"] = torch.nn.functional.interpolate(spot(6, 6)[None, None], size=(16, 16))[0]
    assert list(outliers(maps, 3.5)) == ["odd"]


def heat_maps() -> HeatMaps:
    """Two sites of known numbers for: start, red, car, end, padding."""
    tokens = tuple(
        Token(text, span)
        for text, span in (
            ("<s>", (0, 0)),
            ("red", (0, 3)),
            ("car", (4, 7)),
            ("<e>", (0, 0)),
            ("<e>", (0, 0)),
        )
    )
    recording = Recording("site", 5)
    generator = torch.Generator().manual_seed(0)
    sites = {f"site {i}": torch.rand(5, 4, 4, generator=generator).softmax(0) for i in range(3)}
    recording.append(Frame(grids={(4, 4): sum(sites.values())}, num_sites={(4, 4): 3}, sites=sites))
    return HeatMaps("red car", tokens, (16, 16), Selection(recording))


def test_numbers_are_per_site() -> None:
    maps = heat_maps()
    assert set(maps.concentration("red")) == set(maps.sites())
    first = maps.sites()[0]
    assert maps.concentration("red")[first] == concentration(maps.site(first)[1])
    assert maps.overlap("red", "car")[first] == overlap(maps.site(first)[1], maps.site(first)[2])
    assert maps.normalised.concentration("red") == maps.concentration("red")
    assert maps.outliers() == {}
    with pytest.raises(NoSuchMap, match="the prompt has no word 'blue'"):
        maps.concentration("blue")


def test_a_normalised_map_reaches_from_0_to_1_and_raw_ones_are_as_they_were() -> None:
    maps = heat_maps()
    for ask in (
        lambda m: m.word("red"),
        lambda m: m.token(0),
        lambda m: m.end(),
        lambda m: m.site("site 1")[2],
    ):
        assert float(ask(maps.normalised).min()) == 0
        assert float(ask(maps.normalised).max()) == pytest.approx(1)
        assert torch.equal(ask(maps.normalised.raw), ask(maps))
    assert maps.normalised.at(3, 3) == maps.at(3, 3)


def test_start_words_end_and_padding_are_everything() -> None:
    maps = heat_maps()
    parts = [maps.start(), maps.word("red"), maps.word("car"), maps.end(), maps.padding()]
    torch.testing.assert_close(sum(parts), torch.ones(16, 16), atol=1e-4, rtol=0)
    chunk = (("<s>", (0, 0)), ("a", (0, 1)), ("<e>", (0, 0)), ("<e>", (0, 0)))
    empty = (("<s>", (0, 0)), ("<e>", (0, 0)), ("<e>", (0, 0)), ("<e>", (0, 0)))
    tokens = [Token(text, span) for text, span in chunk + empty + chunk]
    of_chunk = ["start", "word", "end", "padding"]
    assert list(parts_of(tokens)) == [*of_chunk, "start", "end", "padding", "padding", *of_chunk]


def test_the_ends_part_is_divided_among_words_as_they_divide_their_own() -> None:
    maps = heat_maps()
    plain, p = maps.word("red"), maps.probabilities()
    assert torch.equal(maps.with_end(0.0).word("red"), plain)
    both = maps.with_end(1.0).word("red") + maps.with_end(1.0).word("car")
    expected = torch.nn.functional.interpolate(p[1:4].sum(0)[None, None], size=(16, 16), mode="bicubic")[0, 0]
    torch.testing.assert_close(both, expected, atol=1e-4, rtol=0)
    assert (maps.with_end(0.5).word("red") >= plain - 1e-6).all()
