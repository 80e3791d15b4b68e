"""Draws the maps of one finished picture."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from secrets import token_hex
from typing import TYPE_CHECKING

from PIL import Image

from limelight.pipeline.enlarging.view import enlarged_to
from limelight.pipeline.maps.drawer import Scale
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.results.figure import light_figure
from limelight.pipeline.results.overlay import overlay
from limelight.pipeline.results.sheet import TILE, LitWord, contact_sheet, lit_words
from limelight.pipeline.results.widget import light_widget
from limelight.pipeline.text.encoder import Word

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class PictureDrawer:
    """Draws for the methods of `HeatMaps` that return pictures."""

    picture: Image.Image
    seed: int

    @cached_property
    def seen(self) -> Image.Image:
        """The picture at the size at which maps are drawn over it."""
        return enlarged_to(self.picture, TILE)

    def overlay(self, maps: HeatMaps, word: str, scale: Scale) -> Image.Image:
        (lit,) = _lit(maps, [word], scale)
        return overlay(self.seen, lit.values, lit.top)

    def sheet(self, maps: HeatMaps, scale: Scale) -> Image.Image:
        note = f"seed {self.seed}; {maps.selection.in_words()}; colours are on {scale} scale"
        return contact_sheet(self.picture, lit_words(maps, scale=scale), maps.prompt, note)

    def plot(self, maps: HeatMaps, words: Sequence[str], scale: Scale) -> "Figure":
        lit = _lit(maps, words, scale) if words else lit_words(maps, scale=scale)
        return light_figure(self.seen, lit)

    def html(self, maps: HeatMaps) -> str:
        return light_widget(self.seen, lit_words(maps), id=f"limelight{token_hex(6)}")


def _lit(maps: HeatMaps, texts: Sequence[str], scale: Scale) -> list[LitWord]:
    """The words that a caller names; each text may consist of several words of the prompt."""
    found = [(text, maps.word(text)) for text in texts]
    tops = [float(values.max()) for _, values in found]
    if scale == "shared":
        most = max([*tops, *(lit.top for lit in lit_words(maps))])
        tops = [most] * len(tops)
    return [
        LitWord(Word(text, (0, 0), ()), values, top) for (text, values), top in zip(found, tops, strict=True)
    ]
