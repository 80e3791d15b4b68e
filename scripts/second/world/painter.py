"""Paints layouts as pixels, many at once, on any device."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from scripts.second.world.atlas import Atlas
from scripts.second.world.layout import DECALS, LAYERS, PIXELS, SLOTS, Layout
from scripts.second.world.vocabulary import COLOURS, MATERIALS, STYLES
from scripts.world.tint import LUMA

SHADOW = (0.05, 0.04, 0.12)
GLOW = (1.0, 0.88, 0.5)
BLOCK = 4  # side in pixels of one square of pixel art


@dataclass(frozen=True)
class Pictures:
    """`images` in 0..1; `things[:, k]` how much of each pixel shows the thing in slot k, `layers[:, l]` the
    place's layer l; `covered[:, k]` the share of thing k that others hide."""

    images: Float[Tensor, "b 3 h w"]
    things: Float[Tensor, "b k h w"]
    layers: Float[Tensor, "b l h w"]
    covered: Float[Tensor, "b k"]


class Painter:
    """Paints layouts from an atlas; everything but the things is computed.

    Args:
        scale: pixels of the pictures for one pixel of the layout; sharp as far as the tiles are.
    """

    def __init__(self, atlas: Atlas, scale: int = 1):
        device = atlas.table.device
        self.atlas, self.scale = atlas, scale
        self.grid = (torch.arange(PIXELS * scale, device=device) + 0.5) / scale
        self.palette = torch.tensor([*COLOURS.values()], device=device) / 255
        self.ramps = torch.tensor([ramp[:3] for ramp in MATERIALS.values()], device=device) / 255  # m 3 3
        self.opacity = torch.tensor([ramp[3] for ramp in MATERIALS.values()], device=device)
        self.air = torch.from_numpy(_air()).to(device)
        self.luma = torch.from_numpy(LUMA).to(device)

    def paint(self, layout: Layout) -> Pictures:
        """Paints the place from far to near, then the slots in order, each over its shadow, then the air."""
        layers = self._layers(layout)
        canvas = self._place(layout, layers)
        things: list[Tensor] = []
        areas: list[Tensor] = []
        for slot in range(SLOTS):
            canvas, mask = self._thing(layout, slot, canvas)
            things = [other * (1 - mask) for other in things] + [mask]
            areas.append(mask.sum((1, 2)))
        canvas = self._fall(layout, canvas)
        shown = torch.stack(things, 1)
        images = styled(canvas.permute(0, 3, 1, 2), layout.style, shown)
        covered = 1 - shown.sum((2, 3)) / torch.stack(areas, 1).clamp(min=1e-3)
        free = layers * (1 - shown.sum(1, keepdim=True))
        return Pictures(images.clamp(0, 1), shown, free, torch.where(layout.noun >= 0, covered, 0.0))

    def _layers(self, layout: Layout) -> Float[Tensor, "b l h w"]:
        lines = F.interpolate(layout.lines, scale_factor=float(self.scale), mode="linear")
        cover = ((self.grid[None, None, :, None] - lines[:, :, None, :]) * self.scale + 0.5).clamp(0, 1)
        seen, above = [], torch.ones_like(cover[:, 0])
        for layer in reversed(range(LAYERS)):
            seen.append(cover[:, layer] * above)
            above = above * (1 - cover[:, layer])
        return torch.stack(seen[::-1], 1)

    def _place(self, layout: Layout, layers: Float[Tensor, "b l h w"]) -> Float[Tensor, "b h w 3"]:
        y, x = self.grid[:, None], self.grid[None, :]
        start, end = layout.spans.unbind(-1)
        depth = ((self.grid[None, None] - start[..., None]) / (end - start)[..., None].clamp(min=1)).clamp(
            0, 1
        )
        colour = torch.lerp(layout.fields[:, :, None, 0], layout.fields[:, :, None, 1], depth[..., None])
        canvas = torch.einsum("blhw,blhc->bhwc", layers, colour)
        across, down, strength = layout.pattern.unbind(-1)  # b l
        if bool((strength > 0).any()):
            wave = _stripes(x, across) * _stripes(y, down)
            shade = (layers * wave * strength[..., None, None]).sum(1)[..., None]
            canvas = canvas * (1 - 0.3 * shade)
        stars = self._fallen(layout, 0) * layers[:, 0, ..., None] * layout.air[:, 0, None, None, None]
        canvas = canvas + stars * (1 - canvas)
        for index in range(DECALS):
            spot = layout.decals[:, index]
            if not bool((spot[:, 8] > 0).any()):
                continue
            shown = layers[torch.arange(len(spot), device=spot.device), layout.clipped_to[:, index]]
            alpha = (self._ellipse(spot[:, :4], spot[:, 4]) * shown * spot[:, 8, None, None])[..., None]
            canvas = torch.lerp(canvas, spot[:, None, None, 5:8].expand_as(canvas), alpha)
        return canvas

    def _ellipse(self, box: Float[Tensor, "b 4"], soft: Float[Tensor, " b"]) -> Float[Tensor, "b h w"]:
        x, y, wide, high = (values[:, None, None] for values in box.unbind(-1))
        away = torch.hypot((self.grid - x) / wide, (self.grid[:, None] - y) / high)
        edge = ((1 - away) / soft[:, None, None]).clamp(0, 1)
        return edge * edge * (3 - 2 * edge)

    def _thing(self, layout: Layout, slot: int, canvas: Tensor) -> tuple[Tensor, Float[Tensor, "b h w"]]:
        rows = torch.nonzero(layout.noun[:, slot] >= 0)[:, 0]
        mask = canvas.new_zeros(canvas.shape[:3])
        if len(rows) == 0:
            return canvas, mask
        some, under = layout[rows], canvas[rows]
        shadow, halo = some.shadow[:, slot], some.halo[:, slot]
        dark = self._ellipse(shadow[:, :4], torch.ones_like(halo)) * shadow[:, 4, None, None]
        under = torch.lerp(under, under * under.new_tensor(SHADOW).add(0.12), dark[..., None])
        reach = 0.95 * some.side[:, slot]
        box = torch.stack([some.x[:, slot], some.y[:, slot], reach, reach], 1)
        light = (self._ellipse(box, torch.ones_like(halo)) * halo[:, None, None])[..., None]
        under = under + light * under.new_tensor(GLOW) * (1 - under)
        pixels = self.atlas.gather(some, slot, self.grid)
        over = ((some.clip[:, slot, None, None] - self.grid[:, None]) * self.scale).clamp(0, 1)[..., None]
        rgb, alpha = self._coloured(some, slot, pixels)
        glows = (halo > 0)[:, None, None, None]
        rgb = torch.where(glows, rgb, rgb * some.light[:, None, None])
        rgb, alpha = rgb * over, alpha * over
        whole = canvas.clone()
        whole[rows] = under * (1 - alpha) + rgb
        mask[rows] = alpha[..., 0]
        return whole, mask

    def _coloured(self, layout: Layout, slot: int, pixels: Tensor) -> tuple[Tensor, Tensor]:
        native, alpha, base, tint = pixels.split((3, 1, 3, 1), -1)
        colour, material = layout.colour[:, slot], layout.material[:, slot]
        tinted = base + tint * self.palette[colour.clamp(min=0)][:, None, None]
        rgb = torch.where((colour >= 0)[:, None, None, None], tinted, native)
        if bool((material >= 0).any()):
            low, high = self.atlas.tones[layout.art, layout.noun[:, slot].clamp(min=0)].unbind(-1)
            low, high = low[:, None, None, None], high[:, None, None, None]
            luma = (native @ self.luma)[..., None] / alpha.clamp(min=1e-3)
            tone = ((luma - low) / (high - low).clamp(min=0.1)).clamp(0, 1)
            ramp = self.ramps[material.clamp(min=0)][:, None, None]  # b 1 1 3 c
            dark, middle, light = ramp.unbind(-2)
            cast = torch.where(
                tone < 0.5, torch.lerp(dark, middle, 2 * tone), torch.lerp(middle, light, 2 * tone - 1)
            )
            opacity = self.opacity[material.clamp(min=0)][:, None, None, None]
            opacity = opacity + (1 - opacity) * (2 * tone - 1).abs()  # glass is clear where it is plain
            is_cast = (material >= 0)[:, None, None, None]
            alpha = torch.where(is_cast, alpha * opacity, alpha)
            rgb = torch.where(is_cast, cast * alpha, rgb)
        return rgb, alpha

    def _fallen(self, layout: Layout, kind: int) -> Float[Tensor, "b h w 1"]:
        side = PIXELS * self.scale
        air = self.air[kind]
        if self.scale > 1:
            air = F.interpolate(air[None, None], size=(side, side), mode="bicubic")[0, 0].clamp(0, 1)
        across, down = (layout.drift * self.scale).unbind(-1)
        places = torch.arange(side, device=down.device)
        rows, columns = ((places[None, :] + offset[:, None]) % side for offset in (down, across))
        return air[rows[:, :, None], columns[:, None, :]][..., None]

    def _fall(self, layout: Layout, canvas: Tensor) -> Tensor:
        for kind in (1, 2):
            if bool((layout.air[:, kind] > 0).any()):
                alpha = self._fallen(layout, kind) * layout.air[:, kind, None, None, None]
                canvas = canvas + alpha * (canvas.new_tensor((0.93, 0.96, 1.0)) - canvas)
        return canvas


