"""Pixels are prepared as transformers prepares them, by the folder's options."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from limelight.pipeline.describer.pixels import Preprocessing
from limelight.pipeline.errors import ModelError


@pytest.mark.parametrize(
    "options",
    [
        {"size": {"height": 24, "width": 40}},
        {
            "size": {"height": 32, "width": 32},
            "resample": 2,
            "image_mean": [0.5] * 3,
            "image_std": [0.25] * 3,
        },
        {"size": {"height": 32, "width": 32}, "do_normalize": False, "rescale_factor": 0.5},
    ],
)
def test_pixels_are_those_of_transformers(
    options: dict[str, Any], tmp_path: Path, pictures: list[Image.Image]
) -> None:
    from transformers.models.blip.image_processing_pil_blip import BlipImageProcessorPil

    processor = BlipImageProcessorPil(**options)
    processor.save_pretrained(tmp_path)
    preprocessing = Preprocessing.read(tmp_path, 384)
    for picture in pictures:
        expected = processor(picture, return_tensors="pt")["pixel_values"]
        torch.testing.assert_close(preprocessing(picture), expected, atol=1e-5, rtol=0)


def test_a_folder_without_options_takes_those_of_blip(tmp_path: Path) -> None:
    assert Preprocessing.read(tmp_path, 48) == Preprocessing(size=(48, 48))
    inside = {"image_processor": {"size": {"height": 8, "width": 16}}}  # as BlipProcessor saves them
    (tmp_path / "processor_config.json").write_text(json.dumps(inside))
    assert Preprocessing.read(tmp_path, 48) == Preprocessing(size=(8, 16))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": {"shortest_edge": 384}}, "size of the pictures lacks 'height'; must have height and width"),
        ({"size": 40_000}, "pictures are read at 40000x40000 pixels; at most 1024 each way"),
        ({"image_mean": [0.5]}, r"\[0.5\] has 1 numbers; must have 3"),
        ({"image_std": [1, 0, 1]}, "no channel may be divided by 0"),
        ({"resample": "best"}, "preprocessing cannot be read: 'best'"),
        ([], "holds no configuration; must be a JSON object"),
    ],
)
def test_options_that_cannot_be_are_refused(options: object, message: str, tmp_path: Path) -> None:
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(options))
    with pytest.raises(ModelError, match=message):
        Preprocessing.read(tmp_path, 384)
