"""What a notebook shows of a result."""

from io import BytesIO

import pytest
from PIL import Image

from limelight import Result, TextToImagePipeline


@pytest.fixture(scope="module")
def result() -> Result:
    pipe = TextToImagePipeline.from_pretrained("default", device="cpu")
    return pipe("a red apple", num_steps=2, record="grid")


def test_a_notebook_shows_the_picture(result: Result) -> None:
    shown = Image.open(BytesIO(result._repr_png_()))
    assert shown.format == "PNG"
    assert shown.tobytes() == result.image.tobytes()


def test_reprs_are_short(result: Result) -> None:
    assert repr(result.maps) == "HeatMaps('a red apple', 64x64, 2 predictions)"
    assert "versions" not in repr(result)
    assert len(repr(result)) < 1500
