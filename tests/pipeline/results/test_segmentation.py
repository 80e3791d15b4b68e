"""Other programs read back the words that were exported."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra.numpy import arrays
from PIL import Image
from pycocotools.coco import COCO

from limelight.pipeline.maps.labels import Labels
from limelight.pipeline.results.segmentation import (
    box_of,
    coco_of,
    colours,
    indexed_picture,
    merge_coco,
    run_lengths,
)


def labels_of(*words: str, seed: int = 0) -> Labels:
    values = np.random.default_rng(seed).integers(0, len(words) + 1, (5, 7), np.uint8)
    return Labels(words, values, tuple(0.1 * (i + 1) for i in range(len(words))), 0.4)


def test_pillow_reads_the_index_of_each_pixel_and_its_colour(tmp_path: Path) -> None:
    labels = labels_of("cat", "dog", "sun")
    indexed_picture(labels).save(tmp_path / "labels.png")
    with Image.open(tmp_path / "labels.png") as read:
        assert read.mode == "P"
        assert np.array_equal(np.asarray(read), labels.values)
        assert np.array_equal(np.asarray(read.convert("RGB")), colours(3)[labels.values])


def test_colours_of_words_differ_clearly() -> None:
    some = colours(12).astype(int)
    apart = np.abs(some[:, None] - some[None]).sum(-1) + 1000 * np.eye(len(some), dtype=int)
    assert apart.min() > 40


@given(arrays(bool, (4, 6)))
def test_runs_are_those_of_pycocotools(mask: np.ndarray) -> None:
    from pycocotools import mask as theirs

    lengths = run_lengths(mask)
    assert sum(lengths) == mask.size
    packed = theirs.frPyObjects({"size": [4, 6], "counts": lengths}, 4, 6)
    assert np.array_equal(theirs.decode(packed).astype(bool), mask)
    if mask.any():
        assert theirs.toBbox(packed).tolist() == box_of(mask)


@pytest.fixture
def merged(tmp_path: Path) -> tuple[Path, list[Labels]]:
    some = [labels_of("cat", "dog"), labels_of("dog", "éclair", seed=1), labels_of()]
    files = {f"ab/{number}.png": tmp_path / f"{number}-coco.json" for number in range(len(some))}
    for labels, (name, file) in zip(some, files.items(), strict=True):
        file.write_text(json.dumps(coco_of(labels, name)))
    return merge_coco(files, tmp_path / "coco.json"), some


def test_pycocotools_reads_a_batch(
    merged: tuple[Path, list[Labels]], capsys: pytest.CaptureFixture[str]
) -> None:
    path, some = merged
    coco = COCO(str(path))
    assert [each["file_name"] for each in coco.loadImgs([1, 2, 3])] == ["ab/0.png", "ab/1.png", "ab/2.png"]
    assert [each["name"] for each in coco.loadCats([1, 2, 3])] == ["cat", "dog", "éclair"]
    for image, labels in enumerate(some, 1):
        for index, word in enumerate(labels.words):
            (category,) = coco.getCatIds(catNms=[word])
            (entry,) = coco.loadAnns(coco.getAnnIds(imgIds=[image], catIds=[category]))
            assert np.array_equal(coco.annToMask(entry).astype(bool), labels.mask(word))
            assert entry["area"] == labels.mask(word).sum()
            assert entry["score"] == pytest.approx(labels.scores[index])
    assert not coco.getAnnIds(imgIds=[3])
    capsys.readouterr()


def test_nothing_to_merge_is_an_empty_data_set(tmp_path: Path) -> None:
    read = json.loads(merge_coco({}, tmp_path / "coco.json").read_text())
    assert read == {"images": [], "annotations": [], "categories": []}
