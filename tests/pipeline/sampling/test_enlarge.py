"""A finished picture is made larger; its maps, its latent and the drawing itself stay as they are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.enlarging.load import load_enlarger
from limelight.pipeline.enlarging.shock_filter import shock_enlarger
from limelight.pipeline.errors import RequestError
from limelight.pipeline.results.maps_export import export_maps
from limelight.pipeline.results.png import drawn_image, enlarge_to_view, read_record, request_of, viewed_by
from tests.pipeline.enlarging.test_load import saved

FIELDS = {"seed": 3, "num_steps": 2, "width": 64, "height": 48}


@pytest.fixture(scope="module")
def pipe(tmp_path_factory: pytest.TempPathFactory) -> TextToImagePipeline:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    pipe.model.enlarger = load_enlarger(saved(tmp_path_factory.mktemp("net") / "plain"), torch.device("cpu"))
    return pipe


def test_the_picture_is_larger_and_the_drawing_the_same(pipe: TextToImagePipeline) -> None:
    small, large = pipe("a cat", **FIELDS), pipe("a cat", enlarge=4, record="grid", **FIELDS)
    assert large.image.size == (256, 192)
    assert torch.equal(small.latent, large.latent)
    near = np.abs(
        np.asarray(large.image.resize((64, 48), Image.Resampling.BOX), int) - np.asarray(small.image)
    )
    assert near.mean() < 2  # random weights begin as an interpolation
    about = dict(large.info["enlarged"])
    assert len(about.pop("sha256")) == 64
    assert about == {"from": [64, 48], "to": [256, 192], "by": "plain"}
    assert "enlarged" not in small.info


def test_both_pictures_of_an_edit_are_larger(pipe: TextToImagePipeline) -> None:
    found = pipe("a dog", edit_of="a cat", enlarge=2, **FIELDS)
    assert found.base is not None and found.base.size == found.image.size == (128, 96)


def test_the_file_knows_how_it_was_drawn(pipe: TextToImagePipeline, tmp_path: Path) -> None:
    large = pipe("a cat", enlarge=2, **FIELDS)
    assert enlarge_to_view(large) is large  # as large as was asked, and no larger
    path = large.save(tmp_path / "a.png")
    assert request_of(read_record(path)) == large.request
    small = drawn_image(path)
    assert small is not None and small.size == (64, 48)


def test_earlier_versions_enlarged_once_more(pipe: TextToImagePipeline) -> None:
    seen = enlarge_to_view(pipe("a cat", enlarge=2, **FIELDS), "Lanczos")
    assert seen.image.size == (512, 384)
    assert seen.info["enlarged"]["by"] == "plain and Lanczos"
    assert viewed_by(seen.info) == "Lanczos"


def test_another_enlarger_makes_another_file(pipe: TextToImagePipeline) -> None:
    large = pipe("a cat", enlarge=2, **FIELDS)
    other = dict(large.info) | {"enlarged": large.info["enlarged"] | {"sha256": "0" * 64}}
    assert type(large)(image=large.image, request=large.request, info=other).file_name != large.file_name


def test_labels_have_the_size_of_the_picture(pipe: TextToImagePipeline, tmp_path: Path) -> None:
    export_maps(pipe("a cat", enlarge=2, record="grid", **FIELDS), tmp_path, stem="a")
    assert Image.open(tmp_path / "a-labels.png").size == (128, 96)


def test_a_model_without_an_enlarger_has_the_filter(
    pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipe.model, "enlarger", shock_enlarger(torch.device("cpu")))
    large = pipe("a cat", enlarge=2, **FIELDS)
    assert large.info["enlarged"] == {"from": [64, 48], "to": [128, 96], "by": "shock filter"}
    assert large.image.size == (128, 96)


@pytest.mark.parametrize("factor", [1, 5, 2.5])
def test_the_factor_is_2_to_4(pipe: TextToImagePipeline, factor: float) -> None:
    with pytest.raises(RequestError, match="enlarge"):
        pipe("a cat", enlarge=factor, num_steps=1)