def _stripes(along: Tensor, period: Float[Tensor, "b l"]) -> Float[Tensor, "b l h w"]:
    """Stripes with values in 0..1 and a period in pixels; 1 everywhere if the period is 0."""
    wave = torch.sin(6.2832 * along / period.clamp(min=1)[..., None, None])
    return torch.where((period > 0)[..., None, None], (0.5 + 1.6 * wave).clamp(0, 1), 1.0)


def _air() -> Float[np.ndarray, "3 h w"]:
    """Stars, rain and flakes as alpha, on a torus."""
    rng = np.random.default_rng(7)
    side = np.arange(PIXELS) + 0.5
    air = np.zeros((3, PIXELS, PIXELS), np.float32)
    for kind, count, slant in ((0, 70, 0), (1, 60, 7), (2, 55, 0)):
        for x, y, size in zip(*rng.uniform(0, PIXELS, (2, count)), rng.random(count), strict=True):
            for step in range(slant + 1):
                down = np.abs((side - y - step + PIXELS / 2) % PIXELS - PIXELS / 2)
                right = np.abs((side - x + 0.35 * step + PIXELS / 2) % PIXELS - PIXELS / 2)
                radius = (0.5 + 0.5 * size, 0.6, 0.8 + 0.8 * size)[kind]
                strength = (0.35 + 0.65 * size, 0.3, 0.9)[kind]
                dot = strength * np.clip(radius + 0.5 - np.hypot(right[None], down[:, None]), 0, 1)
                air[kind] = np.maximum(air[kind], dot)
    return air


