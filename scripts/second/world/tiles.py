"""Square pictures of every noun in every kind of art, on a transparent background."""

import io
import json
import os
import tarfile
from pathlib import Path

import numpy as np
from PIL import Image

from scripts.second.world.nouns import NOUNS
from scripts.world import sources

TILE = 128
MARGIN = 2
ARTS = ("3d", "flat")


class MissingArt(RuntimeError):
    """A package has no picture of a noun."""


def render_tiles(archives: Path, side: int = TILE) -> np.ndarray:
    """All art as uint8 (arts, nouns, side, side, 4), cropped to what is drawn, standing on the lower edge;
    the art itself has 256 pixels a side."""
    tiles = np.zeros((len(ARTS), len(NOUNS), side, side, 4), np.uint8)
    solid = _fluent_3d(sources.fetch(sources.FLUENT_3D, archives))
    flat = _fluent_flat(archives)
    for column, noun in enumerate(NOUNS):
        tiles[0, column] = _fitted(solid[noun.word], side)
        tiles[1, column] = _fitted(flat[noun.word], side)
    return tiles


def _fluent_3d(archive: Path) -> dict[str, Image.Image]:
    pictures = {}
    with tarfile.open(archive) as tar:
        members = {Path(name).stem: name for name in tar.getnames() if name.endswith(".webp")}
        for noun in NOUNS:
            code = "-".join(f"{ord(character):04x}" for character in noun.emoji)
            name = members.get(code) or members.get(code.replace("-fe0f", ""))
            stream = tar.extractfile(name) if name else None
            if stream is None:
                raise MissingArt(f"{archive.name} has no picture of {noun.word} ({code})")
            pictures[noun.word] = Image.open(io.BytesIO(stream.read())).convert("RGBA")
    return pictures


def _fluent_flat(archives: Path) -> dict[str, Image.Image]:
    names = sources.read_json(sources.fetch(sources.UNICODE_NAMES, archives), "package/data-by-emoji.json")
    icons = sources.read_json(sources.fetch(sources.FLUENT_FLAT, archives), "package/icons.json")
    slugs = {emoji.rstrip("\ufe0f"): _slug(entry["name"]) for emoji, entry in names.items()}
    return {noun.word: _icon(icons, slugs[noun.emoji.rstrip("\ufe0f")]) for noun in NOUNS}


def _slug(name: str) -> str:
    return name.lower().replace("\N{RIGHT SINGLE QUOTATION MARK}", "").replace(" ", "-")


def _icon(icons: dict, slug: str) -> Image.Image:
    import resvg_py

    entry = icons["icons"].get(slug)
    if entry is None:
        alias = icons.get("aliases", {}).get(slug)
        if alias is None:
            raise MissingArt(f"icon set {icons['prefix']} has no {slug!r}")
        entry = icons["icons"][alias["parent"]]
    width, height = entry.get("width", icons["width"]), entry.get("height", icons["height"])
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'viewBox="0 0 {width} {height}">{entry["body"]}</svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=svg, width=4 * TILE, height=4 * TILE, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGBA")


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
