"""A saved copy of a model behaves as the original."""

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from limelight import TextToImagePipeline
from limelight.pipeline.errors import OutputError
from limelight.pipeline.models.locate import DEFAULT_MODEL
from tests.pipeline.enlarging.test_load import saved as saved_enlarger


def names_in(folder: Path) -> set[str]:
    """Of all files but the tokenizer's, which newer versions of its library write as one."""
    names = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    return {name for name in names if not name.startswith("tokenizer/")}


def test_a_copy_has_what_the_default_model_has(tmp_path: Path) -> None:
    original = TextToImagePipeline.from_pretrained("default", device="cpu")
    folder = original.save_pretrained(tmp_path / "copy")
    assert names_in(folder) == names_in(DEFAULT_MODEL)
    copy = TextToImagePipeline.from_pretrained(folder, device="cpu")
    assert copy.model.vocabulary == original.model.vocabulary
    assert copy.model.best_maps == original.model.best_maps
    assert copy.model.best_maps.scores == original.model.best_maps.scores
    first, second = (pipe("a cat", seed=1, num_steps=2).image for pipe in (original, copy))
    assert first.tobytes() == second.tobytes()


def test_the_files_of_a_copy_follow_the_umask(tmp_path: Path) -> None:
    original = TextToImagePipeline.from_pretrained("default", device="cpu")
    usual = os.umask(0o027)
    try:
        folder = original.save_pretrained(tmp_path / "copy")
    finally:
        os.umask(usual)
    modes = {path.name: f"{path.stat().st_mode & 0o777:o}" for path in folder.rglob("*") if path.is_file()}
    assert modes == dict.fromkeys(modes, "640")


def test_the_own_enlarger_and_changed_maps_are_in_the_copy(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(DEFAULT_MODEL, source)
    saved_enlarger(source / "enlarger")
    original = TextToImagePipeline.from_pretrained(source, device="cpu")
    original.model.best_maps = replace(original.model.best_maps, last=0.5)
    copy = TextToImagePipeline.from_pretrained(
        original.save_pretrained(tmp_path / "copy"), device="cpu"
    ).model
    assert copy.best_maps.last == 0.5
    assert copy.enlarger is not None and original.model.enlarger is not None
    assert copy.enlarger.sha256 == original.model.enlarger.sha256


def test_a_model_whose_folder_is_gone_is_not_saved_in_part(tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(DEFAULT_MODEL, source)
    pipe = TextToImagePipeline.from_pretrained(source, device="cpu")
    source.rename(tmp_path / "moved")
    with pytest.raises(OutputError, match=r"source, which the model was loaded from, is gone; put it back"):
        pipe.save_pretrained(tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]
