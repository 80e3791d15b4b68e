"""All recorded maps layer by layer, against the same maps read one by one."""

from pathlib import Path

import pytest
import torch

from limelight.pipeline import GenerationRequest, TextToImagePipeline
from limelight.pipeline.errors import RequestError
from limelight.pipeline.maps.heatmaps import HeatMaps


@pytest.fixture(scope="module")
def pipe(sd_folder: Path) -> TextToImagePipeline:
    return TextToImagePipeline.from_pretrained(sd_folder, device="cpu")


def recorded(pipe: TextToImagePipeline, **fields: object) -> HeatMaps:
    maps = pipe(GenerationRequest(**({"prompt": "a red apple", "seed": 3, "num_steps": 3} | fields))).maps
    assert maps is not None
    return maps


def test_grids_are_the_mean_and_each_prediction(pipe: TextToImagePipeline) -> None:
    maps = recorded(pipe, record="grid")
    layers = list(maps.layers())
    assert [layer.name for layer in layers] == ["8x8", "4x4"]
    assert all(layer.frames == (None, 0, 1, 2) for layer in layers)
    finest = layers[0].maps
    torch.testing.assert_close(finest[0], maps.grid(8).probabilities())
    torch.testing.assert_close(finest[2], maps.grid(8).step(1).probabilities())
    (newest, _) = maps.layers(steps=[2])
    assert newest.frames == (None, 2)
    assert torch.equal(newest.maps, finest[[0, 3]])
    assert list(maps.layers("heads")) == list(maps.layers("steps")) == []


def test_sites_come_by_head_and_by_prediction(pipe: TextToImagePipeline) -> None:
    maps = recorded(pipe, record="head", record_extras=("steps",))
    heads, steps = list(maps.layers("heads")), list(maps.layers("steps"))
    assert [layer.name for layer in heads] == [layer.name for layer in steps] == list(maps.sites())
    first = heads[0]
    assert first.frames[:2] == (None, 0)
    torch.testing.assert_close(first.maps[0], maps.site(first.name))
    torch.testing.assert_close(first.maps[2], maps.head(first.name, 1))
    assert steps[0].frames == (0, 1, 2)
    torch.testing.assert_close(steps[0].maps[1], maps.step(1).site(first.name), atol=1e-3, rtol=0)


def test_sites_without_heads_have_one_frame(pipe: TextToImagePipeline) -> None:
    maps = recorded(pipe, record="site")
    assert all(layer.frames == (None,) for layer in maps.layers("heads"))
    assert list(maps.layers("steps")) == []


def test_views_are_those_that_are_recorded(pipe: TextToImagePipeline) -> None:
    assert recorded(pipe, record="grid").views() == {}
    maps = recorded(pipe, record="grid", record_extras=("values", "refined", "negative"))
    assert list(maps.views()) == ["values", "refined", "negative"]
    assert torch.equal(maps.views()["values"].word("apple"), maps.values.word("apple"))


def test_points_sum_to_one(pipe: TextToImagePipeline) -> None:
    assert recorded(pipe, record="grid").points() == {}
    (point,) = (maps := recorded(pipe, record="grid", record_points=((3, 5),))).points()
    assert point == (3.5 / 16, 5.5 / 16)
    assert maps.points()[point].sum() == pytest.approx(1.0, abs=1e-5)


def test_queries_are_of_the_first_pass(pipe: TextToImagePipeline) -> None:
    asked = {"prompt": "a cat", "num_steps": 4, "hires_scale": 2.0, "record": "grid", "record_queries": (4,)}
    with pytest.raises(RequestError, match="record_queries has 4; the predictions are 0 to 3"):
        pipe(GenerationRequest(**asked))
