"""Maps as the browser gets them: small integers, and what each counts for."""

import base64
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.attention.recording.recording import Grid, Recording
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.text.words import parts_of

MEAN = -1  # the number of the frame over all predictions
LEVELS = 255  # a map's largest value is sent as this one


@dataclass(frozen=True, slots=True)
class Chip:
    """Tokens that light up together: a word, or all tokens of a part."""

    text: str
    part: str
    span: tuple[int, int]
    weight: float
    tokens: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        return {"text": self.text, "part": self.part, "span": list(self.span), "weight": self.weight}


def chips_of(maps: HeatMaps) -> list[Chip]:
    """The words in their order, then start, end and padding."""
    words = [
        Chip(word.text, "word", word.span, maps.tokens[word.tokens[0]].weight, word.tokens)
        for word in maps.words()
    ]
    parts = parts_of(maps.tokens)
    for part in ("start", "end", "padding"):
        tokens = tuple(i for i, each in enumerate(parts) if each == part)
        if tokens:
            words.append(Chip(part, part, (0, 0), 1.0, tokens))
    return words


def live_maps(maps: HeatMaps) -> dict[str, Any]:
    """The maps so far of a picture that is being drawn: over all predictions, and of the newest."""
    chips, recording = chips_of(maps), maps.recording
    newest = len(recording.steps) - 1
    layers = [_grid_layer(recording, grid, chips, [MEAN, newest]) for grid in _grids(recording)]
    return _payload(maps, [_view("attention", chips, layers)])


def all_maps(maps: HeatMaps, max_bytes: int) -> dict[str, Any]:
    """Everything that was recorded of a finished picture, up to `max_bytes`.

    Sites come as means over heads at every prediction, and head by head over all predictions; what does not
    fit is left out, and the browser says so.
    """
    chips, recording = chips_of(maps), maps.recording
    layers = _grid_layers(recording, chips)
    left = max_bytes - sum(map(_size, layers))
    for layer in _site_layers(recording, chips):
        if _size(layer) <= left:
            layers.append(layer)
            left -= _size(layer)
    views = [_view("attention", chips, layers)]
    for name in ("values", "refined"):
        if name in recording.views and recording.views[name].steps:
            views.append(_view(name, chips, _grid_layers(recording.views[name], chips)))
    if maps.of_negative is not None:
        own = chips_of(maps.of_negative)
        views.append(_view("negative", own, _grid_layers(maps.of_negative.recording, own)))
    return _payload(maps, views) | {"points": _points(recording)}


def quantised(maps: Float[Tensor, "*k h w"]) -> tuple[Float[Tensor, "*k"], Int[Tensor, "*k h w"]]:
    """Each map's largest value, and the map in 255ths of it: off by at most half of one."""
    tops = maps.amax((-2, -1))
    scale = torch.where(tops > 0, LEVELS / tops.clamp(min=1e-30), 0.0)
    return tops, (maps * scale[..., None, None]).round().to(torch.uint8)


def _payload(maps: HeatMaps, views: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "height": maps.size[0],
        "width": maps.size[1],
        "blend": [list(grid) for grid in maps.taken_grids()],
        "views": views,
    }


def _view(name: str, chips: Sequence[Chip], layers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "chips": [chip.to_dict() for chip in chips], "layers": layers}


def _grids(recording: Recording) -> list[Grid]:
    """The finest first."""
    return sorted(recording.totals, reverse=True)


def _grid_layers(recording: Recording, chips: Sequence[Chip]) -> list[dict[str, Any]]:
    frames = [MEAN, *range(len(recording.steps))]
    return [_grid_layer(recording, grid, chips, frames) for grid in _grids(recording)]


def _grid_layer(
    recording: Recording, grid: Grid, chips: Sequence[Chip], frames: Sequence[int]
) -> dict[str, Any]:
    maps = [recording.grid(grid, None if frame == MEAN else [frame]) for frame in frames]
    return _layer(f"{grid[0]}x{grid[1]}", "grid", grid, frames, _of_chips(maps, chips))


def _site_layers(recording: Recording, chips: Sequence[Chip]) -> Iterable[dict[str, Any]]:
    """Heads of every site over all predictions, then every site at each of them."""
    is_by_head = recording.level == "head"
    for name in recording.sums:
        maps = recording.site(name)
        heads = maps if is_by_head else maps[None]  # heads m h w
        frames = [MEAN, *range(len(heads))] if is_by_head else [MEAN]
        stacked = [heads.mean(0), *heads] if is_by_head else [heads[0]]
        yield _layer(name, "heads", _grid_of(maps), frames, _of_chips(stacked, chips))
    for name in recording.sums if recording.site_steps else ():
        steps = range(len(recording.site_steps))
        each = [recording.site(name, [step]) for step in steps]
        means = [maps.mean(0) if is_by_head else maps for maps in each]
        yield _layer(name, "steps", _grid_of(means[0]), list(steps), _of_chips(means, chips))


def _grid_of(maps: Tensor) -> Grid:
    return maps.shape[-2], maps.shape[-1]


def _of_chips(maps: Sequence[Float[Tensor, "m h w"]], chips: Sequence[Chip]) -> Float[Tensor, "f c h w"]:
    """Each frame's maps of tokens, taken together by chip."""
    stacked = torch.stack(list(maps)).float().cpu()
    return torch.stack([stacked[:, list(chip.tokens)].sum(1) for chip in chips], dim=1)


def _layer(
    name: str, kind: str, grid: Grid, frames: Sequence[int], maps: Float[Tensor, "f c h w"]
) -> dict[str, Any]:
    tops, levels = quantised(maps)
    return {
        "name": name,
        "kind": kind,
        "grid": list(grid),
        "frames": list(frames),
        "tops": _base64(tops.float()),
        "data": _base64(levels),
    }


def _points(recording: Recording) -> dict[str, Any] | None:
    """Where places of the picture attend to in it: for each, on the finest grid, what sums to 1."""
    if "points" not in recording.views or not recording.views["points"].steps:
        return None
    view = recording.views["points"]
    grid = _grids(view)[0]
    maps = view.grid(grid).float().cpu()
    tops, levels = quantised(maps / maps.sum((-2, -1), keepdim=True).clamp(min=1e-30))
    places = [[round(x, 4), round(y, 4)] for x, y in recording.extras.points]
    return {"places": places, "grid": list(grid), "tops": _base64(tops), "data": _base64(levels)}


def _base64(numbers: Tensor) -> str:
    return base64.b64encode(numbers.contiguous().numpy().tobytes()).decode()


def _size(layer: dict[str, Any]) -> int:
    return len(layer["data"])
