"""Maps as files: their contents, their names, and refusals."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from limelight.pipeline import TextToImagePipeline
from limelight.pipeline.errors import OutputError, UsageError
from limelight.pipeline.maps.labels import label
from limelight.pipeline.results.maps_export import export_maps
from limelight.pipeline.results.overlay import colour_table, overlay
from limelight.pipeline.results.png import enlarge_to_view, read_record
from limelight.pipeline.results.sheet import lit_words


@pytest.fixture(scope="module")
def result(sd_folder):
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    return pipe("../a <b>red</b> car, red", seed=3, num_steps=3, record="site", width=48, height=32)


def luminance(table: np.ndarray) -> np.ndarray:
    linear = np.where(table <= 10, table / 255 / 12.92, ((table / 255 + 0.055) / 1.055) ** 2.4)
    y = linear @ [0.2126, 0.7152, 0.0722]
    return np.where(y > 0.008856, 116 * np.cbrt(y) - 16, 903.3 * y)  # CIE L*


def test_the_table_grows_lighter_evenly_and_never_rests_on_red_against_green() -> None:
    table = colour_table().astype(float)
    lightness = luminance(table)
    assert lightness[0] < 15
    assert lightness[-1] > 90
    steps = np.diff(lightness[::16])
    assert steps.min() > 0.5 * steps.mean()
    assert steps.max() < 2 * steps.mean()


def test_an_overlay_is_darkest_at_nothing_and_lightest_at_the_top() -> None:
    values = torch.zeros(32, 32)
    values[8:24, 8:24] = 0.3
    picture = overlay(Image.new("RGB", (32, 32), "gray"), values, 0.3, opacity=1.0)
    pixels = np.asarray(picture)
    assert pixels[0, 0].tolist() == colour_table()[0].tolist()
    assert pixels[16, 16].tolist() == colour_table()[255].tolist()
    flat = overlay(Image.new("RGB", (32, 32), "gray"), torch.zeros(32, 32), 0.0, opacity=1.0)
    assert np.asarray(flat)[16, 16].tolist() == colour_table()[0].tolist()


def test_the_files_that_are_written(result, tmp_path) -> None:
    paths = export_maps(result, tmp_path / "maps")
    stem = result.file_name.removesuffix(".png")
    words = [lit.word.text for lit in lit_words(result.maps)]
    names = [f"{stem}-word{i:02}.png" for i in range(len(words))]
    assert [path.name for path in paths] == [
        f"{stem}-maps.png",
        *names,
        f"{stem}-maps.npz",
        f"{stem}-labels.png",
        f"{stem}-coco.json",
        f"{stem}-steps.webp",
        f"{stem}-light.html",
    ]
    assert sorted(path.name for path in (tmp_path / "maps").iterdir()) == sorted(path.name for path in paths)
    about = read_record(paths[1])
    assert about["request"] == json.loads(json.dumps(result.info["request"]))
    assert about["maps"]["word"] == words[0]
    assert about["maps"]["level"] == "site"
    assert about["maps"]["shown_grids"] == [list(grid) for grid in result.maps.taken_grids()]
    assert about["maps"]["sites"] == sorted(result.maps.recording.sums)
    assert Image.open(paths[1]).size == (8 * 48, 8 * 32)


def test_annotations_are_those_of_the_saved_file(result, tmp_path) -> None:
    saved = enlarge_to_view(result).save(tmp_path / "car.png")
    paths = {path.name: path for path in export_maps(result, tmp_path, stem="car", picture=saved)}
    size = Image.open(saved).size
    stored = json.loads(paths["car-coco.json"].read_text())
    (image,) = stored["images"]
    assert (image["file_name"], (image["width"], image["height"])) == ("car.png", size)
    assert size != result.image.size
    assert all(each["segmentation"]["size"] == list(size[::-1]) for each in stored["annotations"])
    large, small = Image.open(paths["car-labels.png"]), label(result.maps).values
    assert large.size == size
    assert (np.asarray(large.resize(result.image.size, Image.Resampling.NEAREST)) == small).all()


def test_the_numbers_are_the_maps(result, tmp_path) -> None:
    path = next(path for path in export_maps(result, tmp_path) if path.suffix == ".npz")
    with np.load(path, allow_pickle=False) as stored:
        assert stored["words"].tolist() == [word.text for word in result.maps.words()]
        assert stored["spans"].tolist() == [list(word.span) for word in result.maps.words()]
        expected = result.maps.probabilities()
        for index, word in enumerate(result.maps.words()):
            np.testing.assert_allclose(
                stored["maps"][index], expected[list(word.tokens)].sum(0).numpy(), atol=1e-6
            )
            assert np.flatnonzero(stored["word_of_token"] == index).tolist() == list(word.tokens)
        grids = {name: stored[name].shape for name in stored.files if name.startswith("grid_")}
        for (height, width), first in result.maps.recording.steps[0].items():
            assert grids[f"grid_{height}x{width}"] == (3, *first.shape)
        assert json.loads(str(stored["record"]))["request"]["prompt"] == result.request.prompt


def test_the_animation_has_a_frame_a_step_and_its_record(result, tmp_path) -> None:
    path = next(path for path in export_maps(result, tmp_path) if path.suffix == ".webp")
    with Image.open(path) as animation:
        assert animation.n_frames == 3
        assert json.loads(animation.getexif()[0x010E])["maps"]["steps"] == 3


def test_a_prompt_without_words_still_has_a_sheet(sd_folder, tmp_path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    paths = export_maps(pipe("", seed=1, num_steps=1, record="grid"), tmp_path)
    assert [path.suffix for path in paths] == [".png", ".npz", ".png", ".json", ".webp", ".html"]


def test_refusals(result, sd_folder, tmp_path) -> None:
    pipe = TextToImagePipeline.from_pretrained(sd_folder, device="cpu")
    plain = pipe("a", seed=1, num_steps=1)
    with pytest.raises(UsageError, match="nothing was recorded; ask for maps with record='grid'"):
        export_maps(plain, tmp_path)
    blocked = tmp_path / "file"
    blocked.write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        export_maps(result, blocked)
