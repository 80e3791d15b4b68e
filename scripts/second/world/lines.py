"""The upper edges of layers, as a height for every column of a picture, in random shapes."""

from collections.abc import Callable

import numpy as np

Line = Callable[[np.random.Generator, np.ndarray], np.ndarray]
"""(random numbers, columns in 0..1) to heights above the horizon, as shares of the picture's height."""


def everything(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
    """A line above the picture: the layer covers everything, as a sky or a wall does."""
    return np.full_like(x, 9.0)


def flat(drop: float = 0.0) -> Line:
    """A straight line; with a negative `drop` it stands above the horizon."""
    return lambda rng, x: np.full_like(x, -drop)


def hills(height: float, swing: float) -> Line:
    """A sum of three sines."""

    def line(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        phases, lengths = rng.uniform(0, 6.28, 3), (rng.uniform(3, 5), rng.uniform(6, 9), rng.uniform(11, 15))
        parts = [a * np.sin(w * x + p) for a, w, p in zip((1, 0.5, 0.2), lengths, phases, strict=True)]
        return height * rng.uniform(0.75, 1.2) + swing * sum(parts)

    return line


def waves() -> Line:
    """The line of a shore: nearly straight."""
    return lambda rng, x: 0.008 * np.sin(rng.uniform(4, 9) * x + rng.uniform(0, 6.28))


def peaks(height: float) -> Line:
    """Mountains: the highest of a few triangles at each column."""

    def line(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        tops = [
            rng.uniform(0.55, 1.05) * height - rng.uniform(0.55, 1.0) * np.abs(x - centre)
            for centre in np.linspace(0, 1, 5) + rng.uniform(-0.1, 0.1, 5)
        ]
        return np.maximum.reduce([*tops, np.full_like(x, 0.02)])

    return line


def trees(height: float) -> Line:
    """A row of crowns: round ones or firs."""

    def line(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        is_fir = rng.random() < 0.5
        parts = []
        for centre in np.arange(-0.05, 1.1, rng.uniform(0.11, 0.16)):
            away = np.abs(x - centre - rng.uniform(-0.03, 0.03)) / rng.uniform(0.07, 0.1)
            top = height * rng.uniform(0.75, 1.1)
            crown = 1 - away if is_fir else np.sqrt(np.maximum(1 - away**2, 0)) - 1
            parts.append(top * (0.2 + 0.8 * np.maximum(crown, 0)) if is_fir else top + 0.09 * crown)
        return np.maximum.reduce(parts)

    return line


def hedge(height: float) -> Line:
    """Small bumps."""
    return lambda rng, x: (
        height * rng.uniform(0.85, 1.15) + 0.02 * np.abs(np.sin(rng.uniform(14, 20) * x + rng.uniform(0, 3)))
    )


def towers(height: float) -> Line:
    """A skyline: blocks of different heights."""

    def line(rng: np.random.Generator, x: np.ndarray) -> np.ndarray:
        edges = np.cumsum(rng.uniform(0.09, 0.2, 14)) - 0.15
        tops = height * rng.uniform(0.45, 1.1, 15)
        return tops[np.searchsorted(edges, x)]

    return line
