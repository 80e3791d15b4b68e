import base64

import numpy as np
import pytest
import torch

from limelight.app.ui.output.payload import MEAN, all_maps, chips_of, live_maps, quantised


@pytest.fixture(scope="module")
def maps(pipe):
    fields = {"num_steps": 3, "record": "head", "record_extras": ("steps", "values", "negative")}
    return pipe("a (red:1.2) strawberry", negative_prompt="blue", seed=1, **fields).maps


def _unpacked(view, name, kind):
    layer = next(each for each in view["layers"] if each["name"] == name and each["kind"] == kind)
    shape = len(layer["frames"]), len(view["chips"])
    tops = np.frombuffer(base64.b64decode(layer["tops"]), np.float32).reshape(shape)
    data = np.frombuffer(base64.b64decode(layer["data"]), np.uint8).reshape(*shape, *layer["grid"])
    return layer["frames"], tops[..., None, None] * (data / 255)


def test_numbers_come_back_within_half_a_level():
    maps = torch.rand(3, 2, 4, 4)
    tops, levels = quantised(maps)
    back = tops[..., None, None] * levels / 255
    assert (back - maps).abs().max() <= maps.max() / 255 / 2 + 1e-6
    assert quantised(torch.zeros(1, 4, 4))[1].max() == 0


def test_chips_are_words_with_their_sub_tokens_merged_then_the_other_tokens(maps):
    chips = chips_of(maps)
    assert [chip.text for chip in chips] == ["a", "red", "strawberry", "start", "end", "padding"]
    assert [chip.weight for chip in chips[:3]] == pytest.approx([1.0, 1.2, 1.0])
    assert sorted(i for chip in chips for i in chip.tokens) == list(range(len(maps.probabilities())))


def test_every_grid_and_step_equals_the_maps(maps):
    view = all_maps(maps, 2**24)["views"][0]
    frames, values = _unpacked(view, "16x16", "grid")
    assert frames == [MEAN, 0, 1, 2]
    word = chips_of(maps)[2].tokens
    for frame, got in zip(frames, values[:, 2], strict=True):
        read = maps.grid(16) if frame == MEAN else maps.grid(16).step(frame)
        want = read.probabilities()[list(word)].sum(0).numpy()
        assert np.abs(got - want).max() <= want.max() / 255


def test_heads_and_sites_at_single_steps_equal_the_maps(maps):
    view, site = all_maps(maps, 2**24)["views"][0], maps.sites()[0]
    frames, heads = _unpacked(view, site, "heads")
    assert frames == [MEAN, 0, 1, 2, 3]
    want = maps.head(site, 2)[list(chips_of(maps)[2].tokens)].sum(0).numpy()
    assert np.abs(heads[3, 2] - want).max() <= want.max() / 255
    _, steps = _unpacked(view, site, "steps")
    want = maps.step(1).site(site)[list(chips_of(maps)[2].tokens)].sum(0).numpy()
    assert np.abs(steps[1, 2] - want).max() <= want.max() / 200


def test_all_words_and_other_tokens_together_are_everything(maps):
    view = all_maps(maps, 2**24)["views"][0]
    _, values = _unpacked(view, "8x8", "grid")
    assert np.abs(values.sum(1) - 1).max() < 0.02


def test_views_are_those_that_were_recorded(maps):
    views = {view["name"]: view for view in all_maps(maps, 2**24)["views"]}
    assert list(views) == ["attention", "values", "negative"]
    assert views["negative"]["chips"][0]["text"] == "blue"


def test_maps_that_do_not_fit_are_left_out_and_grids_stay(maps):
    layers = all_maps(maps, 0)["views"][0]["layers"]
    assert {layer["kind"] for layer in layers} == {"best", "grid"}


def test_live_maps_are_the_mean_so_far_and_the_newest_step(maps):
    frames, _ = _unpacked(live_maps(maps)["views"][0], "16x16", "grid")
    assert frames == [MEAN, 2]
