"""A photograph is drawn near the size that the model was trained on, unless a size is given."""

from pathlib import Path

import pytest
from PIL import Image

from limelight.app.commands.generate import drawn
from limelight.app.commands.usual_size import readable_size, usual_size_of
from limelight.app.load import LoadOptions
from limelight.pipeline import GenerationRequest, TextToImagePipeline


def photo(folder: Path, width: int, height: int) -> Path:
    path = folder / "photo.png"
    Image.linear_gradient("L").resize((width, height)).convert("RGB").save(path)
    return path


def size_of(pipe: TextToImagePipeline, given: dict[str, object]) -> tuple[int | None, int | None]:
    request, complete = GenerationRequest(**readable_size({"prompt": "a cat", **given})), usual_size_of(given)
    (completed,) = [request] if complete is None else complete(pipe, [request])
    return completed.width, completed.height


def test_a_photograph_is_drawn_at_a_usual_size(
    tmp_path: Path, pipe: TextToImagePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    height, width = pipe.model.native_size
    path = photo(tmp_path, 8 * width, 4 * height)
    found = size_of(pipe, {"image": path})
    assert found[0] and found[1] and 0.5 < found[0] * found[1] / (width * height) < 2
    assert (
        f"the image has {8 * width}x{4 * height} pixels; the picture is drawn at" in capsys.readouterr().err
    )


def test_a_photograph_too_large_for_memory_can_be_read(tmp_path: Path, pipe: TextToImagePipeline) -> None:
    width, height = size_of(pipe, {"image": photo(tmp_path, 8000, 8000)})
    assert width == height and width <= 2 * max(pipe.model.native_size)


def test_other_sizes_stay(
    tmp_path: Path, pipe: TextToImagePipeline, capsys: pytest.CaptureFixture[str]
) -> None:
    height, width = pipe.model.native_size
    path = photo(tmp_path, width + 16, height)
    assert size_of(pipe, {"image": path}) == (width + 16, height)
    path = photo(tmp_path, 8 * width, 8 * height)
    assert size_of(pipe, {"image": path, "width": 4 * width}) == (4 * width, None)
    assert usual_size_of({"prompt": "a cat"}) is None
    assert capsys.readouterr().err == ""


def test_a_picture_is_drawn_at_the_size_that_completes_its_request(
    tmp_path: Path, pipe: TextToImagePipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LoadOptions, "load", lambda self: pipe)
    height, width = pipe.model.native_size
    given = {"image": photo(tmp_path, 4 * width, 4 * height)}
    request = GenerationRequest(**readable_size({"prompt": "a cat", "num_steps": 2, **given}))
    complete = usual_size_of(given)
    assert complete is not None
    (result,) = drawn([request], LoadOptions(), [complete])
    assert result.image.size == (width, height)
