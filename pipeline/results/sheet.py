"""Draws a contact sheet: the picture, then the map of every word over it, with names and scales."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace

from jaxtyping import Float
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from limelight.pipeline.enlarging.view import enlarged_to
from limelight.pipeline.maps.drawer import Scale
from limelight.pipeline.maps.heatmaps import HeatMaps
from limelight.pipeline.results.overlay import FAINT, INK, PAPER, overlay, scale_bar
from limelight.pipeline.text.encoder import Word

TILE, GAP, LABEL, COLUMNS = 256, 16, 52, 5
TITLE_WIDTH = 110  # characters


@dataclass(frozen=True, slots=True)
class LitWord:
    """A word of the prompt with its map, and the value of the lightest colour."""

    word: Word
    values: Float[Tensor, "h w"]
    top: float


def lit_words(
    maps: HeatMaps, tops: Sequence[float] | None = None, *, scale: Scale = "shared"
) -> list[LitWord]:
    """Every word in order; equal words are separate.

    Args:
        tops: the value of the lightest colour for each word.
        scale: without `tops`, whether this is the largest value of all maps or of each map.
    """
    seen: dict[str, int] = {}
    lit = []
    for index, word in enumerate(maps.words()):
        key = word.text.casefold()
        values = maps.word(word.text, seen.get(key, 0))
        seen[key] = seen.get(key, 0) + 1
        lit.append(LitWord(word, values, float(values.max()) if tops is None else tops[index]))
    if tops is None and scale == "shared":
        top = max((each.top for each in lit), default=0.0)
        return [replace(each, top=top) for each in lit]
    return lit


def contact_sheet(
    picture: Image.Image, words: Sequence[LitWord], title: str, note: str, *, tile: int = TILE
) -> Image.Image:
    """Tiles of one size, at most `COLUMNS` in a row, below the prompt and above `note`.

    Args:
        tile: the shorter side of a tile, in pixels.
    """
    scale = tile / min(picture.size)
    size = round(picture.width * scale), round(picture.height * scale)
    base = enlarged_to(picture, tile).resize(size, Image.Resampling.LANCZOS)
    columns = min(COLUMNS, len(words) + 1)
    rows = -(-(len(words) + 1) // columns)
    bold, plain = ImageFont.load_default(size=16), ImageFont.load_default(size=12)
    sheet_width = columns * (size[0] + GAP) + GAP
    lines = textwrap.wrap(title, max(20, min(TITLE_WIDTH, sheet_width // 9)))[:6]
    notes = textwrap.wrap(note, max(20, sheet_width // 6))
    head, foot = 2 * GAP + 20 * len(lines), GAP + 16 * len(notes)
    sheet = Image.new("RGB", (sheet_width, head + rows * (size[1] + LABEL) + foot), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((GAP, GAP + 20 * number), line, fill=INK, font=bold)
    lit = [(overlay(base, each.values, each.top), each.word.text, each.top) for each in words]
    for index, (shown, name, top) in enumerate([(base, "", 0.0), *lit]):
        x, y = GAP + index % columns * (size[0] + GAP), head + index // columns * (size[1] + LABEL)
        sheet.paste(shown, (x, y))
        if not index:
            draw.text((x, y + size[1] + 4), "the picture", fill=FAINT, font=plain)
            continue
        bar = scale_bar(size[0] // 2, top)
        draw.text((x, y + size[1] + 2), shortened(name, bold, size[0] // 2 - 4), fill=INK, font=bold)
        sheet.paste(bar, (x + size[0] - bar.width, y + size[1] + 7))
    for number, line in enumerate(notes):
        draw.text((GAP, sheet.height - foot + 16 * number), line, fill=FAINT, font=plain)
    return sheet


def shortened(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, most: float) -> str:
    """A word shortened to a width of at most `most` pixels."""
    if font.getlength(text) <= most:
        return text
    while text and font.getlength(text + "\N{HORIZONTAL ELLIPSIS}") > most:
        text = text[:-1]
    return text + "\N{HORIZONTAL ELLIPSIS}"
