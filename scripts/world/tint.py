"""Tinting: which part of a tile takes a colour. Shading stays; eyes, leaves and outlines keep their own
colour."""

import numpy as np

LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def tint_layers(tile: np.ndarray, whole: bool = False) -> np.ndarray:
    """float32 (h, w, 8), premultiplied: native rgb, alpha, base rgb of the tinted tile, tint.

    The tile in a colour is `base + tint * colour`, the tile as drawn is `native`.

    Args:
        tile: uint8 (h, w, 4), not premultiplied.
        whole: everything that is not dark takes the colour, not only the main hue.
    """
    rgb, alpha = tile[..., :3].astype(np.float32) / 255, tile[..., 3].astype(np.float32) / 255
    weight = _ramp(rgb.max(-1), 0.2, 0.4) if whole else _weight(rgb, alpha)
    luma = rgb @ LUMA
    middle = _weighted_quantile(luma, alpha * weight, 0.6)
    shade = np.minimum(luma / max(middle, 1e-3), 1)
    light = np.clip((luma - middle) / max(1 - middle, 0.15), 0, 1)
    base = (1 - weight)[..., None] * rgb + (weight * light)[..., None]
    layers = [rgb * alpha[..., None], alpha[..., None], base * alpha[..., None]]
    return np.concatenate([*layers, (alpha * weight * shade * (1 - light))[..., None]], -1).astype(np.float32)


def _weight(rgb: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """The weight of the tint for each pixel, 0..1: high near the tile's main hue, or, if no hue covers a
    third of the tile, everywhere but in dark pixels."""
    high, low = rgb.max(-1), rgb.min(-1)
    saturation = (high - low) / np.maximum(high, 1e-3)
    hue = _hue(rgb)
    strength = alpha * _ramp(saturation, 0.15, 0.35) * _ramp(high, 0.15, 0.3)
    histogram, _ = np.histogram(hue, bins=36, range=(0, 1), weights=strength)
    smooth = sum(np.roll(histogram, shift) for shift in (-2, -1, 0, 1, 2))
    main = (int(smooth.argmax()) + 0.5) / 36
    distance = np.abs((hue - main + 0.5) % 1 - 0.5) * 360
    near = (1 - _ramp(distance, 28, 48)) * _ramp(saturation, 0.12, 0.3) * _ramp(high, 0.1, 0.25)
    if (near * alpha).sum() >= alpha.sum() / 3:
        return near
    return _ramp(high, 0.2, 0.4)


def _hue(rgb: np.ndarray) -> np.ndarray:
    red, green, blue = np.moveaxis(rgb, -1, 0)
    high, spread = rgb.max(-1), np.maximum(rgb.max(-1) - rgb.min(-1), 1e-6)
    sector = np.where(
        high == red,
        (green - blue) / spread % 6,
        np.where(high == green, (blue - red) / spread + 2, (red - green) / spread + 4),
    )
    return sector / 6


def _ramp(value: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.clip((value - low) / (high - low), 0, 1)


def _weighted_quantile(values: np.ndarray, weights: np.ndarray, share: float) -> float:
    order = values.ravel().argsort()
    total = weights.ravel()[order].cumsum()
    return float(values.ravel()[order][np.searchsorted(total, share * total[-1])])
