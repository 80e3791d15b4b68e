"""Writes maps as a data set for segmentation: an indexed PNG of words, and COCO annotations."""

import json
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Bool, Float
from PIL import Image

from limelight.files import read_json
from limelight.pipeline.atomic import write_whole
from limelight.pipeline.maps.labels import Labels
from limelight.pipeline.results.overlay import from_oklab

MAX_COCO_BYTES = 64 * 2**20  # of one picture
_LIGHTNESS, _CHROMA = (0.72, 0.58, 0.84), 0.13  # of OKLab; neighbours in the prompt differ in both
_GOLDEN = 0.381966  # of a turn; consecutive hues differ strongly


def indexed_picture(labels: Labels) -> Image.Image:
    """A picture with the pixels `labels.values`, each in the colour of its word; black stands for no word."""
    picture = Image.fromarray(labels.values)
    picture.putpalette(colours(len(labels.words)).flatten().tolist())
    return picture


def colours(count: int) -> Any:
    """sRGB colours for no word and for `count` words."""
    hues = 2 * np.pi * (0.08 + _GOLDEN * np.arange(count))
    lab: Float[np.ndarray, "n 3"] = np.stack(
        [np.resize(_LIGHTNESS, count), _CHROMA * np.cos(hues), _CHROMA * np.sin(hues)], axis=1
    )
    return np.concatenate([np.zeros((1, 3), np.uint8), from_oklab(lab)])


def coco_of(labels: Labels, file_name: str) -> dict[str, Any]:
    """One picture in COCO's format for object detection: a category for each word, and an annotation for each
    word with pixels.

    The mask is run-length encoded by columns, as `pycocotools` reads it. `score` is the word's mean
    probability in the mask.

    Source: Lin et al. 2014, arXiv:1405.0312; the format at cocodataset.org/#format-data.
    """
    height, width = labels.values.shape
    annotations: list[dict[str, Any]] = []
    for index, (word, score) in enumerate(zip(labels.words, labels.scores, strict=True)):
        mask = labels.mask(word)
        if mask.any():
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": 1,
                    "category_id": index + 1,
                    "segmentation": {"size": [height, width], "counts": run_lengths(mask)},
                    "area": int(mask.sum()),
                    "bbox": box_of(mask),
                    "iscrowd": 0,
                    "score": round(score, 4),
                }
            )
    return {
        "images": [{"id": 1, "file_name": file_name, "width": width, "height": height}],
        "categories": [{"id": i + 1, "name": word} for i, word in enumerate(labels.words)],
        "annotations": annotations,
    }


def run_lengths(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    """Lengths of alternating runs of False and True, by columns; the first is of False."""
    flat = mask.T.flatten()
    bounds = [0, *(np.flatnonzero(flat[1:] != flat[:-1]) + 1).tolist(), flat.size]
    lengths = np.diff(bounds).tolist()
    return [0, *lengths] if flat[0] else lengths


def box_of(mask: Bool[np.ndarray, "h w"]) -> list[int]:
    """Left, top, width and height of the bounding box of a non-empty mask, in pixels."""
    rows, columns = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return [int(columns[0]), int(rows[0]), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1]


def merge_coco(files: Mapping[str, Path], to: Path) -> Path:
    """Writes the annotations of many pictures as one data set, without holding all in memory. Categories are
    merged by name.

    Args:
        files: the name of each picture in the data set, and the file with the result of `coco_of`.

    Raises:
        OutputError: `to` cannot be written.
        UnreadableFile, OSError: one of `files` cannot be read.
    """
    names: dict[str, int] = {}

    entries = {"images": _images(files), "annotations": _annotations(files, names)}

    def write(file: IO[bytes]) -> None:
        for key, some in entries.items():
            file.write(b'{"images": [\n' if key == "images" else b'\n],\n"annotations": [\n')
            for number, entry in enumerate(some):
                file.write((",\n" if number else "").encode() + json.dumps(entry).encode())
        categories = [{"id": id, "name": name} for name, id in names.items()]
        file.write(b'\n],\n"categories": ' + json.dumps(categories, ensure_ascii=False).encode() + b"}\n")

    return write_whole(to, write)


def _images(files: Mapping[str, Path]) -> Iterator[Mapping[str, Any]]:
    for number, (name, path) in enumerate(files.items(), 1):
        (image,) = read_json(path, max_bytes=MAX_COCO_BYTES)["images"]
        yield image | {"id": number, "file_name": name}


def _annotations(files: Mapping[str, Path], names: dict[str, int]) -> Iterator[Mapping[str, Any]]:
    """The annotations with consecutive ids; new categories are added to `names`."""
    ids = count(1)
    for number, path in enumerate(files.values(), 1):
        one = read_json(path, max_bytes=MAX_COCO_BYTES)
        renumbered = {
            each["id"]: names.setdefault(each["name"], len(names) + 1) for each in one["categories"]
        }
        for each in one["annotations"]:
            category = renumbered[each["category_id"]]
            yield each | {"id": next(ids), "image_id": number, "category_id": category}
