from types import SimpleNamespace

import pytest
from PIL import Image

from limelight.pipeline.results.png import drawn_image, enlarge_to_view, viewing_size
from limelight.pipeline.results.result import Result


@pytest.mark.parametrize(
    ("drawn", "saved"),
    [((64, 64), (512, 512)), ((96, 64), (512, 341)), ((256, 64), (256, 64)), ((768, 512), (768, 512))],
)
def test_small_pictures_are_saved_at_512(drawn, saved):
    assert viewing_size(drawn) == saved


def result_of(size):
    image = Image.linear_gradient("L").resize(size).convert("RGB")
    return Result(image=image, request=SimpleNamespace(seed=1), info={"request": {"prompt": "x"}})


def test_the_record_has_the_enlarged_size_and_the_result_keeps_its_pixels():
    result = result_of((64, 48))
    shown = enlarge_to_view(result)
    assert shown.info["enlarged"] == {"from": [64, 48], "to": [512, 384], "by": "shock filter"}
    assert shown.image.size == (512, 384)
    assert result.image.size == (64, 48)
    assert "enlarged" not in result.info


def test_a_large_picture_stays_as_it_is():
    result = result_of((256, 256))
    assert enlarge_to_view(result) is result


@pytest.mark.parametrize("bad", [{"from": [0, 5]}, {"from": ["a", 5]}, {"from": [9999, 5]}, 7, {}])
def test_a_file_is_read_at_the_size_that_was_drawn(tmp_path, bad):
    import json

    from PIL.PngImagePlugin import PngInfo

    def saved(enlarged):
        chunks = PngInfo()
        chunks.add_itxt("limelight", json.dumps({"request": {}, "enlarged": enlarged}))
        enlarge_to_view(result_of((64, 48))).image.save(tmp_path / "a.png", pnginfo=chunks)
        return tmp_path / "a.png"

    assert drawn_image(saved({"from": [64, 48]})).size == (64, 48)
    assert drawn_image(saved(bad)) is None
    Image.new("RGB", (8, 8)).save(tmp_path / "plain.png")
    assert drawn_image(tmp_path / "plain.png") is None
    assert drawn_image(tmp_path / "none.png") is None
