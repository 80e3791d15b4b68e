"""Scenes as numbers for the painter: one array for each property, a row for each scene."""

from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

PIXELS = 128
SLOTS = 5  # most things in a picture
LAYERS = 4
DECALS = 12
BELOW = 1e4  # height in pixels of a line outside the picture


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Lengths are pixels, colours 0..1. An empty slot has noun -1; colour and material -1 are the art's own.

    `owner`: which of the scene's things a slot shows. `lift`: how far the art's middle is below its tile's,
    a share of the side. `clip`: nothing of the thing shows below. `shadow`: x, y, half width, half height,
    alpha; `halo`: its light. `lines`: upper edges of the layers, `fields`: their colour at the top and at the
    bottom, `spans`: where those are; `pattern`: stripes. `decals`: x, y, half width, half height, softness,
    rgb, alpha; `clipped_to`: the layer that shows them. `light` multiplies things. `air`: alpha of stars,
    rain, flakes; `drift`: their offsets.
    """

    art: Int[Tensor, " b"]
    style: Int[Tensor, " b"]
    noun: Int[Tensor, "b k"]
    owner: Int[Tensor, "b k"]
    colour: Int[Tensor, "b k"]
    material: Int[Tensor, "b k"]
    x: Float[Tensor, "b k"]
    y: Float[Tensor, "b k"]
    side: Float[Tensor, "b k"]
    angle: Float[Tensor, "b k"]
    lift: Float[Tensor, "b k"]
    clip: Float[Tensor, "b k"]
    shadow: Float[Tensor, "b k 5"]
    halo: Float[Tensor, "b k"]
    lines: Float[Tensor, "b l w"]
    fields: Float[Tensor, "b l 2 3"]
    spans: Float[Tensor, "b l 2"]
    pattern: Float[Tensor, "b l 3"]
    decals: Float[Tensor, "b d 9"]
    clipped_to: Int[Tensor, "b d"]
    light: Float[Tensor, "b 3"]
    air: Float[Tensor, "b 3"]
    drift: Int[Tensor, "b 2"]

    @classmethod
    def of(cls, rows: list[dict[str, np.ndarray]]) -> "Layout":
        """Stacks rows that `blank` made and others filled in."""
        return cls(**{name: torch.from_numpy(np.stack([row[name] for row in rows])) for name in rows[0]})

    def to(self, device: str | torch.device) -> "Layout":
        return Layout(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def __getitem__(self, rows: slice | Tensor) -> "Layout":
        return Layout(**{field.name: getattr(self, field.name)[rows] for field in fields(self)})


def blank() -> dict[str, np.ndarray]:
    """The row of an empty scene."""
    whole = {name: np.full(SLOTS, -1, np.int64) for name in ("noun", "owner", "colour", "material")}
    real = {name: np.zeros(SLOTS, np.float32) for name in ("x", "y", "side", "angle", "lift", "halo")}
    return (
        whole
        | real
        | {
            "art": np.zeros((), np.int64),
            "style": np.zeros((), np.int64),
            "clip": np.full(SLOTS, BELOW, np.float32),
            "shadow": np.zeros((SLOTS, 5), np.float32),
            "lines": np.full((LAYERS, PIXELS), BELOW, np.float32),
            "fields": np.zeros((LAYERS, 2, 3), np.float32),
            "spans": np.tile(np.array([0, PIXELS], np.float32), (LAYERS, 1)),
            "pattern": np.zeros((LAYERS, 3), np.float32),
            "decals": np.tile(np.array([0, 0, 1, 1, 1, 0, 0, 0, 0], np.float32), (DECALS, 1)),
            "clipped_to": np.zeros(DECALS, np.int64),
            "light": np.ones(3, np.float32),
            "air": np.zeros(3, np.float32),
            "drift": np.zeros(2, np.int64),
        }
    )