def styled(
    images: Float[Tensor, "b 3 h w"], style: Tensor, things: Float[Tensor, "b k h w"]
) -> Float[Tensor, "b 3 h w"]:
    """The finished pictures in their styles: silhouette, sketch and pixel art are made here, others stay."""
    found = images.clone()
    rows = style == STYLES.index("silhouette")
    if bool(rows.any()):
        dark = images.new_tensor((0.07, 0.06, 0.1))[:, None, None]
        found[rows] = torch.lerp(
            images[rows], dark.expand_as(images[rows]), things[rows].sum(1, keepdim=True).clamp(0, 1)
        )
    rows = style == STYLES.index("sketch")
    if bool(rows.any()):
        grey = (images[rows] * images.new_tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
        edges = F.pad(images[rows], (1, 1, 1, 1), mode="replicate")
        across = (edges[..., 1:-1, 2:] - edges[..., 1:-1, :-2]).abs().amax(1, keepdim=True)
        down = (edges[..., 2:, 1:-1] - edges[..., :-2, 1:-1]).abs().amax(1, keepdim=True)
        ink = ((torch.hypot(across, down) - 0.1) * 3).clamp(0, 0.85)
        paper = images.new_tensor((0.97, 0.95, 0.9))[:, None, None] - 0.16 * (1 - grey)
        found[rows] = paper * (1 - ink) + images.new_tensor((0.2, 0.2, 0.24))[:, None, None] * ink
    rows = style == STYLES.index("pixel art")
    if bool(rows.any()):
        blocks = (F.avg_pool2d(images[rows], BLOCK) * 15).round() / 15
        found[rows] = F.interpolate(blocks, scale_factor=float(BLOCK), mode="nearest")
    return found
