"""Writes maps as files: a sheet, each word over the picture, the numbers, and an animation of the steps."""

import io
import json
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from limelight.pipeline.atomic import write_whole
from limelight.pipeline.enlarging.view import enlarged_to
from limelight.pipeline.errors import UsageError
from limelight.pipeline.maps.drawer import Scale
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.labels import label
from limelight.pipeline.results.light_page import light_page
from limelight.pipeline.results.overlay import overlay
from limelight.pipeline.results.png import save_png
from limelight.pipeline.results.result import Result
from limelight.pipeline.results.segmentation import coco_of, indexed_picture
from limelight.pipeline.results.sheet import TILE, contact_sheet, lit_words

MAX_FRAMES = 50
MILLISECONDS = 160
FRAME_TILE = 128


def export_maps(
    result: Result, folder: Path, *, stem: str | None = None, picture: Path | None = None
) -> list[Path]:
    """Writes maps into `folder`, named after `stem` or the picture, and returns the files.

    They are `-maps.png`, the contact sheet; `-word00.png` and so on, one for each word in the prompt's order;
    `-maps.npz`, the numbers; `-steps.webp`, the sheet of each step; `-labels.png`, the index of each pixel's
    word; `-coco.json`, the same as annotations; `-light.html`, a page on which words light up in each step.
    Pictures and numbers contain the record.

    Args:
        picture: the file in which the picture was saved: annotations have its name, and they and the indices
            its size. By default the picture's name by content, and its own size.

    Raises:
        UsageError: the request did not record.
        OutputError: the folder cannot be written to.
    """
    if result.maps is None:
        raise UsageError("nothing was recorded; ask for maps with record='grid', 'site' or 'head'")
    maps, stem = result.maps, stem or Path(result.file_name).stem
    words, about = lit_words(maps), describe(maps)
    sheet, title = draw_sheet(result, maps), title_of(result)
    written = [save_png(sheet, dict(result.info) | {"maps": about}, folder / f"{stem}-maps.png")]
    ground = enlarged_to(result.image, TILE)
    for index, lit in enumerate(words):
        word = {"word": lit.word.text, "span": lit.word.span, "tokens": lit.word.tokens, "top": lit.top}
        written.append(
            save_png(
                overlay(ground, lit.values, lit.top),
                dict(result.info) | {"maps": about | word},
                folder / f"{stem}-word{index:02}.png",
            )
        )
    record = json.dumps(dict(result.info) | {"maps": about}, ensure_ascii=False, sort_keys=True)
    written.append(write_whole(folder / f"{stem}-maps.npz", lambda file: write_numbers(file, maps, record)))
    written += _export_labels(result, maps, about, folder / stem, picture)
    tops = [lit.top for lit in words]
    frames = [
        contact_sheet(result.image, lit_words(maps.step(i), tops), title, f"step {i + 1}", tile=FRAME_TILE)
        for i in _chosen(len(maps.recording.steps))
    ]
    written.append(
        write_whole(folder / f"{stem}-steps.webp", lambda file: _write_frames(file, frames, record))
    )
    page = light_page(result, maps, _chosen(maps.num_steps)).encode(errors="replace")
    written.append(write_whole(folder / f"{stem}-light.html", lambda file: file.write(page)))
    return written


def _export_labels(
    result: Result, maps: HeatMaps, about: dict[str, Any], path: Path, saved: Path | None
) -> list[Path]:
    name, size = f"{path.name}.png", result.image.size
    if saved is not None:
        with Image.open(saved) as image:
            name, size = saved.name, image.size
    labels = label(maps).resized(*size)
    words = {"labels": ["", *labels.words], "threshold": labels.threshold}
    picture = save_png(
        indexed_picture(labels),
        dict(result.info) | {"maps": about | words},
        path.with_name(f"{path.name}-labels.png"),
    )
    text = json.dumps(coco_of(labels, name), ensure_ascii=False).encode()
    return [picture, write_whole(path.with_name(f"{path.name}-coco.json"), lambda file: file.write(text))]


def title_of(result: Result) -> str:
    return result.request.prompt or "(an empty prompt)"


def draw_sheet(result: Result, maps: HeatMaps, scale: Scale = "shared") -> Image.Image:
    """The contact sheet of a picture and its maps."""
    made_by = f"{result.info['model']['name']}, seed {result.request.seed}"
    most = "the largest value of any word" if scale == "shared" else "its own largest value"
    note = f"{made_by}; {describe(maps)['what']}; each map from 0 to {most}"
    return contact_sheet(result.image, lit_words(maps, scale=scale), title_of(result), note)


def describe(maps: HeatMaps) -> dict[str, Any]:
    """The level, grids and predictions of a recording, and a description in one sentence."""
    recording, best = maps.recording, maps.selection.best
    grids = sorted(recording.steps[0], reverse=True)
    return {
        "level": recording.level,
        "grids": [list(grid) for grid in grids],
        "shown_grids": [list(grid) for grid in maps.taken_grids()],
        "steps": len(recording.steps),
        "repeated_steps": recording.num_repeated,
        "sites": sorted(recording.sums),
        "heads": {site: list(heads) for site, heads in best.heads.items()},
        "last": best.last,
        "what": f"cross-attention probabilities, {maps.selection.in_words()}",
    }


def write_numbers(file: IO[bytes], maps: HeatMaps, record: str) -> None:
    """`maps` (words, h, w) on the finest grid; `grid_HxW` (steps, tokens, h, w); no pickles."""
    words = maps.words()
    tokens = maps.probabilities()
    arrays: dict[str, Any] = {
        "words": np.array([word.text for word in words], dtype=np.str_),
        "spans": np.array([word.span for word in words], np.int32).reshape(-1, 2),
        "word_of_token": np.array(
            [
                next((i for i, word in enumerate(words) if token in word.tokens), -1)
                for token in range(len(tokens))
            ],
            np.int32,
        ),
        "maps": np.stack([tokens[list(word.tokens)].sum(0).numpy() for word in words])
        if words
        else np.zeros((0, *tokens.shape[1:]), np.float32),
        "record": np.array(record),
    }
    for height, width in maps.recording.steps[0]:
        steps = [step[height, width].cpu().numpy() for step in maps.recording.steps]
        arrays[f"grid_{height}x{width}"] = np.stack(steps).astype(np.float16)
    np.savez_compressed(file, **arrays)


def _write_frames(file: IO[bytes], frames: list[Image.Image], record: str) -> None:
    exif = Image.Exif()
    exif[0x010E] = record  # ImageDescription
    whole = io.BytesIO()
    frames[0].save(
        whole,
        format="WEBP",
        save_all=True,
        append_images=frames[1:],
        duration=[MILLISECONDS] * (len(frames) - 1) + [1500],
        loop=0,
        quality=80,
        method=2,
        exif=exif,
    )
    file.write(whole.getvalue())


def _chosen(count: int) -> list[int]:
    """Indices of all steps, or of `MAX_FRAMES` of them with the first and the last."""
    return sorted({round(i) for i in np.linspace(0, count - 1, min(count, MAX_FRAMES))})
