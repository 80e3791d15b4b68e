"""Square pictures of every noun in every kind of art, on a transparent background."""

import json
import os
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.second.world.nouns import NOUNS
from scripts.world import sources
from scripts.world.tiles import TILE, MissingArt, icon, solid_art

MARGIN = 2
ARTS = ("3d", "flat")


def render_tiles(archives: Path, side: int = TILE) -> np.ndarray:
    """All art as uint8 (arts, nouns, side, side, 4), cropped to what is drawn, standing on the lower edge;
    the art itself has 256 pixels a side."""
    tiles = np.zeros((len(ARTS), len(NOUNS), side, side, 4), np.uint8)
    solid = solid_art(sources.fetch(sources.FLUENT_3D, archives), {noun.word: noun.emoji for noun in NOUNS})
    flat = _fluent_flat(archives)
    for column, noun in enumerate(NOUNS):
        tiles[0, column] = _fitted(solid[noun.word], side)
        tiles[1, column] = _fitted(flat[noun.word], side)
    return tiles


def _fluent_flat(archives: Path) -> dict[str, Image.Image]:
    names = sources.read_json(sources.fetch(sources.UNICODE_NAMES, archives), "package/data-by-emoji.json")
    icons = sources.read_json(sources.fetch(sources.FLUENT_FLAT, archives), "package/icons.json")
    slugs = {emoji.rstrip("\ufe0f"): _slug(entry["name"]) for emoji, entry in names.items()}
    return {noun.word: icon(icons, slugs[noun.emoji.rstrip("\ufe0f")]) for noun in NOUNS}


def _slug(name: str) -> str:
    return name.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "").replace(" ", "-")


def _fitted(picture: Image.Image, side: int) -> np.ndarray:
    box = picture.getchannel("A").point(lambda alpha: 255 if alpha > 8 else 0).getbbox()
    if box is None:
        raise MissingArt("a picture is empty")
    picture = picture.crop(box)
    margin = MARGIN * side // TILE
    scale = (side - 2 * margin) / max(picture.size)
    size = tuple(max(1, round(length * scale)) for length in picture.size)
    small = picture.convert("RGBa").resize(size, Image.Resampling.LANCZOS).convert("RGBA")
    tile = Image.new("RGBA", (side, side))
    tile.paste(small, ((side - size[0]) // 2, side - margin - size[1]))
    return np.asarray(tile)


def save_tiles(tiles: np.ndarray, folder: Path) -> Path:
    """Writes `tiles.npz`, with the words that it was made for, by a rename, so that it is whole or absent."""
    folder.mkdir(parents=True, exist_ok=True)
    path, temporary = folder / "tiles.npz", folder / ".tiles.tmp.npz"
    np.savez_compressed(temporary, tiles=tiles, words=np.array(_made_for()))
    os.replace(temporary, path)
    return path


def load_tiles(folder: Path) -> np.ndarray:
    """Reads `tiles.npz`: uint8 (arts, nouns, side, side, 4).

    Raises:
        MissingArt: the file is missing or made for another vocabulary; the message says how to make it.
    """
    path, remedy = folder / "tiles.npz", "`python -m scripts.build_dataset --edition 2`"
    if not path.exists():
        raise MissingArt(f"{path} does not exist; make it with {remedy}")
    with np.load(path) as stored:
        if str(stored["words"]) != _made_for():
            raise MissingArt(f"{path} is of another vocabulary; make it again: {remedy}")
        return stored["tiles"]


def _made_for() -> str:
    return json.dumps({"nouns": [noun.word for noun in NOUNS], "arts": list(ARTS)})
