"""Draws the maps of one finished picture."""

from dataclasses import dataclass

from PIL import Image

from limelight.pipeline.maps.drawer import Scale
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.results.overlay import overlay
from limelight.pipeline.results.sheet import contact_sheet, enlarge, lit_words


@dataclass(frozen=True, slots=True)
class PictureDrawer:
    """What `HeatMaps.overlay` and `HeatMaps.sheet` draw with."""

    picture: Image.Image
    seed: int

    def overlay(self, maps: HeatMaps, word: str, scale: Scale) -> Image.Image:
        values = maps.word(word)
        most = float(values.max())
        if scale == "shared":
            most = max([most, *(lit.top for lit in lit_words(maps))])
        return overlay(enlarge(self.picture), values, most)

    def sheet(self, maps: HeatMaps, scale: Scale) -> Image.Image:
        note = f"seed {self.seed}; {maps.selection.in_words()}; colours are on {scale} scale"
        return contact_sheet(self.picture, lit_words(maps, scale=scale), maps.prompt, note)
