"""Packs heat maps for the browser: 8-bit integers, and the largest value of each map."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.maps.layers import Layer
from limelight.pipeline.text.encoder import parts_of

MEAN = -1  # the number of the frame over all predictions or heads
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
    """The maps of an unfinished picture: over all predictions so far, and of the newest."""
    chips = chips_of(maps)
    newest = [maps.num_steps - 1]
    layers = [_best(maps, chips, newest), *(_layer(layer, chips) for layer in maps.layers(steps=newest))]
    return _payload(maps, [_view("attention", chips, layers)])


def all_maps(maps: HeatMaps, max_bytes: int) -> dict[str, Any]:
    """Everything that was recorded of a finished picture, up to `max_bytes`.

    Sites come as means over heads at every prediction, and head by head over all predictions; what does not
    fit is left out, and the browser says so.
    """
    chips = chips_of(maps)
    steps = range(maps.num_steps)
    layers = [_best(maps, chips, steps), *(_layer(layer, chips) for layer in maps.layers())]
    left = max_bytes - sum(map(_size, layers))
    for site in chain(maps.layers("heads"), maps.layers("steps")):
        layer = _layer(site, chips)
        if _size(layer) <= left:
            layers.append(layer)
            left -= _size(layer)
    views = [_view("attention", chips, layers)]
    for name, view in maps.views().items():
        own = chips_of(view)
        own_layers = [_best(view, own, range(view.num_steps)), *(_layer(each, own) for each in view.layers())]
        views.append(_view(name, own, own_layers))
    return _payload(maps, views) | {"points": _points(maps)}


def quantised(maps: Float[Tensor, "*k h w"]) -> tuple[Float[Tensor, "*k"], Int[Tensor, "*k h w"]]:
    """Each map's largest value, and the map in 255ths of it: off by at most half of one."""
    tops = maps.amax((-2, -1))
    scale = torch.where(tops > 0, LEVELS / tops.clamp(min=1e-30), 0.0)
    return tops, (maps * scale[..., None, None]).round().to(torch.uint8)


def _payload(maps: HeatMaps, views: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "height": maps.size[0],
        "width": maps.size[1],
        "best": maps.selection.in_words(),
        "views": views,
    }


def _view(name: str, chips: Sequence[Chip], layers: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "chips": [chip.to_dict() for chip in chips], "layers": layers}


def _best(maps: HeatMaps, chips: Sequence[Chip], steps: Sequence[int]) -> dict[str, Any]:
    """The maps as the model's best heads make them: over the best predictions, and of each of `steps`."""
    frames = [maps.probabilities(), *(maps.step(step).probabilities() for step in steps)]
    return _layer(Layer("best", "best", (None, *steps), torch.stack(frames)), chips)


def _layer(layer: Layer, chips: Sequence[Chip]) -> dict[str, Any]:
    """A layer as the browser gets it; the maps of each chip's tokens are added up."""
    tops, levels = quantised(
        torch.stack([layer.maps[:, list(chip.tokens)].sum(1) for chip in chips], dim=1)
    )  # frames chips h w
    return {
        "name": layer.name,
        "kind": layer.kind,
        "grid": list(layer.maps.shape[-2:]),
        "frames": [MEAN if frame is None else frame for frame in layer.frames],
        "tops": _base64(tops),
        "data": _base64(levels),
    }


def _points(maps: HeatMaps) -> dict[str, Any] | None:
    """The self-attention maps of points of the picture; None if none were recorded."""
    points = maps.points()
    if not points:
        return None
    tops, levels = quantised(torch.stack(list(points.values())))
    places = [[round(x, 4), round(y, 4)] for x, y in points]
    grid = list(levels.shape[-2:])
    return {"places": places, "grid": grid, "tops": _base64(tops), "data": _base64(levels)}


def _base64(numbers: Tensor) -> str:
    return base64.b64encode(numbers.contiguous().numpy().tobytes()).decode()


def _size(layer: dict[str, Any]) -> int:
    return len(layer["data"])
