"""How time and weather change colours."""

from collections.abc import Callable

import numpy as np

Light = Callable[[np.ndarray], np.ndarray]


def _night(rgb: np.ndarray) -> np.ndarray:
    return rgb * (0.24, 0.29, 0.5) + (0.01, 0.015, 0.08)


def _sunset(rgb: np.ndarray) -> np.ndarray:
    return rgb * (0.92, 0.66, 0.56) + (0.06, 0.0, 0.05)


def _dull(rgb: np.ndarray) -> np.ndarray:
    return 0.55 * (0.45 * rgb + 0.55 * rgb.mean(-1, keepdims=True)) + (0.15, 0.17, 0.2)


LIGHTS: dict[str, Light] = {"day": lambda rgb: rgb, "night": _night, "sunset": _sunset, "dull": _dull}
SKIES = {
    "night": ((10, 12, 48), (52, 58, 124)),
    "sunset": ((96, 72, 150), (255, 176, 112)),
    "dull": ((122, 134, 152), (186, 196, 206)),
}
THING_LIGHT = {
    "day": (1, 1, 1),
    "night": (0.76, 0.79, 0.94),
    "sunset": (1.0, 0.86, 0.8),
    "dull": (0.86, 0.88, 0.92),
}
