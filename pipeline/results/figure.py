"""Draws maps as a figure of matplotlib, which is optional."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from limelight.pipeline.errors import UsageError
from limelight.pipeline.results.overlay import colour_table, overlay
from limelight.pipeline.results.sheet import LitWord

if TYPE_CHECKING:
    from matplotlib.figure import Figure

COLUMNS = 4
INCHES = 2.2  # of a picture


def light_figure(picture: Image.Image, words: Sequence[LitWord]) -> "Figure":
    """The picture, and the map of each word over it with its scale.

    Raises:
        UsageError: matplotlib is not installed.
    """
    try:
        from matplotlib import pyplot
        from matplotlib.cm import ScalarMappable
        from matplotlib.colors import ListedColormap, Normalize
    except ImportError:
        raise UsageError(
            "plot needs matplotlib, which is not installed: pip install matplotlib, or take maps.sheet()"
        ) from None
    columns = min(COLUMNS, len(words) + 1)
    rows = math.ceil((len(words) + 1) / columns)
    size = columns * INCHES * 1.15, rows * INCHES * picture.height / picture.width * 1.15
    figure, grid = pyplot.subplots(rows, columns, figsize=size, layout="constrained", squeeze=False)
    # A notebook shows a figure twice unless it is closed in pyplot: it is also the value of the cell.
    pyplot.close(figure)
    for axes in grid.flat:
        axes.axis("off")
    grid.flat[0].imshow(np.asarray(picture))
    grid.flat[0].set_title("the picture")
    colours = ListedColormap(colour_table() / 255)
    for axes, lit in zip(grid.flat[1:], words, strict=False):
        axes.imshow(np.asarray(overlay(picture, lit.values, lit.top)))
        axes.set_title(lit.word.text)
        scale = ScalarMappable(Normalize(0, lit.top or 1), colours)
        figure.colorbar(scale, ax=axes, shrink=0.8, format="{x:.0%}")
    return figure
